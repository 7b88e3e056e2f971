use std::collections::HashMap;

use redis_kit::{Connection, Error, Redis, RedisError, cmd};

/// One server, and what it says of itself.
pub(super) struct Node {
    /// Without a user and a password.
    url: String,
    pub(super) redis: Connection,
    /// What `INFO` tells; nothing if this user may not ask.
    pub(super) info: Info,
}

/// The fields of `INFO`, by name.
#[derive(Default)]
pub(super) struct Info(HashMap<String, String>);

impl Node {
    /// Fails if the server does not answer. `scheme` is how it is spoken to, of the URL that led here.
    pub(super) async fn look(server: &Redis, scheme: &str) -> Result<Self, Error> {
        let mut redis = server.commands()?;
        let info: Result<String, RedisError> = cmd("INFO").query_async(&mut redis).await;
        let info = match info {
            Err(error) if error.code().is_none() => return Err(error.into()),
            // It answers, and refuses to tell.
            told => Info::read(&told.unwrap_or_default()),
        };
        Ok(Self { url: format!("{scheme}://{}", server.address()), redis, info })
    }

    /// How a person says something to it, as far as that can be said without a password.
    pub(super) fn say(&self, command: &str) -> String {
        format!("redis-cli -u {} {command}", self.url)
    }

    /// How a setting is changed, for now and for good.
    pub(super) fn set(&self, setting: &str, value: &str) -> String {
        let now = self.say(&format!("CONFIG SET {setting} {value}"));
        format!(
            "{now}; and so that it stays, CONFIG REWRITE, or the line `{setting} {value}` in its redis.conf"
        )
    }

    /// How this user is allowed something.
    pub(super) async fn allow(&self, rules: &str) -> String {
        let user: Option<String> =
            cmd("ACL").arg("WHOAMI").query_async(&mut self.redis.clone()).await.unwrap_or_default();
        let user = user.unwrap_or_else(|| "USER".into());
        let now = self.say(&format!("ACL SETUSER {user} {rules}"));
        format!("as its administrator: {now}; and so that it stays, ACL SAVE or CONFIG REWRITE")
    }
}

impl Info {
    fn read(text: &str) -> Self {
        let fields = text.lines().filter_map(|line| line.split_once(':'));
        Self(fields.map(|(name, value)| (name.into(), value.trim().into())).collect())
    }

    /// Whether it was told at all.
    pub(super) fn is_known(&self) -> bool {
        !self.0.is_empty()
    }

    /// A field; empty if it is not there.
    pub(super) fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// Whether it is a server by itself (`standalone`), one of a `cluster`, or a `sentinel`. Valkey has another word for it.
    pub(super) fn mode(&self) -> &str {
        match self.text("server_mode") {
            "" => self.text("redis_mode"),
            mode => mode,
        }
    }

    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.text(name).parse().ok()
    }
}

#[cfg(test)]
impl Node {
    /// One that says this of itself, and that nobody can ask.
    pub(super) fn saying(info: &str) -> Self {
        let redis = Redis::open("redis://127.0.0.1:1").and_then(|server| server.commands()).unwrap();
        Self { url: "redis://127.0.0.1:1".into(), redis, info: info.into() }
    }
}

#[cfg(test)]
impl From<&str> for Info {
    fn from(text: &str) -> Self {
        Self::read(text)
    }
}
