//! What the page shows of a look, in words: each number and state under the name by which the page knows its place, so that the
//! page as it is first written and what is told later are of one hand.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use common::{instances::Instance, names::services, operations::groups::Group};
use serde::Serialize;

use super::{
    look::Look,
    moments::{Kind, Tally},
};

/// Rates are of the time since the oldest look that is kept.
const KEPT: usize = 6;

/// What is shown of something that is not known.
pub(super) const UNKNOWN: &str = "–";

/// How things stand.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(in crate::page) struct Now {
    figures: BTreeMap<String, String>,
    /// How each service is.
    states: BTreeMap<&'static str, &'static str>,
    instances: BTreeMap<&'static str, Vec<InstanceNow>>,
}

/// One instance.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(in crate::page) struct InstanceNow {
    pub(in crate::page) name: String,
    pub(in crate::page) state: &'static str,
}

/// The last few looks.
#[derive(Default)]
pub(super) struct History(VecDeque<(Look, Tally)>);

impl Now {
    /// One figure.
    pub(in crate::page) fn figure(&self, name: &str) -> &str {
        self.figures.get(name).map_or(UNKNOWN, String::as_str)
    }

    /// A figure of a stream or a group.
    pub(in crate::page) fn of(&self, what: &str, figure: &str) -> &str {
        self.figure(&format!("{what}.{figure}"))
    }

    /// How a service is: `ready`, `not ready`, `paused` or `gone`.
    pub(in crate::page) fn state(&self, service: &str) -> &str {
        self.states.get(service).copied().unwrap_or_default()
    }

    /// Its instances.
    pub(in crate::page) fn instances(&self, service: &str) -> &[InstanceNow] {
        self.instances.get(service).map_or(&[], Vec::as_slice)
    }

    fn set(&mut self, name: impl Into<String>, text: String) {
        self.figures.insert(name.into(), text);
    }
}

impl History {
    /// Takes in a look and what was counted until then, and tells how things stand.
    pub(super) fn now(&mut self, look: Look, tally: Tally) -> Now {
        self.0.push_back((look, tally));
        if self.0.len() > KEPT {
            self.0.pop_front();
        }
        let [Some((then, counted_then)), Some((look, tally))] = [self.0.front(), self.0.back()] else {
            return Now::default();
        };
        let passed = look.at.duration_since(then.at);
        let rate = |now: Option<u64>, then: Option<u64>| rate(now, then, passed);
        let mut now = Now::default();
        for (stream, before) in look.streams.iter().zip(&then.streams) {
            let name = &stream.name;
            now.set(format!("{name}.length"), count(stream.length));
            now.set(format!("{name}.rate"), rate(Some(stream.appended), Some(before.appended)));
        }
        for group in look.groups() {
            let name = &group.group;
            let before = then.groups().find(|before| before.group == *name).and_then(|before| before.done);
            now.set(format!("{name}.rate"), rate(group.done, before));
            now.set(format!("{name}.lag"), group.lag.map_or(UNKNOWN.into(), count));
            now.set(format!("{name}.pending"), count(group.pending));
            now.set(format!("{name}.oldest"), group.oldest_pending.map_or(UNKNOWN.into(), age));
            now.set(format!("{name}.state"), state_of(look, group).into());
        }
        for kind in Kind::ALL {
            now.set(kind.name(), rate(Some(tally.of(kind)), Some(counted_then.of(kind))));
        }
        now.set("left-out", count(tally.left_out - self.0.iter().nth_back(1).map_or(0, |(_, t)| t.left_out)));
        now.set("dead-letters", count(look.groups().map(|group| group.dead_letters).sum()));
        now.set("parked-payments", count(look.parked));
        of_counters(&mut now, look, then, passed);
        for service in services::ALL.into_iter().chain([services::SUPERVISOR]) {
            now.states.insert(service, state(look, service));
            now.instances.insert(service, look.of(service).map(instance_now).collect());
        }
        now
    }
}

/// What the gateways themselves have counted. What was never counted has no counter.
fn of_counters(now: &mut Now, look: &Look, then: &Look, passed: Duration) {
    // Of one counter, or of all that begin so.
    let sum = |look: &Look, name: &str| -> u64 {
        let counts = look.of(services::API_GATEWAY).flat_map(|gateway| &gateway.counts);
        counts.filter(|(counted, _)| counted.starts_with(name)).map(|(_, count)| count).sum()
    };
    let reads = sum(look, "cache_reads_total");
    let copies =
        ["near", "redis", "stale"].map(|from| sum(look, &format!("cache_reads_total{{source=\"{from}\"")));
    now.set("cache-hits", share(copies.iter().sum(), reads));
    for (figure, counter) in [("cache-reads", "cache_reads_total"), ("requests", "http_requests_total")] {
        now.set(figure, rate(Some(sum(look, counter)), Some(sum(then, counter)), passed));
    }
    now.set("denied", count(sum(look, "rate_limit_checks_total{outcome=\"denied\"")));
}

fn state_of(look: &Look, group: &Group) -> &'static str {
    if look.is_paused(&group.group) {
        "paused"
    } else if group.dead_letters > 0 {
        "dead"
    } else {
        ""
    }
}

fn state(look: &Look, service: &str) -> &'static str {
    let mut states: Vec<&str> = look.of(service).map(|instance| instance_now(instance).state).collect();
    states.dedup();
    match states[..] {
        [] => "gone",
        ["ready"] => "ready",
        ["paused"] => "paused",
        _ => "not ready",
    }
}

fn instance_now(instance: &Instance) -> InstanceNow {
    let state = match (instance.is_ready, instance.paused.is_empty()) {
        (false, _) => "not ready",
        (true, false) => "paused",
        (true, true) => "ready",
    };
    InstanceNow { name: instance.name.clone(), state }
}

/// Thousands apart.
fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// How many a second. A counter that has gone back has begun anew, with its instance or its Redis.
fn rate(now: Option<u64>, then: Option<u64>, passed: Duration) -> String {
    let Some(more) = now.zip(then).and_then(|(now, then)| now.checked_sub(then)) else {
        return UNKNOWN.into();
    };
    if passed.is_zero() {
        return UNKNOWN.into();
    }
    #[expect(clippy::cast_precision_loss, reason = "nobody sees the difference")]
    let rate = more as f64 / passed.as_secs_f64();
    if more > 0 && rate < 10.0 { format!("{rate:.1}/s") } else { format!("{rate:.0}/s") }
}

fn share(part: u64, of: u64) -> String {
    if of == 0 {
        return UNKNOWN.into();
    }
    #[expect(clippy::cast_precision_loss, reason = "nobody sees the difference")]
    let percent = part as f64 * 100.0 / of as f64;
    format!("{percent:.1} %")
}

/// How long ago, as exact as people want it.
pub(in crate::page) fn age(age: Duration) -> String {
    let seconds = age.as_secs();
    match seconds {
        0 => format!("{} ms", age.as_millis()),
        1..60 => format!("{:.1} s", age.as_secs_f64()),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        let second = Duration::from_secs(1);
        assert_eq!(rate(Some(5), Some(2), 2 * second), "1.5/s");
        assert_eq!(rate(Some(500), Some(0), second), "500/s");
        assert_eq!(rate(Some(5), Some(5), second), "0/s");
        assert_eq!(rate(Some(1), Some(5), second), UNKNOWN);
        assert_eq!(rate(Some(1), Some(0), Duration::ZERO), UNKNOWN);
        assert_eq!(share(97, 100), "97.0 %");
        assert_eq!(share(0, 0), UNKNOWN);
        let ages = [5, 1_500, 61_000, 7_200_000, 180_000_000].map(Duration::from_millis).map(age);
        assert_eq!(ages, ["5 ms", "1.5 s", "1 min", "2 h", "2 d"]);
    }
}
