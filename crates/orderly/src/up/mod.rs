//! `orderly up`: the whole system on one machine, no Docker.
//!
//! | step | open |
//! |---|---|
//! | what is to run, and what each is told | `plan.rs` |
//! | a real Redis, found or fetched | `redis.rs` |
//! | a port that is kept while its service is not there | `listening.rs` |
//! | a process that is kept running and can be stopped | `supervisor.rs` |
//! | a process that is killed or frozen on purpose | `target.rs` |
//! | what operators ask to be broken, and what came of it | `chaos/` |
//! | whether everything is ready | `readiness.rs` |
//! | one log of many | `console.rs` |
//! | a reader that stalls stops nobody | `printer.rs` |

mod args;
mod chaos;
mod console;
mod listening;
mod plan;
mod printer;
mod readiness;
mod redis;
mod restart;
mod supervisor;
mod target;

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use crate::{services::Service, signals::Signals};
pub(crate) use args::UpArgs;
use chaos::Chaos;
use console::Console;
use plan::Plan;
use printer::Printer;
use readiness::Readiness;
use redis::RedisServer;
use supervisor::Supervisor;

/// How long services may take to become ready before `up` says what it is waiting for, and again.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long the end may wait for a reader to take what is still to be printed.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Runs `orderly up`. The exit code is 0 after a stop that was asked for, 1 if it could not start or was asked twice.
pub(crate) fn main(args: &UpArgs) -> ExitCode {
    match run_to_the_end(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The standard error may well be what the stalled reader reads.
            if let Ok(printer) = Printer::start(std::io::stderr()) {
                printer.print(format!("orderly up: {error:#}"));
                printer.flush(LAST_WORDS);
            }
            ExitCode::FAILURE
        }
    }
}

fn run_to_the_end(args: &UpArgs) -> anyhow::Result<()> {
    let printer = Printer::start(std::io::stdout()).context("cannot start a thread")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        let signals = Signals::listen()?;
        tokio::select! {
            outcome = run(args, &signals.stop, &printer) => outcome,
            () = signals.kill.cancelled() => bail!("asked a second time to stop; what still ran was killed"),
        }
    });
    // Kills the processes that are left. No blocking task, of which some cannot be told to end, may delay that.
    runtime.shutdown_background();
    printer.flush(LAST_WORDS);
    outcome
}

async fn run(args: &UpArgs, stop: &CancellationToken, printer: &Printer) -> anyhow::Result<()> {
    let started = Instant::now();
    let plan = Plan::new(args).await?;
    let console = Console::new(plan.longest_name(), printer.clone());
    let Some(redis) = stop.run_until_cancelled(RedisServer::start(args, &console)).await.transpose()? else {
        return Ok(());
    };
    let Some(admin) = stop.run_until_cancelled(plan.first_admin()).await.transpose()? else {
        return Ok(());
    };
    let mut supervisors = Vec::new();
    for process in plan.processes(redis.url()) {
        supervisors.push(Supervisor::start(process, &console)?);
    }
    let chaos = Chaos::new(&supervisors, redis.url(), plan.sandbox_url(), &console)?;
    let running = async {
        let ready = stop.run_until_cancelled(all_ready(&supervisors, redis.url(), &console)).await;
        if ready.transpose()?.is_some() {
            console.print(plan.welcome(&redis.describe(), admin.as_ref(), started.elapsed()));
            stop.cancelled().await;
        }
        console.say("stopping");
        stop_in_order(supervisors).await;
        anyhow::Ok(())
    };
    // First of the two, so that what is frozen goes on before it is asked to stop.
    tokio::try_join!(chaos.run(stop), running)?;
    redis.stop().await;
    console.say("stopped");
    Ok(())
}

/// First no new orders come in; then what is under way is finished, and heard of; then the world outside goes.
async fn stop_in_order(mut supervisors: Vec<Supervisor>) {
    for turn in 0..=3 {
        let now = supervisors.extract_if(.., |supervisor| stop_turn(supervisor.process().service) == turn);
        join_all(now.map(Supervisor::stop)).await;
    }
}

fn stop_turn(service: Service) -> u8 {
    match service {
        Service::ApiGateway => 0,
        Service::PaymentProducer | Service::PaymentWorker | Service::OrderPublisher => 1,
        Service::NotificationSubscriber => 2,
        Service::Sandbox => 3,
    }
}

async fn all_ready(supervisors: &[Supervisor], redis_url: &str, console: &Console) -> anyhow::Result<()> {
    let readiness = Readiness::new(redis_url)?;
    let mut complain_at = Instant::now() + PATIENCE;
    loop {
        let waiting = readiness.of(supervisors).await;
        if waiting.is_empty() {
            return Ok(());
        }
        if Instant::now() >= complain_at {
            complain_at += PATIENCE;
            for reason in waiting {
                console.say(&format!("waiting: {reason}"));
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
