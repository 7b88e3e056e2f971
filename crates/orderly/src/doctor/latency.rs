//! How long a server takes to answer, and its disk to sync.

use std::time::Duration;

use redis_kit::{FromRedisValue, RedisResult, Value, cmd};
use tokio::time::Instant;

use super::{finding::Finding, node::Node};

const CHECK: &str = "latency";

/// How many round trips are measured.
const PINGS: usize = 30;

/// An order takes two or three round trips, so that this is felt.
const SLOW: Duration = Duration::from_millis(5);

/// A sync that takes longer holds everybody up who waits for Redis.
const SLOW_SYNC: Duration = Duration::from_millis(100);

pub(super) async fn examine(node: &Node) -> Vec<Finding> {
    let round_trips = match ping(node).await {
        Ok(round_trips) => round_trips,
        Err(error) => return vec![Finding::unknown(CHECK, error.to_string(), node.say("PING"))],
    };
    let mut findings = vec![judge(&round_trips, node)];
    findings.extend(slowest_sync(node).await.filter(|slowest| *slowest > SLOW_SYNC).map(slow_sync));
    findings
}

/// The times of some round trips, the shortest first.
async fn ping(node: &Node) -> RedisResult<Vec<Duration>> {
    let mut times = Vec::with_capacity(PINGS);
    for _ in 0..PINGS {
        let since = Instant::now();
        cmd("PING").exec_async(&mut node.redis.clone()).await?;
        times.push(since.elapsed());
    }
    times.sort_unstable();
    Ok(times)
}

fn judge(sorted: &[Duration], node: &Node) -> Finding {
    let (middle, longest) = (sorted[sorted.len() / 2], sorted[sorted.len() - 1]);
    let seen = format!("a round trip takes {} ms, at most {} ms", millis(middle), millis(longest));
    if middle > SLOW {
        let fix = format!(
            "run services near it, in the same zone. If it is near, see what keeps it busy: {} and SLOWLOG GET 10",
            node.say("INFO commandstats")
        );
        return Finding::warning(CHECK, format!("{seen}: each order waits for two or three"), fix);
    }
    Finding::ok(CHECK, seen)
}

fn slow_sync(slowest: Duration) -> Finding {
    let seen = format!("its slowest sync took {} ms, and everybody waited", millis(slowest));
    let fix = "put its append-only file on a disk of its own that syncs fast (an SSD with power-loss protection); \
               `redis-cli LATENCY DOCTOR` tells more";
    Finding::warning(CHECK, seen, fix)
}

/// The longest sync to disk that it remembers, if it was told to (`latency-monitor-threshold`) and lets this user ask.
async fn slowest_sync(node: &Node) -> Option<Duration> {
    let mut latest = cmd("LATENCY");
    latest.arg("LATEST");
    // Of each kind of event: name, when the last was, how long it took, how long the longest took, and more since Valkey 9.
    let events: Vec<Vec<Value>> = latest.query_async(&mut node.redis.clone()).await.ok()?;
    longest_sync(events)
}

fn longest_sync(events: Vec<Vec<Value>>) -> Option<Duration> {
    let of = |event: Vec<Value>| {
        let mut fields = event.into_iter();
        let name = String::from_redis_value(fields.next()?).ok()?;
        let longest = u64::from_redis_value(fields.nth(2)?).ok()?;
        (name == "aof-fsync-always").then_some(Duration::from_millis(longest))
    };
    events.into_iter().find_map(of)
}

fn millis(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, longest: i64) -> Vec<Value> {
        vec![Value::BulkString(name.into()), Value::Int(1_700_000_000), Value::Int(1), Value::Int(longest)]
    }

    #[test]
    fn of_what_the_server_remembers_the_longest_sync_is_told() {
        assert_eq!(longest_sync(vec![event("command", 900)]), None);
        let events = vec![event("command", 900), event("aof-fsync-always", 250)];
        assert_eq!(longest_sync(events), Some(Duration::from_millis(250)));
    }
}
