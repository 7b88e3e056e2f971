use std::time::Duration;

use fastrand::Rng;
use test_support::Cut;

/// What may befall a worker.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// SIGKILL; another worker comes in its place.
    Kill,
    /// SIGTERM; another worker comes in its place.
    Stop,
    /// SIGSTOP, and SIGCONT after so long.
    Freeze(Duration),
    /// Its connections to Redis fail, for so long.
    Cut(Cut, Duration),
}

impl Fault {
    /// Draws one; cuts only for workers that can be cut off.
    pub(crate) fn draw(random: &mut Rng, can_be_cut: bool) -> Self {
        match random.u8(..if can_be_cut { 16 } else { 6 }) {
            0..3 => Self::Kill,
            3 => Self::Stop,
            4..6 => Self::Freeze(millis(random.u64(300..2500))),
            6..9 => Self::Cut(Cut::Delay(millis(random.u64(50..1500))), millis(random.u64(500..2500))),
            9 => Self::Cut(Cut::Refuse, millis(random.u64(0..2000))),
            10 => Self::Cut(Cut::Silence, millis(random.u64(300..2000))),
            11 => Self::Cut(Cut::DropReplies, millis(random.u64(300..2000))),
            _ => Self::Cut(Cut::LoseReplies, millis(random.u64(20..300))),
        }
    }
}

pub(crate) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
