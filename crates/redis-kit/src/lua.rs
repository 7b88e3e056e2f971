use std::{borrow::Cow, time::Duration};

use redis::{Cmd, ErrorKind, FromRedisValue, RedisError, RedisResult, ServerErrorKind, aio::ConnectionLike};

/// A Lua script that is sent once and called by its hash from then on. The one way in which this crate calls Lua.
///
/// A server forgets its scripts when it is restarted, when another takes its place, and when somebody flushes
/// them. Then it says `NOSCRIPT`, has run nothing, and is sent the whole script to run. (To load it first and
/// call it by its hash again, as client libraries do, leaves room for it to be forgotten in between.)
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// # let server = local_redis::Server::ephemeral(local_redis::Durability::Volatile).await?;
/// # let redis = redis_kit::Redis::open(&server.url())?;
/// use redis_kit::Lua;
/// use std::sync::LazyLock;
///
/// static COUNT: LazyLock<Lua> = LazyLock::new(|| Lua::new("return redis.call('INCRBY', KEYS[1], ARGV[1])"));
///
/// let mut call = COUNT.call(["visits"]);
/// call.arg(3);
/// let visits: u64 = COUNT.run(&mut redis.commands()?, &call).await?;
/// assert_eq!(visits, 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct Lua {
    source: Cow<'static, str>,
    hash: String,
}

impl Lua {
    /// A script by its text. Hashes it, so build it once.
    pub fn new(source: impl Into<Cow<'static, str>>) -> Self {
        let source = source.into();
        Self { hash: redis::Script::new(&source).get_hash().to_owned(), source }
    }

    /// Begins a call; what is added to the command after the keys is `ARGV`.
    pub fn call<'a>(&self, keys: impl IntoIterator<Item = &'a str>) -> Cmd {
        let keys: Vec<&str> = keys.into_iter().collect();
        let mut call = redis::cmd("EVALSHA");
        call.arg(&self.hash).arg(keys.len()).arg(keys);
        call
    }

    /// Makes the call. A server that does not know the script has not run it, and is sent its source with the same keys,
    /// which also brings it to the right node of a cluster.
    ///
    /// # Errors
    /// What the script or the server answered, or that nothing came; then it may have been run.
    pub async fn run<T: FromRedisValue>(
        &self,
        redis: &mut impl ConnectionLike,
        call: &Cmd,
    ) -> RedisResult<T> {
        match call.query_async(redis).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                let mut whole = redis::cmd("EVAL");
                whole.arg(&*self.source);
                for arg in call.args_iter().skip(2) {
                    if let redis::Arg::Simple(bytes) = arg {
                        whole.arg(bytes);
                    }
                }
                whole.query_async(redis).await
            }
            answer => answer,
        }
    }
}

/// The error that a script tells of one of several things, as a text such as `WRONGTYPE and some words`: what `redis.pcall`
/// and `pcall` call `err`.
pub fn error_told(text: &[u8]) -> RedisError {
    let text = String::from_utf8_lossy(text);
    let (code, detail) = text.split_once(' ').unwrap_or((&text, ""));
    redis::make_extension_error(code.into(), Some(detail.into()))
}

/// A time as scripts and commands are told it: Redis counts in whole milliseconds, and for it `BLOCK 0` would mean for ever.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).max(1)
}

/// A script made of parts that several share.
macro_rules! lua {
    ($($part:literal),+ $(,)?) => {
        std::sync::LazyLock::new(|| $crate::lua::Lua::new(concat!($(include_str!($part), "\n"),+)))
    };
}
pub(crate) use lua;
