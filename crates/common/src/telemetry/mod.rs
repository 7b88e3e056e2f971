//! Logs and metrics, set up once a process.

mod counted;
#[cfg(test)]
mod log;
mod one_line;
mod sampled;

use std::{
    io::{IsTerminal, stdout},
    sync::LazyLock,
};

use clap::{Args, ValueEnum};
use counted::{Counting, Sums};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use one_line::{VisibleFields, VisibleJson};
use sampled::Sampled;
use tracing::error;
use tracing_subscriber::{
    EnvFilter,
    fmt::{format::Writer, time::FormatTime},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

/// How a service logs.
#[derive(Args, Clone, Debug)]
pub struct TelemetryArgs {
    /// What to log, as tracing directives: `info`, `payment_worker=debug,info`, …
    #[arg(long, env = "RUST_LOG", default_value = "info", value_name = "DIRECTIVES")]
    pub log: String,
    /// Log lines for people or for machines; by default pretty on a terminal and JSON elsewhere
    #[arg(long, env = "LOG_FORMAT", value_enum, ignore_case = true)]
    pub log_format: Option<LogFormat>,
}

/// The shape of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One readable line an event, in colour on a terminal unless `NO_COLOR` is set.
    Pretty,
    /// One JSON object a line.
    Json,
}

/// Sends this process's events to standard output, panics included. Call once, before anything logs.
///
/// Fails if `args.log` is no filter, or if a subscriber is set already.
pub fn init(args: &TelemetryArgs) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&args.log).map_err(|error| {
        anyhow::anyhow!("cannot read the log filter {:?} (--log or RUST_LOG): {error}", args.log)
    })?;
    // Whoever hears some of it is told of what is left out.
    let filter = filter.add_directive(sampled::DIRECTIVE.parse()?);
    let terminal = stdout().is_terminal();
    let format = args.log_format.unwrap_or(if terminal { LogFormat::Pretty } else { LogFormat::Json });
    // A log that nobody reads any more must not disturb the draining of who writes it.
    let builder = tracing_subscriber::fmt().with_env_filter(filter).log_internal_errors(false);
    let outcome = match format {
        LogFormat::Pretty => {
            let builder = builder.with_ansi(colour_is_wanted()).with_timer(LocalTime).with_target(false);
            builder.fmt_fields(VisibleFields).finish().with(Sampled::default()).try_init()
        }
        LogFormat::Json => {
            let builder = builder.json().flatten_event(true).with_writer(|| VisibleJson(stdout()));
            builder.finish().with(Sampled::default()).try_init()
        }
    };
    outcome.map_err(|error| anyhow::anyhow!("cannot set up logging: {error}"))?;
    std::panic::set_hook(Box::new(|panic| error!(%panic, "a task panicked")));
    Ok(())
}

/// The time of the day, for people who watch.
struct LocalTime;

impl FormatTime for LocalTime {
    fn format_time(&self, writer: &mut Writer<'_>) -> std::fmt::Result {
        write!(writer, "{}", jiff::Zoned::now().strftime("%H:%M:%S%.3f"))
    }
}

/// Whether standard output wants colour: a terminal does, unless `NO_COLOR` is set, and `CLICOLOR_FORCE` insists.
pub fn colour_is_wanted() -> bool {
    anstream::AutoStream::choice(&stdout()) != anstream::ColorChoice::Never
}

/// Where this process's metrics are collected. Several services in one process, as in tests, have one for all.
static METRICS: LazyLock<(PrometheusHandle, Sums)> = LazyLock::new(|| {
    let (all, sums) = (PrometheusBuilder::new().build_recorder(), Sums::default());
    let handle = all.handle();
    // The first recorder of a process wins.
    let _ = metrics::set_global_recorder(Counting { all, sums: sums.clone() });
    (handle, sums)
});

/// Collects this process's metrics; the handle renders them for `/metrics`.
pub fn metrics() -> PrometheusHandle {
    METRICS.0.clone()
}

/// Some of this process's counters, which only rise: each that is more than nothing, as `/metrics` names it without the
/// labels that are of no interest from afar, such as the partition.
pub fn counts() -> Vec<(String, u64)> {
    METRICS.1.all()
}

/// Sums up what was measured since the last time. To be done now and then, or it is all kept until somebody reads
/// `/metrics`, which nobody might.
pub fn sum_up_metrics() {
    METRICS.0.run_upkeep();
}
