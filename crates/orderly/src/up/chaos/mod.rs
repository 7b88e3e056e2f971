//! What operators ask `up` to break on purpose, so that everybody can see that nothing is lost; and a receipt for it.
//!
//! | role | file |
//! |---|---|
//! | looking at what was asked for, and doing it | `hands.rs` |
//! | catching a worker with payments in hand | `catch.rs` |
//! | the provider's bad days | `provider.rs` |
//! | how long something stays broken | `effect.rs` |
//! | what became of the orders meanwhile | `receipts.rs` |
//!
//! Requests come by `control-stream`, as those to services do. Only what this `up` has started is ever touched, and what is
//! broken is whole again before `up` stops.

mod catch;
mod effect;
mod hands;
mod provider;
mod receipts;

use std::{pin::pin, process, time::Duration};

use common::{
    control::Operator,
    heartbeat::{self, Description, State},
    names::{Names, services},
};
use redis_kit::Redis;
use tokio::{sync::mpsc, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{console::Console, supervisor::Supervisor, target::Target};
use crate::services::Service;
use hands::Hands;
use provider::Provider;
use receipts::Receipts;

/// How long it may take to say good-bye to a Redis that does not answer.
const ENDS_WITHIN: Duration = Duration::from_secs(3);

/// The part of `up` that breaks things.
pub(super) struct Chaos {
    redis: Redis,
    names: Names,
    workers: Vec<Target>,
    /// The sandbox's base URL, if this `up` runs one.
    sandbox: Option<String>,
    console: Console,
}

impl Chaos {
    /// Of what runs under these supervisors. Fails if the URL is none.
    pub(super) fn new(
        supervisors: &[Supervisor],
        redis_url: &str,
        sandbox: Option<String>,
        console: &Console,
    ) -> anyhow::Result<Self> {
        let workers = supervisors.iter().filter(|one| one.process().service == Service::PaymentWorker);
        Ok(Self {
            redis: Redis::open(redis_url)?,
            names: Names::new(std::env::var("ORDERLY_KEY_PREFIX").unwrap_or_default()),
            workers: workers.map(|worker| worker.target().clone()).collect(),
            sandbox,
            console: console.clone(),
        })
    }

    /// Waits for Redis, and then does what is asked for until `stop`. Whatever fails here is said, and holds up nothing.
    pub(super) async fn run(self, stop: &CancellationToken) -> anyhow::Result<()> {
        let (begun, effects) = mpsc::unbounded_channel();
        let receipts = Receipts {
            provider: self.sandbox.clone().or_else(|| std::env::var("PROVIDER_URL").ok()),
            console: self.console.clone(),
        };
        let hands = Hands {
            redis: self.redis.clone(),
            commands: self.redis.commands()?,
            names: self.names.clone(),
            provider: self.sandbox.as_deref().map(Provider::new).transpose()?,
            workers: self.workers,
            console: self.console.clone(),
            begun,
        };
        let following = stop.run_until_cancelled(receipts.follow(effects));
        let listening = async {
            let mut listening = pin!(listen(hands, &self.redis, &self.names, &self.console, stop));
            if stop.run_until_cancelled(&mut listening).await.is_none() {
                let _ = timeout(ENDS_WITHIN, listening).await;
            }
        };
        tokio::join!(following, listening);
        Ok(())
    }
}

/// Carries out what is asked for, and says in Redis that somebody is there who does.
async fn listen(hands: Hands, redis: &Redis, names: &Names, console: &Console, stop: &CancellationToken) {
    let (service, instance) = (services::SUPERVISOR, services::SUPERVISOR.to_owned());
    let commands = hands.commands.clone();
    let operator = Operator { service, instance: instance.clone(), names: names.clone(), hands };
    match stop.run_until_cancelled(operator.join(redis)).await {
        Some(Ok(worker)) => {
            let status = worker.status();
            let now = move || State { ready: status.check().is_ok(), paused: Vec::new() };
            let description = Description { service, instance, process: process::id(), address: None };
            let (beating, _) = heartbeat::start(description, names, commands, now);
            worker.run(stop.clone()).await;
            beating.stop().await;
        }
        Some(Err(error)) => console.say(&format!("warning: nothing can be broken on purpose: {error}")),
        None => {}
    }
}
