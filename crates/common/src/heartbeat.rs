//! Each instance describes itself in `service:<name>:<instance>`, so that whoever watches the system needs nothing but
//! Redis.

use std::{net::SocketAddr, sync::LazyLock, time::Duration};

use jiff::Timestamp;
use redis_kit::{Connection, Error, LastSeen, Lua};
use tokio::{
    task::JoinHandle,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::{control::Pauses, health::Health, names::Names, telemetry};

static DESCRIBE: LazyLock<Lua> = LazyLock::new(|| Lua::new(include_str!("heartbeat.lua")));

/// How often an instance says that it is there.
const INTERVAL: Duration = Duration::from_secs(1);

/// How long its last word counts, in seconds.
const LIFETIME_SECONDS: u32 = 10;

/// How long without an answer from Redis counts as away.
const AWAY: Duration = Duration::from_secs(3);

/// Who an instance is. Together with `ready`, `paused` (the groups that are, with commas between them), `started_at` and
/// `beat_at` these are the fields of the hash; and with `count:<name>` for each of [`telemetry::counts`], such as
/// `count:cache_reads_total{source="near"}`. What has counted nothing yet has no field. Counts are whole numbers that only rise
/// while `started_at` is the same, so two looks give a rate.
#[derive(Clone, Debug)]
pub struct Description {
    /// The service.
    pub service: &'static str,
    /// Its name among the instances of that service.
    pub instance: String,
    /// Its process id, where it runs.
    pub process: u32,
    /// Where it answers probes.
    pub address: SocketAddr,
}

/// Whether Redis has answered lately. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct LastBeat(LastSeen);

impl LastBeat {
    /// Fails with the reason if Redis has not answered for three seconds.
    pub fn check(&self) -> Result<(), String> {
        let ago = self.0.ago();
        if ago > AWAY { Err(format!("Redis has not answered for {} s", ago.as_secs())) } else { Ok(()) }
    }
}

/// An instance that keeps saying that it is there.
pub struct Heartbeat {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Heartbeat {
    /// Says good-bye: the description is removed.
    pub async fn stop(self) {
        self.stop.cancel();
        // A panic in there was logged where it happened.
        let _ = self.task.await;
    }
}

/// Starts to describe an instance, once a second, until stopped.
pub(crate) fn start(
    description: Description,
    names: &Names,
    redis: Connection,
    health: Health,
    pauses: Pauses,
) -> (Heartbeat, LastBeat) {
    let key = names.service(description.service, &description.instance);
    let beat = LastBeat::default();
    let stop = CancellationToken::new();
    let task =
        tokio::spawn(keep_describing(key, description, redis, (health, pauses), beat.clone(), stop.clone()));
    (Heartbeat { stop, task }, beat)
}

async fn keep_describing(
    key: String,
    description: Description,
    mut redis: Connection,
    (health, pauses): (Health, Pauses),
    beat: LastBeat,
    stop: CancellationToken,
) {
    let started_at = Timestamp::now().to_string();
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        // Apart from the description, which a Redis that has no disk refuses although it is there.
        if redis_kit::cmd("PING").exec_async(&mut redis).await.is_ok() {
            beat.0.touch();
        }
        let now = [
            ("started_at", started_at.clone()),
            ("beat_at", Timestamp::now().to_string()),
            ("ready", u8::from(health.is_ready()).to_string()),
            ("paused", pauses.on().join(",")),
        ];
        telemetry::sum_up_metrics();
        if let Err(error) = describe(&key, &description, now, &mut redis).await {
            debug!(%error, "could not describe this instance");
        }
    }
    let gone = redis_kit::cmd("DEL").arg(&key).exec_async(&mut redis).await;
    if let Err(error) = gone {
        debug!(%error, "could not remove the description; it expires by itself");
    }
}

async fn describe(
    key: &str,
    description: &Description,
    now: [(&str, String); 4],
    redis: &mut Connection,
) -> Result<(), Error> {
    let mut call = DESCRIBE.call([key]);
    call.arg(LIFETIME_SECONDS);
    let who = [
        ("service", description.service.to_owned()),
        ("instance", description.instance.clone()),
        ("pid", description.process.to_string()),
        ("address", description.address.to_string()),
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
    ];
    for (field, value) in who.into_iter().chain(now) {
        call.arg(field).arg(value);
    }
    for (name, count) in telemetry::counts() {
        call.arg(format!("count:{name}")).arg(count);
    }
    Ok(DESCRIBE.run(redis, &call).await?)
}
