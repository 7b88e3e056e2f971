//! Who is there: the instances that describe themselves (`heartbeat.rs`), found without looking at every key of Redis.
//!
//! The sorted set `instances` has a member `<service>:<instance>` for each, scored by when it gave its last sign of life. It is only
//! where to look: what counts is the description, which goes with its instance.

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    sync::LazyLock,
    time::Duration,
};

use futures_util::future::try_join_all;
use jiff::Timestamp;
use redis_kit::{Connection, Error, Lua, cmd};

use crate::names::Names;

static ENTER: LazyLock<Lua> = LazyLock::new(|| Lua::new(include_str!("enter.lua")));

/// After how long without a sign of life nobody looks for an instance any more.
const FORGOTTEN: Duration = Duration::from_hours(1);

/// What the names of counters begin with among the fields of a description.
const COUNT: &str = "count:";

/// An instance as it last described itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// The service.
    pub service: String,
    /// Its name among the instances of that service.
    pub name: String,
    /// Where it answers probes, if it does.
    pub address: Option<SocketAddr>,
    /// Whether it is ready, as its own `/readyz` says.
    pub is_ready: bool,
    /// Its groups that are paused.
    pub paused: Vec<String>,
    /// When it was started, by its own clock.
    pub started_at: Option<Timestamp>,
    /// What it has counted since, by the names of its metrics.
    pub counts: BTreeMap<String, u64>,
}

/// Every instance that is there, by service and name.
pub async fn instances(redis: &Connection, names: &Names) -> Result<Vec<Instance>, Error> {
    let members: Vec<String> =
        cmd("ZRANGE").arg(names.instances()).arg(0).arg(-1).query_async(&mut redis.clone()).await?;
    let looks =
        members.iter().filter_map(|member| member.split_once(':')).map(|(service, name)| async move {
            let key = names.service(service, name);
            let fields: HashMap<String, String> =
                cmd("HGETALL").arg(key).query_async(&mut redis.clone()).await?;
            Ok::<_, Error>(Instance::read(service, name, &fields))
        });
    let mut found: Vec<Instance> = try_join_all(looks).await?.into_iter().flatten().collect();
    found.sort_by(|one, other| (&one.service, &one.name).cmp(&(&other.service, &other.name)));
    Ok(found)
}

impl Instance {
    /// `None` if its description is gone, and so the instance.
    fn read(service: &str, name: &str, fields: &HashMap<String, String>) -> Option<Self> {
        if fields.is_empty() {
            return None;
        }
        let paused = fields.get("paused").map(String::as_str).unwrap_or_default();
        let counts = fields
            .iter()
            .filter_map(|(field, value)| Some((field.strip_prefix(COUNT)?.to_owned(), value.parse().ok()?)));
        Some(Self {
            service: service.into(),
            name: name.into(),
            address: fields.get("address").and_then(|address| address.parse().ok()),
            is_ready: fields.get("ready").is_some_and(|ready| ready == "1"),
            paused: paused.split(',').filter(|group| !group.is_empty()).map(str::to_owned).collect(),
            started_at: fields.get("started_at").and_then(|at| at.parse().ok()),
            counts: counts.collect(),
        })
    }
}

/// Has an instance found, and nobody look any more for those that have been silent for long.
pub(crate) async fn enter(
    redis: &mut Connection,
    names: &Names,
    service: &str,
    instance: &str,
) -> Result<(), Error> {
    let mut call = ENTER.call([&*names.instances()]);
    call.arg(format!("{service}:{instance}")).arg(FORGOTTEN.as_secs());
    Ok(ENTER.run(redis, &call).await?)
}

/// Has an instance that is about to end no longer looked for.
pub(crate) async fn leave(
    redis: &mut Connection,
    names: &Names,
    service: &str,
    instance: &str,
) -> Result<(), Error> {
    let member = format!("{service}:{instance}");
    Ok(cmd("ZREM").arg(names.instances()).arg(member).exec_async(redis).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_read_and_none_is_nobody() {
        let fields =
            [("ready", "1"), ("paused", "order-view,order-boards"), ("count:cache_reads_total", "7")];
        let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let found = Instance::read("api-gateway", "api-gateway-1", &fields).unwrap();
        assert!(found.is_ready);
        assert_eq!(found.paused, ["order-view", "order-boards"]);
        assert_eq!(found.counts["cache_reads_total"], 7);
        assert_eq!(Instance::read("api-gateway", "api-gateway-1", &HashMap::new()), None);
    }
}
