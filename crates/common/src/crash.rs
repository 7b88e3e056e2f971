//! Points at which tests let a process die. They are nothing at all unless this crate is built with the feature
//! `crash-points`, as only tests build it.
//!
//! `ORDERLY_CRASH_AT=after-charge:3` kills the process when it comes to that point for the third time.

/// A place between two steps, named by the steps. Whoever dies there must leave nothing half done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// api-gateway knows what the order is, and has written nothing.
    BeforeAccept,
    /// api-gateway has written the order, and has not answered.
    AfterAccept,
    /// payment-producer knows what to request, and has not requested it.
    BeforeRequest,
    /// payment-worker has the payment in hand, and the attempt is not on record.
    BeforeBegin,
    /// The attempt is on record, and the provider has not been called.
    AfterBegin,
    /// The provider has answered, and nothing of that is on record.
    AfterCharge,
    /// order-publisher knows what to announce, and has not announced it.
    BeforeAnnounce,
}

impl Point {
    /// Every point.
    pub const ALL: [Self; 7] = [
        Self::BeforeAccept,
        Self::AfterAccept,
        Self::BeforeRequest,
        Self::BeforeBegin,
        Self::AfterBegin,
        Self::AfterCharge,
        Self::BeforeAnnounce,
    ];

    /// As `ORDERLY_CRASH_AT` spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::BeforeAccept => "before-accept",
            Self::AfterAccept => "after-accept",
            Self::BeforeRequest => "before-request",
            Self::BeforeBegin => "before-begin",
            Self::AfterBegin => "after-begin",
            Self::AfterCharge => "after-charge",
            Self::BeforeAnnounce => "before-announce",
        }
    }
}

/// Dies here if a test wants it.
#[cfg(not(feature = "crash-points"))]
#[inline]
pub fn point(_: Point) {}

/// Dies here if a test wants it.
#[cfg(feature = "crash-points")]
pub fn point(point: Point) {
    armed::pass(point);
}

#[cfg(feature = "crash-points")]
mod armed {
    use std::{
        env,
        sync::{
            LazyLock,
            atomic::{AtomicU32, Ordering},
        },
    };

    use super::Point;

    /// What the process dies of, and how many times it may still come by.
    static CRASH: LazyLock<Option<(Point, AtomicU32)>> = LazyLock::new(|| {
        let wanted = env::var("ORDERLY_CRASH_AT").ok()?;
        let (name, times) = wanted.split_once(':')?;
        let point = Point::ALL.into_iter().find(|point| point.name() == name)?;
        Some((point, AtomicU32::new(times.parse().ok()?)))
    });

    pub(super) fn pass(point: Point) {
        if let Some((wanted, left)) = &*CRASH
            && *wanted == point
            && left.fetch_sub(1, Ordering::Relaxed) == 1
        {
            // No destructor runs and nothing is flushed, as after SIGKILL.
            std::process::abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_point_has_a_name_of_its_own() {
        let names = Point::ALL.map(Point::name);
        assert_eq!(HashSet::from(names).len(), names.len());
    }
}
