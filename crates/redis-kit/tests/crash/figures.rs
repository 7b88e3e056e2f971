use std::{fmt, iter::Sum, ops::Add, time::Duration};

use test_support::Spread;

use crate::verdict::Verdict;

/// How many faults there were.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    pub(crate) kills: u64,
    pub(crate) stops: u64,
    pub(crate) freezes: u64,
    pub(crate) cuts: u64,
}

impl Add for Faults {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            kills: self.kills + other.kills,
            stops: self.stops + other.stops,
            freezes: self.freezes + other.freezes,
            cuts: self.cuts + other.cuts,
        }
    }
}

impl Sum for Faults {
    fn sum<I: Iterator<Item = Self>>(faults: I) -> Self {
        faults.fold(Self::default(), Add::add)
    }
}

/// What a run showed, printed as a small table.
pub(crate) struct Figures {
    pub(crate) scenario: &'static str,
    pub(crate) entries: u64,
    /// Attempts that had to be made again.
    pub(crate) repeated: u64,
    pub(crate) faults: Faults,
    pub(crate) outages: u64,
    pub(crate) verdict: Verdict,
    /// From a kill until others had taken over, with all other workers well.
    pub(crate) calm: Vec<Duration>,
    /// The same in the midst of other faults.
    pub(crate) storm: Vec<Duration>,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scenario, entries, repeated, faults, outages, verdict, .. } = self;
        let Faults { kills, stops, freezes, cuts } = faults;
        let Verdict { lost, doubled, reordered, torn, miscounted } = verdict;
        let [lost, doubled, reordered, torn, miscounted] =
            [lost, doubled, reordered, torn, miscounted].map(Vec::len);
        writeln!(f, "{scenario}")?;
        writeln!(f, "  entries {entries}   attempts made again {repeated}")?;
        writeln!(
            f,
            "  workers killed {kills}, frozen {freezes}, cut off {cuts}, stopped {stops}   Redis killed {outages}"
        )?;
        writeln!(
            f,
            "  lost {lost}   doubled {doubled}   reordered {reordered}   torn {torn}   miscounted {miscounted}"
        )?;
        writeln!(f, "  takeover, others well       {}", Spread(&self.calm))?;
        write!(f, "  takeover, others in trouble {}", Spread(&self.storm))
    }
}
