//! What the Redis must be that holds orders: durable, and with room. The gateways refuse orders where it is not, and
//! `orderly doctor` says what to do about it.

use std::{
    collections::BTreeMap,
    fmt::{self, Display, Formatter},
};

use clap::ValueEnum;
use redis_kit::{Connection, Error, cmd};

/// How much of what was accepted may be lost when the machine that runs Redis loses power.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Durability {
    /// Nothing: Redis runs with `appendonly yes`, `appendfsync always`, `no-appendfsync-on-rewrite no`
    Always,
    /// About the last second: Redis runs with `appendonly yes` and `appendfsync everysec` or better
    Everysec,
    /// Anything: Redis is not asked
    None,
}

/// What must stand in one of Redis's settings.
struct Rule {
    setting: &'static str,
    /// The values that will do, the one to set first.
    enough: &'static [&'static str],
}

const APPENDS: Rule = Rule { setting: "appendonly", enough: &["yes"] };
const SYNCS_ALWAYS: Rule = Rule { setting: "appendfsync", enough: &["always"] };
const SYNCS: Rule = Rule { setting: "appendfsync", enough: &["everysec", "always"] };
const SYNCS_DURING_REWRITES: Rule = Rule { setting: "no-appendfsync-on-rewrite", enough: &["no"] };
const KEEPS: Rule = Rule { setting: "maxmemory-policy", enough: &["noeviction"] };

impl Durability {
    fn rules(self) -> &'static [Rule] {
        match self {
            Self::Always => &[APPENDS, SYNCS_ALWAYS, SYNCS_DURING_REWRITES, KEEPS],
            Self::Everysec => &[APPENDS, SYNCS, KEEPS],
            Self::None => &[],
        }
    }
}

/// The settings by which a server keeps or loses what it has confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings(BTreeMap<String, String>);

/// A setting by which it may lose something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weakness {
    /// Which.
    pub setting: &'static str,
    /// What it is; empty if the server does not know it.
    pub found: String,
    /// What it should be.
    pub wanted: &'static str,
}

impl Settings {
    /// Asks a server.
    pub async fn read(redis: &mut Connection) -> Result<Self, Error> {
        let mut get = cmd("CONFIG");
        get.arg("GET");
        for rule in Durability::Always.rules() {
            get.arg(rule.setting);
        }
        Ok(Self(get.query_async(redis).await?))
    }

    /// Those that do not keep the promise.
    pub fn weaknesses(&self, promise: Durability) -> Vec<Weakness> {
        let weakness = |rule: &Rule| {
            let found = self.0.get(rule.setting).map_or("", String::as_str);
            let weakness = Weakness { setting: rule.setting, found: found.into(), wanted: rule.enough[0] };
            (!rule.enough.contains(&found)).then_some(weakness)
        };
        promise.rules().iter().filter_map(weakness).collect()
    }
}

impl Display for Settings {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let all: Vec<String> = self.0.iter().map(|(name, value)| format!("{name} {value}")).collect();
        f.write_str(&all.join(", "))
    }
}

/// Whether a server has no room for new orders: four fifths of `allowed` bytes are used, and the rest is for what becomes of
/// the orders it has. `allowed` is 0 where there is no limit.
pub fn is_nearly_full(used: u64, allowed: u64) -> bool {
    allowed > 0 && used > allowed / 5 * 4
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(appendonly: &str, appendfsync: &str, on_rewrite: &str) -> Settings {
        let settings = [
            ("appendonly", appendonly),
            ("appendfsync", appendfsync),
            ("no-appendfsync-on-rewrite", on_rewrite),
            ("maxmemory-policy", "noeviction"),
        ];
        Settings(settings.map(|(name, value)| (name.into(), value.into())).into())
    }

    fn is_enough(settings: &Settings, promise: Durability) -> bool {
        settings.weaknesses(promise).is_empty()
    }

    #[test]
    fn always_wants_every_write_synced_during_rewrites_too() {
        assert!(is_enough(&settings("yes", "always", "no"), Durability::Always));
        for (weaker, setting, wanted) in [
            (settings("no", "always", "no"), "appendonly", "yes"),
            (settings("yes", "everysec", "no"), "appendfsync", "always"),
            (settings("yes", "always", "yes"), "no-appendfsync-on-rewrite", "no"),
        ] {
            let weaknesses = weaker.weaknesses(Durability::Always);
            assert_eq!(weaknesses.len(), 1, "{weaker}: {weaknesses:?}");
            assert_eq!((weaknesses[0].setting, weaknesses[0].wanted), (setting, wanted));
        }
    }

    #[test]
    fn a_redis_that_evicts_or_does_not_say_is_no_store() {
        let mut evicting = settings("yes", "always", "no");
        evicting.0.insert("maxmemory-policy".into(), "allkeys-lru".into());
        assert!(!is_enough(&evicting, Durability::Always));
        assert!(!is_enough(&evicting, Durability::Everysec));
        evicting.0.remove("maxmemory-policy");
        assert_eq!(evicting.weaknesses(Durability::Always)[0].found, "");
    }

    #[test]
    fn a_weaker_promise_is_content_with_less() {
        assert!(is_enough(&settings("yes", "everysec", "yes"), Durability::Everysec));
        assert!(is_enough(&settings("yes", "always", "yes"), Durability::Everysec));
        assert!(!is_enough(&settings("yes", "no", "no"), Durability::Everysec));
        assert!(is_enough(&settings("no", "no", "no"), Durability::None));
    }

    #[test]
    fn four_fifths_are_for_orders_and_the_rest_for_what_becomes_of_them() {
        assert!(!is_nearly_full(80, 100));
        assert!(is_nearly_full(81, 100));
        assert!(!is_nearly_full(u64::MAX, 0));
    }
}
