use std::{collections::BTreeMap, fmt};

/// What a benchmark measured, by what it is about and by contender. Printed, it shows medians, and what share each is of that of one
/// contender.
#[derive(Debug)]
pub struct Table {
    against: &'static str,
    samples: BTreeMap<(&'static str, &'static str), Vec<f64>>,
}

impl Table {
    /// An empty table in which everybody is measured by `against`.
    pub fn against(against: &'static str) -> Self {
        Self { against, samples: BTreeMap::new() }
    }

    /// Adds one measurement, and tells it.
    pub fn add(&mut self, about: &'static str, contender: &'static str, value: f64) {
        eprintln!("  {about}, {contender}: {value:.0}");
        self.samples.entry((about, contender)).or_default().push(value);
    }

    fn median(&self, about: &'static str, contender: &'static str) -> Option<f64> {
        self.samples.get(&(about, contender)).map(|values| median(values.clone()))
    }
}

/// The value in the middle; of two, the greater.
///
/// # Panics
/// If there is none.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| what | contender | median | min | max | of {} |", self.against)?;
        writeln!(f, "| --- | --- | ---: | ---: | ---: | ---: |")?;
        for ((about, contender), values) in &self.samples {
            let min = values.iter().copied().fold(f64::INFINITY, f64::min);
            let max = values.iter().copied().fold(0.0, f64::max);
            let median = self.median(about, contender).unwrap_or_default();
            let share = self.median(about, self.against).map_or(f64::NAN, |against| median / against);
            writeln!(f, "| {about} | {contender} | {median:.0} | {min:.0} | {max:.0} | {share:.2} |")?;
        }
        Ok(())
    }
}
