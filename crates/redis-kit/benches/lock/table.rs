use std::{collections::BTreeMap, fmt};

/// What was measured, by what it is about and by contender.
#[derive(Default)]
pub(crate) struct Table {
    samples: BTreeMap<(&'static str, &'static str), Vec<f64>>,
}

impl Table {
    pub(crate) fn add(&mut self, about: &'static str, contender: &'static str, value: f64) {
        eprintln!("  {about}, {contender}: {value:.0}");
        self.samples.entry((about, contender)).or_default().push(value);
    }

    fn median(&self, about: &'static str, contender: &'static str) -> Option<f64> {
        let mut values = self.samples.get(&(about, contender))?.clone();
        values.sort_by(f64::total_cmp);
        Some(values[values.len() / 2])
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| what | contender | median | min | max | of by hand |")?;
        writeln!(f, "| --- | --- | ---: | ---: | ---: | ---: |")?;
        for ((about, contender), values) in &self.samples {
            let min = values.iter().copied().fold(f64::INFINITY, f64::min);
            let max = values.iter().copied().fold(0.0, f64::max);
            let median = self.median(about, contender).unwrap_or_default();
            let share = self.median(about, "by hand").map_or(f64::NAN, |by_hand| median / by_hand);
            writeln!(f, "| {about} | {contender} | {median:.0} | {min:.0} | {max:.0} | {share:.2} |")?;
        }
        Ok(())
    }
}
