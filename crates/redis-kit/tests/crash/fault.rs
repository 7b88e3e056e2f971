use std::time::Duration;

use fastrand::Rng;
use test_support::FaultProxy;

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

/// How connections fail.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cut {
    /// Everything takes this much longer, each way. Longer than a lease, it makes a zombie: what it sends arrives, but when
    /// others have long taken over.
    Delay(Duration),
    /// Connections are reset, and new ones too.
    Refuse,
    /// Half-open: nothing arrives in either direction.
    Silence,
    /// Half-open: what is asked is carried out, and never answered.
    DropReplies,
    /// The same, but then the connection is reset: the worker knows at once that it does not know, and asks again while its lease
    /// still stands.
    LoseReplies,
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

impl Cut {
    /// Begins it.
    pub(crate) fn strike(self, proxy: &FaultProxy) {
        match self {
            Self::Delay(pause) => proxy.delay(pause),
            Self::Refuse => {
                proxy.refuse();
                proxy.reset_connections();
            }
            Self::Silence => proxy.silence(),
            Self::DropReplies | Self::LoseReplies => proxy.drop_replies(),
        }
    }

    /// Ends it.
    pub(crate) fn mend(self, proxy: &FaultProxy) {
        proxy.pass();
        if matches!(self, Self::LoseReplies) {
            proxy.reset_connections();
        }
    }
}

pub(crate) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
