//! `orderly up`: the whole system on one machine, no Docker.
//!
//! | step | open |
//! |---|---|
//! | what is to run, and what each is told | `plan.rs` |
//! | a real Redis, found or fetched | `redis.rs` |
//! | a process that is kept running and can be stopped | `supervisor.rs` |
//! | whether everything is ready | `readiness.rs` |
//! | one log of many | `console.rs` |

mod args;
mod console;
mod plan;
mod readiness;
mod redis;
mod restart;
mod supervisor;

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::Context;
use futures_util::future::join_all;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::services::Service;
pub(crate) use args::UpArgs;
use console::Console;
use plan::Plan;
use readiness::Readiness;
use redis::RedisServer;
use supervisor::Supervisor;

/// How long services may take to become ready before `up` says what it is waiting for, and again.
const PATIENCE: Duration = Duration::from_secs(5);

/// Runs `orderly up`. The exit code is 0 after a stop that was asked for, 1 if it could not start.
pub(crate) fn main(args: UpArgs) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    match runtime.block_on(run(args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("orderly up: {error:#}");
    ExitCode::FAILURE
}

async fn run(args: UpArgs) -> anyhow::Result<()> {
    let started = Instant::now();
    let stop = stop_signals()?;
    let plan = Plan::new(&args).await?;
    let console = Console::new(plan.longest_name());
    let Some(redis) = stop.run_until_cancelled(RedisServer::start(&args, &console)).await.transpose()? else {
        return Ok(());
    };
    let mut supervisors = Vec::new();
    for process in plan.processes(redis.url()) {
        supervisors.push(Supervisor::start(process, &console)?);
    }
    let ready = stop.run_until_cancelled(all_ready(&supervisors, redis.url(), &console)).await;
    if ready.transpose()?.is_some() {
        console::print(&plan.welcome(&redis.describe(), started.elapsed()));
        stop.cancelled().await;
    }
    console.say("stopping");
    stop_in_order(supervisors).await;
    redis.stop().await;
    console.say("stopped");
    Ok(())
}

/// First no new orders come in, then what is under way is finished, then the world outside goes.
async fn stop_in_order(supervisors: Vec<Supervisor>) {
    let (edge, rest): (Vec<_>, Vec<_>) =
        supervisors.into_iter().partition(|supervisor| supervisor.process().service == Service::ApiGateway);
    let (outside, consumers): (Vec<_>, Vec<_>) =
        rest.into_iter().partition(|supervisor| supervisor.process().service == Service::Sandbox);
    for group in [edge, consumers, outside] {
        join_all(group.into_iter().map(Supervisor::stop)).await;
    }
}

/// Cancelled by Ctrl-C, SIGTERM, or the terminal's end.
fn stop_signals() -> anyhow::Result<CancellationToken> {
    let stop = CancellationToken::new();
    for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
        let mut signals = signal(kind).context("cannot listen for signals")?;
        let stop = stop.clone();
        tokio::spawn(async move {
            signals.recv().await;
            stop.cancel();
        });
    }
    Ok(stop)
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
