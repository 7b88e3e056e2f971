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

use crate::{instances, names::Names, telemetry};

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
    /// Where it answers probes, if it does.
    pub address: Option<SocketAddr>,
}

/// What else it says of itself, as it is at that moment.
#[derive(Clone, Debug)]
pub struct State {
    /// Whether it can do its work.
    pub ready: bool,
    /// The groups by which it would read if they were not paused.
    pub paused: Vec<&'static str>,
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

/// Starts to describe an instance, once a second, until stopped. `now` tells how it is.
pub fn start(
    description: Description,
    names: &Names,
    redis: Connection,
    now: impl Fn() -> State + Send + 'static,
) -> (Heartbeat, LastBeat) {
    let (beat, stop) = (LastBeat::default(), CancellationToken::new());
    let describing = keep_describing(names.clone(), description, redis, now, beat.clone(), stop.clone());
    let task = tokio::spawn(describing);
    (Heartbeat { stop, task }, beat)
}

async fn keep_describing(
    names: Names,
    description: Description,
    mut redis: Connection,
    now: impl Fn() -> State,
    beat: LastBeat,
    stop: CancellationToken,
) {
    let Description { service, instance, .. } = &description;
    let key = names.service(service, instance);
    let started_at = Timestamp::now().to_string();
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        // Apart from the description, which a Redis that has no disk refuses although it is there.
        if redis_kit::cmd("PING").exec_async(&mut redis).await.is_ok() {
            beat.0.touch();
        }
        let State { ready, paused } = now();
        let now = [
            ("started_at", started_at.clone()),
            ("beat_at", Timestamp::now().to_string()),
            ("ready", u8::from(ready).to_string()),
            ("paused", paused.join(",")),
        ];
        telemetry::sum_up_metrics();
        let described = match describe(&key, &description, now, &mut redis).await {
            Ok(()) => instances::enter(&mut redis, &names, service, instance).await,
            Err(error) => Err(error),
        };
        if let Err(error) = described {
            debug!(%error, "could not describe this instance");
        }
    }
    let gone = redis_kit::cmd("DEL").arg(&key).exec_async(&mut redis).await.map_err(Error::from);
    let left = instances::leave(&mut redis, &names, service, instance).await;
    if let Err(error) = gone.and(left) {
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
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
    ];
    let address = description.address.map(|address| ("address", address.to_string()));
    for (field, value) in who.into_iter().chain(address).chain(now) {
        call.arg(field).arg(value);
    }
    for (name, count) in telemetry::counts() {
        call.arg(format!("count:{name}")).arg(count);
    }
    Ok(DESCRIBE.run(redis, &call).await?)
}
