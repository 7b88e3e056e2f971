use std::time::Duration;

use redis_kit::stream::Mode;

/// What is to become of an entry: the same for every worker and for the verdict, because it follows from the seed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Fate {
    /// How many attempts fail for now.
    pub(crate) failures: u32,
    /// Whether they fail by a panic.
    pub(crate) panics: bool,
    /// How long the handler takes; most need not wait at all.
    pub(crate) pause: Duration,
    pub(crate) end: End,
}

/// What the handler returns in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// A commit that writes.
    Write,
    /// An empty commit.
    Nothing,
    /// A rejection, so that the entry goes to the dead letters.
    Reject,
}

impl Fate {
    pub(crate) fn of(number: u64, seed: u64, mode: Mode) -> Self {
        // Spreads numbers that follow on each other: 2^64 divided by the golden ratio.
        let mut random = fastrand::Rng::with_seed(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        Self {
            failures: [0, 0, 0, 0, 0, 0, 0, 0, 1, 2][random.usize(..10)],
            panics: random.u8(..4) == 0,
            pause: pause(&mut random, mode),
            end: match random.u8(..100) {
                0..2 => End::Reject,
                2..25 => End::Nothing,
                _ => End::Write,
            },
        }
    }
}

fn pause(random: &mut fastrand::Rng, mode: Mode) -> Duration {
    Duration::from_millis(match (mode, random.u16(..1000)) {
        (_, ..500) => 0,
        // The whole partition waits.
        (Mode::Ordered, _) => random.u64(1..8),
        (Mode::Competing, ..995) => random.u64(1..150),
        // Longer than a lease, and than a worker that is asked to stop lets it go on.
        (Mode::Competing, _) => random.u64(1000..3500),
    })
}
