//! The body of every service's `main`: command line, logging, runtime, signals, and the time limit for draining.

use std::{
    ffi::OsString,
    future::Future,
    io::Write,
    net::{Ipv4Addr, SocketAddr},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{
    probe::ask_ready,
    shutdown,
    telemetry::{self, TelemetryArgs},
};

/// A service makes and drops many small things for each order. With the system's allocator that takes a fifth of its time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long a service may take to end after it was asked to. Longer than a worker's own grace period, after which it hands
/// back what is unfinished; shorter than what supervisors (`up`, the compose file) allow before they kill.
const DRAIN_LIMIT: Duration = Duration::from_secs(11);

#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Cli<Config: Args> {
    #[command(flatten)]
    config: Config,
    #[command(flatten)]
    process: ProcessArgs,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Args, Clone, Debug)]
struct ProcessArgs {
    #[command(flatten)]
    telemetry: TelemetryArgs,
    /// Threads that run the service. One is the fastest while services share few cores
    #[arg(long, env = "SERVICE_THREADS", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    threads: u16,
    /// Stop when standard input ends, as it does when the supervisor that holds it is gone
    #[arg(long, hide = true)]
    supervised: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Ask the service of this container whether it is ready; exit code 0 means yes
    Healthcheck {
        /// The port it listens on
        #[arg(long, env = "PORT")]
        port: u16,
    },
}

/// Runs a service as this process: parses `args` (the program's own name first), sets up logging, the runtime and
/// signals, and hands `run` its configuration and the token that asks it to drain.
///
/// The exit code is 0 after a clean stop, 1 after an error (logged), 2 for a wrong command line.
pub fn main<Config, Run, Running>(
    name: &'static str,
    args: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    run: Run,
) -> ExitCode
where
    Config: Args,
    Run: FnOnce(Config, CancellationToken) -> Running,
    Running: Future<Output = anyhow::Result<()>>,
{
    let about = format!("{name}: one of Orderly's services");
    let parsed = Cli::<Config>::command().name(name).about(about).try_get_matches_from(args);
    let cli = match parsed.and_then(|matches| Cli::<Config>::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    let outcome = match cli.command {
        Some(Command::Healthcheck { port }) => return healthcheck(port),
        None => run_service(name, cli.config, &cli.process, run),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!(error = format!("{error:#}"), service = name, "the service ended with an error");
            // The log may be filtered or not set up; a person who typed the command must see the reason.
            let _ = writeln!(std::io::stderr(), "{name}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run_service<Config, Run, Running>(
    name: &'static str,
    config: Config,
    process: &ProcessArgs,
    run: Run,
) -> anyhow::Result<()>
where
    Run: FnOnce(Config, CancellationToken) -> Running,
    Running: Future<Output = anyhow::Result<()>>,
{
    telemetry::init(&process.telemetry)?;
    // Before anything is measured, which would be lost.
    let _ = telemetry::metrics();
    let runtime = runtime(process.threads).context("cannot start the async runtime")?;
    let outcome = runtime.block_on(async {
        let shutdown = shutdown::listen(process.supervised).context("cannot listen for signals")?;
        tokio::select! {
            outcome = run(config, shutdown.clone()) => {
                info!(service = name, "stopped");
                outcome
            }
            () = drained_too_long(&shutdown) => {
                warn!(service = name, limit = ?DRAIN_LIMIT, "draining took too long: what is unfinished will be redelivered");
                Ok(())
            }
        }
    });
    // Not waiting for blocking calls, such as a name look-up that hangs.
    runtime.shutdown_background();
    outcome
}

/// One thread needs no work stealing; its runtime is smaller and wakes faster.
fn runtime(threads: u16) -> std::io::Result<tokio::runtime::Runtime> {
    let mut builder = if threads == 1 {
        tokio::runtime::Builder::new_current_thread()
    } else {
        tokio::runtime::Builder::new_multi_thread()
    };
    builder.worker_threads(threads.into()).enable_all().build()
}

async fn drained_too_long(shutdown: &CancellationToken) {
    shutdown.cancelled().await;
    tokio::time::sleep(DRAIN_LIMIT).await;
}

/// Images have no shell and no curl, so the binary asks itself.
fn healthcheck(port: u16) -> ExitCode {
    let reason = match ask_ready(SocketAddr::from((Ipv4Addr::LOCALHOST, port))) {
        Ok(Ok(())) => return ExitCode::SUCCESS,
        Ok(Err(reason)) => format!("not ready: {reason}"),
        Err(error) => format!("cannot reach port {port}: {error}"),
    };
    let _ = writeln!(std::io::stderr(), "{reason}");
    ExitCode::FAILURE
}
