//! Asking the services for something: a request on the control stream, and waiting until it is carried out.

use std::time::Duration;

use anyhow::{Context, bail};
use common::{
    control::owner,
    messages::Action,
    operations::requests::{self, CarriedOut},
};
use redis_kit::stream::StreamId;
use serde::Serialize;
use tokio::time::{Instant, sleep};

use crate::{awaited::GLANCE, installation::Installation, printable::printable, report};

/// Who asks, and how patiently.
#[derive(clap::Args)]
pub(crate) struct RequestArgs {
    /// Who asks for it
    #[arg(long, env = "USER", value_name = "NAME")]
    by: String,
    /// Seconds to wait for a service to carry it out
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    wait: u64,
    /// Print what came of it as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// What came of a request.
#[derive(Serialize)]
pub(crate) struct Answer {
    group: String,
    /// Who is to carry it out.
    service: &'static str,
    /// Who has, if anybody.
    instance: Option<String>,
    succeeded: bool,
    outcome: String,
}

/// Asks for an action, and waits for it as long as `args` say and `longer`.
pub(crate) async fn ask(
    installation: &Installation,
    action: Action,
    args: &RequestArgs,
    why: Option<&str>,
    longer: Duration,
) -> anyhow::Result<Answer> {
    let group = action.group().unwrap_or_default().to_owned();
    let service = owner(&action).with_context(|| format!("no service owns the group {group}"))?;
    let request = requests::ask(installation, action, &args.by, why)
        .await
        .context("it is not known whether the request was written; see with `orderly audit`")?;
    let patience = Duration::from_secs(args.wait) + longer;
    let carried_out = carried_out(installation, request, Instant::now() + patience).await?;
    let (instance, succeeded, outcome) = match carried_out {
        Some(CarriedOut { instance, succeeded, outcome, .. }) => (Some(instance), succeeded, outcome),
        None => (None, false, nobody_did(service, patience)),
    };
    Ok(Answer { group, service, instance, succeeded, outcome })
}

fn nobody_did(service: &str, patience: Duration) -> String {
    format!(
        "the request is written down, but no {service} has carried it out in {} s. It will be as soon as one runs: start \
         {service}, and see with `orderly audit` what came of it",
        patience.as_secs()
    )
}

/// What came of a request, if it is carried out by the deadline.
async fn carried_out(
    installation: &Installation,
    request: StreamId,
    deadline: Instant,
) -> anyhow::Result<Option<CarriedOut>> {
    loop {
        let found = requests::find(installation, request).await?;
        let carried_out = found.and_then(|found| found.carried_out);
        if carried_out.is_some() || Instant::now() >= deadline {
            return Ok(carried_out);
        }
        sleep(GLANCE).await;
    }
}

/// Prints what came of requests. Fails if one of them was not carried out.
pub(crate) fn tell(answers: &[Answer], json: bool) -> anyhow::Result<()> {
    let mut failed = Vec::new();
    for answer in answers {
        let text = format!("{}: {}", answer.group, printable(&answer.outcome));
        if json {
            report::print(&serde_json::to_string(answer)?)?;
        } else if answer.succeeded {
            report::print(&text)?;
        }
        if !answer.succeeded {
            failed.push(text);
        }
    }
    if failed.is_empty() { Ok(()) } else { bail!("{}", failed.join("; ")) }
}
