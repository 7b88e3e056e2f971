use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use fastrand::Rng;
use jiff::Timestamp;
use test_support::Cut;

/// What may befall a service.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// SIGKILL, at any moment.
    Kill,
    /// SIGKILL after its requests to Redis have been carried out and not been answered for a while: between the record and the
    /// reply.
    KillUnanswered(Duration),
    /// SIGTERM.
    Stop,
    /// SIGSTOP, and SIGCONT after so long.
    Freeze(Duration),
    /// Its connections to Redis fail, for so long.
    Cut(Cut, Duration),
}

impl Fault {
    pub(crate) fn draw(random: &mut Rng) -> Self {
        match random.u8(..20) {
            0..5 => Self::Kill,
            5..7 => Self::KillUnanswered(millis(random.u64(5..200))),
            7 => Self::Stop,
            // The lock on a payment lasts 0.8 s, a lease 1 s.
            8..12 => Self::Freeze(millis(random.u64(200..3000))),
            12..14 => Self::Cut(Cut::Delay(millis(random.u64(20..1200))), millis(random.u64(300..2500))),
            14 => Self::Cut(Cut::Refuse, millis(random.u64(0..1500))),
            15 => Self::Cut(Cut::Silence, millis(random.u64(300..2000))),
            16 => Self::Cut(Cut::DropReplies, millis(random.u64(300..2000))),
            // Asked again at once, while whoever was not answered is still well: the surest way to do a thing twice.
            _ => Self::Cut(Cut::LoseReplies, millis(random.u64(20..300))),
        }
    }

    /// As the table of faults calls it.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Kill => "killed",
            Self::KillUnanswered(_) => "killed between record and reply",
            Self::Stop => "stopped",
            Self::Freeze(_) => "frozen",
            Self::Cut(Cut::Delay(_), _) => "cut from Redis: slow",
            Self::Cut(Cut::Refuse, _) => "cut from Redis: refused",
            Self::Cut(Cut::Silence, _) => "cut from Redis: silent",
            Self::Cut(Cut::DropReplies | Cut::LoseReplies, _) => "cut from Redis: replies lost",
        }
    }
}

/// A fault that has struck.
#[derive(Clone, Debug)]
pub(crate) struct Struck {
    /// As the table of faults calls it.
    pub(crate) kind: String,
    /// When what it struck could go on again.
    pub(crate) ended: Timestamp,
}

impl Struck {
    /// One that ends now.
    pub(crate) fn now(kind: impl Into<String>) -> Self {
        Self { kind: kind.into(), ended: Timestamp::now() }
    }
}

/// All that have struck. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Strikes(Arc<Mutex<Vec<Struck>>>);

impl Strikes {
    /// Notes one that ends now.
    pub(crate) fn note(&self, kind: impl Into<String>) {
        self.0.lock().unwrap().push(Struck::now(kind));
    }

    pub(crate) fn all(&self) -> Vec<Struck> {
        self.0.lock().unwrap().clone()
    }
}

pub(crate) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
