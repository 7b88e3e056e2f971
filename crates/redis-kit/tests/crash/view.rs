use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use local_redis::Server;
use redis::{FromRedisValue, RedisResult, Value, from_redis_value_ref};
use redis_kit::{Connection, Redis, stream::StreamId};

use crate::{
    entry::Entry,
    keys::{self, GROUP},
};

/// What Redis holds, seen over a connection that no fault but Redis's own death befalls.
#[derive(Clone)]
pub(crate) struct View {
    port: u16,
    commands: Connection,
}

/// What Redis says of the group on one stream.
pub(crate) struct Group {
    pub(crate) cursor: StreamId,
    pub(crate) pending: u64,
}

/// What Redis says of one consumer.
#[derive(Debug)]
pub(crate) struct Consumer {
    /// How many entries are pending on it.
    pub(crate) pending: u64,
    /// How long ago it did anything.
    pub(crate) idle: Duration,
}

/// The fields of an entry, by name.
pub(crate) type Fields = HashMap<String, String>;

impl View {
    pub(crate) fn of(server: &Server) -> Self {
        let commands = Redis::open(&server.url()).unwrap().commands().unwrap();
        Self { port: server.port(), commands }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address())
    }

    /// Runs one command, given as words.
    pub(crate) async fn ask<T: FromRedisValue>(&self, words: &[&str]) -> RedisResult<T> {
        redis::cmd(words[0]).arg(&words[1..]).query_async(&mut self.commands.clone()).await
    }

    pub(crate) async fn group(&self, partition: u64) -> RedisResult<Group> {
        let groups: Vec<HashMap<String, Value>> =
            self.ask(&["XINFO", "GROUPS", &keys::entries(partition)]).await?;
        let group = groups.first().ok_or_else(|| redis::make_extension_error("NOGROUP".into(), None))?;
        let cursor: String = from_redis_value_ref(&group["last-delivered-id"])?;
        Ok(Group { cursor: cursor.parse().unwrap(), pending: from_redis_value_ref(&group["pending"])? })
    }

    /// How many entries stand after this one, counted up to a thousand. What Redis says of a lag is too much after a restart from
    /// a file that had been rewritten.
    pub(crate) async fn behind(&self, partition: u64, cursor: StreamId) -> RedisResult<usize> {
        let after = format!("({cursor}");
        let range = ["XRANGE", &keys::entries(partition), &after, "+", "COUNT", "1000"];
        Ok(self.ask::<Vec<Value>>(&range).await?.len())
    }

    /// The group's consumers, by name.
    pub(crate) async fn consumers(&self, partition: u64) -> RedisResult<HashMap<String, Consumer>> {
        let consumers: Vec<HashMap<String, Value>> =
            self.ask(&["XINFO", "CONSUMERS", &keys::entries(partition), GROUP]).await?;
        let consumer = |consumer: HashMap<String, Value>| {
            let pending = from_redis_value_ref(&consumer["pending"])?;
            let idle = Duration::from_millis(from_redis_value_ref(&consumer["idle"])?);
            Ok((from_redis_value_ref(&consumer["name"])?, Consumer { pending, idle }))
        };
        consumers.into_iter().map(consumer).collect()
    }

    /// The group's leases.
    pub(crate) async fn leases(&self, partition: u64) -> RedisResult<HashMap<String, String>> {
        self.ask(&["HGETALL", &keys::of_group(partition, "lease")]).await
    }

    /// How many entries wait for a retry, and how many have failures on record.
    pub(crate) async fn waiting(&self, partition: u64) -> RedisResult<(u64, u64)> {
        let waiting = self.ask(&["ZCARD", &keys::of_group(partition, "retry")]).await?;
        let failed = self.ask(&["HLEN", &keys::of_group(partition, "attempts")]).await?;
        Ok((waiting, failed))
    }

    /// All entries of a stream, read in pages: after a long run the whole is more than one answer's time allows.
    pub(crate) async fn all(&self, stream: &str) -> RedisResult<Vec<Fields>> {
        const PAGE: &str = "1000";
        let (mut all, mut start) = (Vec::new(), "-".to_owned());
        loop {
            let page: Vec<(String, Fields)> =
                self.ask(&["XRANGE", stream, &start, "+", "COUNT", PAGE]).await?;
            let Some((last, _)) = page.last() else { return Ok(all) };
            start = format!("({last}");
            all.extend(page.into_iter().map(|(_, fields)| fields));
        }
    }

    /// The number of a stream's last entry.
    pub(crate) async fn last_number(&self, stream: &str) -> RedisResult<Option<u64>> {
        let last: Vec<(String, Fields)> = self.ask(&["XREVRANGE", stream, "+", "-", "COUNT", "1"]).await?;
        Ok(last.first().map(|(_, fields)| number(fields)))
    }
}

/// Which entry a stream's entry tells of.
pub(crate) fn number(fields: &Fields) -> u64 {
    serde_json::from_str::<Entry>(&fields["data"]).unwrap().number
}
