use std::{fmt, sync::Arc};

use redis::Cmd;

use super::{ask::Ask, denials::Asked, limiter::Limiter, verdict::Verdict};

/// What a script of yours begins with to check limits itself: the functions `gcra.read`, `gcra.take` and `gcra.write`, which say
/// in Lua what they do. After `#!lua`, if the script has that.
pub const GCRA_LUA: &str = include_str!("lua/gcra.lua");

/// A check that a script of yours makes as one of its steps, so that what is limited is done if and only if it was paid for, and
/// Redis is asked once.
///
/// The subject's keys must be in the slot of the script's other keys ([`Subject::beside`](super::Subject::beside)).
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// # let server = local_redis::Server::ephemeral(local_redis::Durability::Volatile).await?;
/// # let redis = redis_kit::Redis::open(&server.url())?;
/// use std::{sync::LazyLock, time::Duration};
/// use redis_kit::{Lua, rate_limit::{GCRA_LUA, Limiter, LimiterOptions, Policies, Policy, Subject}};
///
/// /// Counts a visit. KEYS: the visits, the limits   ARGV: the limits   Reply: what the limits say
/// static VISIT: LazyLock<Lua> = LazyLock::new(|| Lua::new([GCRA_LUA, "
///     local answers = {}
///     gcra.read(2, #KEYS)
///     if not gcra.take(2, 1, answers) then redis.call('INCR', KEYS[1]) end
///     gcra.write()
///     return answers"].concat()));
///
/// let limiter = Limiter::new(&redis, LimiterOptions::default())?;
/// let limits = Policies::new([Policy::new("visits", 2, Duration::from_mins(1))?])?;
/// let mut commands = redis.commands()?;
/// for is_within in [true, true, false] {
///     let check = limiter.check_in_script(&Subject::beside("shop", "ada", &limits), 1).unwrap();
///     let mut call = VISIT.call(["visits:{shop}"].into_iter().chain(check.keys()));
///     check.write(&mut call);
///     let verdict = check.conclude(&VISIT.run::<Vec<i64>>(&mut commands, &call).await?);
///     assert_eq!(verdict.is_allowed(), is_within);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct Check {
    pub(super) limiter: Limiter,
    pub(super) ask: Arc<Ask>,
    pub(super) asked: Asked,
}

impl Check {
    /// What `gcra.read` and `gcra.take` need among the script's `KEYS`, one after the other.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.ask.keys.iter().map(String::as_str)
    }

    /// Adds what `gcra.take` needs among the script's `ARGV`: 1 and three times as many as there are keys.
    pub fn write(&self, call: &mut Cmd) {
        self.ask.write(call);
    }

    /// What it means that `gcra.take` appended these numbers. Without them nobody knows, and
    /// [`OnFailure`](super::OnFailure) decides, where a share is as good as open.
    pub fn conclude(&self, numbers: &[i64]) -> Verdict {
        self.limiter.conclude(self, numbers)
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys()).finish()
    }
}
