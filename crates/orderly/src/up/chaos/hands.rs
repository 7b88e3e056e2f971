use std::time::Duration;

use clap::Parser;
use common::{
    control::{CarryOut, Outcome, Request},
    messages::Action,
    names::Names,
    service::ConsumerArgs,
};
use redis_kit::{
    Connection, Error, Redis,
    stream::{Commit, WorkerOptions, clock},
};
use sandbox::{FaultSettings, Latency};
use tokio::{sync::mpsc::UnboundedSender, time::Instant};
use uuid::Uuid;

use super::{catch, catch::Caught, effect::Effect, provider::Provider};
use crate::{
    installation::Installation,
    up::{console::Console, target::Target},
};

/// A request that nobody has begun to carry out within this time is nobody's wish any more.
const FRESH_FOR: Duration = Duration::from_secs(10);

/// How much later a call to a slow provider is answered.
const SLOWNESS: Duration = Duration::from_secs(1);

/// Does what is asked of the supervisor.
pub(super) struct Hands {
    pub(super) redis: Redis,
    pub(super) commands: Connection,
    pub(super) names: Names,
    pub(super) provider: Option<Provider>,
    pub(super) workers: Vec<Target>,
    pub(super) console: Console,
    /// Who sees to the end of what was begun.
    pub(super) begun: UnboundedSender<Begun>,
}

/// Something that is broken now.
pub(super) struct Begun {
    pub(super) request: Uuid,
    pub(super) action: Action,
    /// By Redis's clock, in milliseconds.
    pub(super) asked_at: u64,
    pub(super) effect: Effect,
    pub(super) installation: Installation,
}

/// Why something was not done.
pub(super) enum Refused {
    /// It cannot be, or must not.
    Because(String),
    /// Redis did not answer, or not well.
    Redis(Error),
}

impl<E: Into<Error>> From<E> for Refused {
    fn from(error: E) -> Self {
        Self::Redis(error.into())
    }
}

/// What was done, in words, and what that broke.
type Done = (String, Effect);

impl CarryOut for Hands {
    async fn carry_out(&self, request: &Request<'_>) -> Result<Outcome, Error> {
        let by = request.by.escape_debug();
        let (told, begun) = match self.begin(request).await {
            Ok(begun) => begun,
            Err(Refused::Because(reason)) => {
                self.console.say(&format!("chaos, asked for by {by}: refused: {reason}"));
                return Ok(Outcome::refused(reason));
            }
            Err(Refused::Redis(error)) => return Err(error),
        };
        self.console.say(&format!("chaos, asked for by {by}: {told}"));
        // Nobody takes it any more only if `up` is stopping. Then it ends here and now.
        let _ = self.begun.send(begun);
        Ok(Outcome::done(told, Commit::new()))
    }
}

impl Hands {
    async fn begin(&self, request: &Request<'_>) -> Result<(String, Begun), Refused> {
        self.is_fresh(request).await?;
        let installation = self.installation().await?;
        let (told, effect) = self.act(request.action, &installation).await?;
        let (action, asked_at) = (request.action.clone(), request.stream_id.milliseconds);
        Ok((told, Begun { request: request.id, action, asked_at, effect, installation }))
    }

    async fn act(&self, action: &Action, installation: &Installation) -> Result<Done, Refused> {
        if let Some((figure, most)) = action.beyond_limits() {
            return Err(Refused::Because(format!("{figure} is from 1 to {most}")));
        }
        match action {
            Action::KillWorker { worker } => self.kill(worker.as_deref(), installation).await,
            Action::FreezeWorker { worker, seconds } => {
                let time = lasting(*seconds, long_enough_for_a_takeover());
                self.freeze(worker.as_deref(), time, installation).await
            }
            Action::SlowProvider { percent, seconds } => {
                let ms = u32::try_from(SLOWNESS.as_millis()).unwrap_or(u32::MAX);
                let faults = FaultSettings { latency: Latency::Fixed { ms }, ..FaultSettings::default() };
                let how = format!("answers {} s later than otherwise", SLOWNESS.as_secs());
                self.disturb(*percent, *seconds, faults, &how).await
            }
            Action::FailProvider { percent, seconds } => {
                // Those of which nobody can know whether they have charged are the ones that matter.
                let faults = FaultSettings {
                    error_rate: 0.5,
                    error_after_charge_rate: 0.5,
                    ..FaultSettings::default()
                };
                self.disturb(*percent, *seconds, faults, "fails, every other time after it has charged").await
            }
            _ => Err(Refused::Because("this version does not know how".into())),
        }
    }

    /// Nothing is broken because somebody wanted it when nobody was there. By the clock that dates requests.
    async fn is_fresh(&self, request: &Request<'_>) -> Result<(), Refused> {
        let now = clock(&mut self.commands.clone(), &self.names.control_stream()).await?;
        let now = u64::try_from(now.as_millisecond()).unwrap_or_default();
        let age = Duration::from_millis(now.saturating_sub(request.stream_id.milliseconds));
        if age <= FRESH_FOR {
            return Ok(());
        }
        Err(Refused::Because(format!(
            "it was asked for {} s ago, and nobody was there to do it within {} s; ask again if it is still wanted",
            age.as_secs(),
            FRESH_FOR.as_secs()
        )))
    }

    async fn kill(&self, worker: Option<&str>, installation: &Installation) -> Result<Done, Refused> {
        let Caught { frozen, in_hand } = catch::catch(&self.workers, worker, installation).await?;
        let (target, pid) = (frozen.target().clone(), frozen.pid());
        if !frozen.kill() {
            return Err(Refused::Because(format!("{} has just ended by itself", target.label())));
        }
        // What it leaves behind is its own until its lease has run out.
        let in_hand = match catch::in_hand(installation).await {
            Ok(left) => left.get(target.label()).copied().unwrap_or(in_hand),
            Err(_) => in_hand,
        };
        let told = format!("killed {} (process {pid}) with {}", target.label(), payments(in_hand));
        Ok((told, Effect::Killed { target, pid }))
    }

    async fn freeze(
        &self,
        worker: Option<&str>,
        time: Duration,
        installation: &Installation,
    ) -> Result<Done, Refused> {
        let Caught { frozen, in_hand } = catch::catch(&self.workers, worker, installation).await?;
        let (label, pid) = (frozen.target().label(), frozen.pid());
        let told =
            format!("froze {label} (process {pid}) for {} s with {}", time.as_secs(), payments(in_hand));
        Ok((told, Effect::Frozen { frozen, until: Instant::now() + time }))
    }

    async fn disturb(
        &self,
        percent: Option<u32>,
        seconds: Option<u32>,
        faults: FaultSettings,
        how: &str,
    ) -> Result<Done, Refused> {
        let Some(provider) = &self.provider else {
            let reason = "this `up` runs no sandbox, and another provider is not its to disturb";
            return Err(Refused::Because(reason.into()));
        };
        let percent = percent.unwrap_or(Action::USUAL_PERCENT);
        let time = lasting(seconds, Duration::from_secs(Action::USUAL_SECONDS.into()));
        provider.have_a_bad_day(percent, time, faults).await.map_err(Refused::Because)?;
        let told = format!("for {} s the provider {how}, for {percent} of a hundred calls", time.as_secs());
        Ok((told, Effect::Disturbed { until: Instant::now() + time }))
    }

    async fn installation(&self) -> Result<Installation, Refused> {
        let (redis, commands, names) = (self.redis.clone(), self.commands.clone(), self.names.clone());
        let found = Installation::on(redis, commands, names).await?;
        found.ok_or_else(|| Refused::Because("no service has started yet".into()))
    }
}

fn payments(count: u64) -> String {
    match count {
        0 => format!("nothing in hand: no payment came in {} s", catch::PATIENCE.as_secs()),
        1 => "1 payment in hand".into(),
        _ => format!("{count} payments in hand"),
    }
}

fn lasting(seconds: Option<u32>, usual: Duration) -> Duration {
    seconds.map_or(usual, |seconds| Duration::from_secs(seconds.into()))
}

/// In whole seconds, the time after which a worker's lease has run out and others have taken over what it had, and then some.
/// The workers were given the environment of `up`, and with it the lease.
fn long_enough_for_a_takeover() -> Duration {
    #[derive(Parser)]
    struct Given {
        #[command(flatten)]
        consumer: ConsumerArgs,
    }
    // What cannot be read here no worker can read either.
    let given = Given::try_parse_from(["up"]).map(|given| given.consumer.options());
    let WorkerOptions { lease, claim_interval, block, .. } = given.unwrap_or_default();
    let takeover = lease + lease / 10 + claim_interval + block + Duration::from_secs(2);
    Duration::from_secs(takeover.as_secs().clamp(1, Action::MOST_SECONDS.into()))
}
