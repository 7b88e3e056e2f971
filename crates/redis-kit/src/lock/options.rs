use std::time::Duration;

/// How long a lock is held, and how long its servers are waited for.
#[derive(Clone, Copy, Debug)]
pub struct LockOptions {
    /// How long the lock stays taken when its holder died: what others wait at most. It is renewed three times in
    /// that time, so work may take longer. Default 10 s; below a hundred milliseconds every hiccup loses it.
    pub ttl: Duration,
    /// How long the lock is held at most, however long the work takes: at the end of it the lock is lost. For work
    /// that hangs. Default 5 min; never less than `ttl`.
    pub max_hold: Duration,
    /// How long each of several servers is waited for, since one that is down must not use up the `ttl`. Default 200
    /// ms. A lock on one server waits for it as every command does.
    pub answer_limit: Duration,
}

impl Default for LockOptions {
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(10),
            max_hold: Duration::from_mins(5),
            answer_limit: Duration::from_millis(200),
        }
    }
}

/// For how long a holder may rely on a lock that was taken or renewed for `ttl`, counted from before that was asked
/// for: a little less, because its clock may be slower than the server's, which expires the lock.
///
/// Source: "Distributed Locks with Redis", redis.io, "The Redlock Algorithm": 1 % for the clocks, and 2 ms for
/// Redis's expiry.
pub(super) fn validity(ttl: Duration) -> Duration {
    ttl.saturating_sub(ttl / 100 + Duration::from_millis(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_relies_on_a_little_less_than_the_ttl() {
        assert_eq!(validity(Duration::from_secs(10)), Duration::from_millis(9898));
        assert_eq!(validity(Duration::from_millis(1)), Duration::ZERO);
    }
}
