//! Whether a server and this machine agree what time it is.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use redis_kit::{RedisResult, cmd};
use tokio::time::Instant;

use super::{finding::Finding, node::Node};

const CHECK: &str = "clock";

/// How often it is asked; the fastest answer tells most.
const LOOKS: u32 = 5;

/// Where differences begin to be seen, and to do harm.
const NOTICEABLE: SignedDuration = SignedDuration::from_secs(1);
const HARMFUL: SignedDuration = SignedDuration::from_secs(10);

/// How far a server's clock is ahead of this machine's.
struct Difference {
    ahead: SignedDuration,
    /// It is this much more or less: nobody knows when in a round trip the server looked at its clock.
    uncertain: SignedDuration,
}

pub(super) async fn examine(node: &Node) -> Vec<Finding> {
    let mut best: Option<Difference> = None;
    for _ in 0..LOOKS {
        match look(node).await {
            Ok(seen) if best.as_ref().is_none_or(|best| seen.uncertain < best.uncertain) => best = Some(seen),
            Ok(_) => {}
            Err(error) => {
                return vec![Finding::unknown(CHECK, error.to_string(), node.say("TIME"))];
            }
        }
    }
    best.iter().map(judge).collect()
}

async fn look(node: &Node) -> RedisResult<Difference> {
    let (here, since) = (Timestamp::now(), Instant::now());
    let (seconds, micros): (i64, i64) = cmd("TIME").query_async(&mut node.redis.clone()).await?;
    let there = SignedDuration::from_secs(seconds) + SignedDuration::from_micros(micros);
    Ok(Difference::of(here.as_duration(), there, since.elapsed()))
}

impl Difference {
    /// By the clock here when it was asked, the answer, and how long that took.
    fn of(here: SignedDuration, there: SignedDuration, round_trip: Duration) -> Self {
        let uncertain = SignedDuration::try_from(round_trip / 2).unwrap_or(SignedDuration::MAX);
        Self { ahead: there - (here + uncertain), uncertain }
    }
}

/// What lies within the uncertainty is not held against anybody.
fn judge(Difference { ahead, uncertain }: &Difference) -> Finding {
    let apart = ahead.abs() - *uncertain;
    let direction = if ahead.is_negative() { "behind" } else { "ahead of" };
    let seen = format!(
        "its clock is {:.3} s {direction} this machine's (± {:.3} s)",
        ahead.abs().as_secs_f64(),
        uncertain.as_secs_f64()
    );
    let fix = "let both follow a time server (chrony, systemd-timesyncd): `timedatectl` says on each whether it does";
    let harm = "leases, limits and sessions go by its clock, the times of orders and events by the services'";
    if apart > HARMFUL {
        let seen =
            format!("{seen}: {harm}. Waits are told wrongly, and filters by time mean others than they say");
        Finding::problem(CHECK, seen, fix)
    } else if apart > NOTICEABLE {
        Finding::warning(CHECK, format!("{seen}: {harm}"), fix)
    } else {
        Finding::ok(CHECK, seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Verdict;

    fn verdict(here_ms: i64, there_ms: i64, round_trip_ms: u64) -> Verdict {
        let (here, there) = (SignedDuration::from_millis(here_ms), SignedDuration::from_millis(there_ms));
        judge(&Difference::of(here, there, Duration::from_millis(round_trip_ms))).verdict
    }

    #[test]
    fn a_second_is_worth_a_look_and_ten_do_harm_in_either_direction() {
        assert_eq!(verdict(100_000, 100_900, 0), Verdict::Ok);
        assert_eq!(verdict(100_000, 101_100, 0), Verdict::Warning);
        assert_eq!(verdict(101_100, 100_000, 0), Verdict::Warning);
        assert_eq!(verdict(100_000, 110_100, 0), Verdict::Problem);
        assert_eq!(verdict(110_100, 100_000, 0), Verdict::Problem);
    }

    #[test]
    fn a_slow_answer_is_no_wrong_clock() {
        // It was asked at 100 s and answered at 104 s: 102 s in between is right, and so may be 103.9 s.
        assert_eq!(verdict(100_000, 102_000, 4_000), Verdict::Ok);
        assert_eq!(verdict(100_000, 103_900, 4_000), Verdict::Ok);
        assert_eq!(verdict(100_000, 105_200, 4_000), Verdict::Warning);
    }
}
