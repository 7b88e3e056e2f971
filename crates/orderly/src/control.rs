//! Asking the services for something: a request on the control stream, and waiting until it is carried out.

use std::time::Duration;

use anyhow::{Context, bail};
use common::{
    control::owner,
    messages::{Action, Receipt},
    names::services,
    operations::requests::{self, CarriedOut, Request},
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
    /// Which group it is about, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    /// Who is to carry it out.
    service: &'static str,
    /// Who has, if anybody.
    instance: Option<String>,
    pub(crate) succeeded: bool,
    pub(crate) outcome: String,
    /// Where the request stands in the control stream.
    #[serde(skip)]
    pub(crate) request: StreamId,
}

/// Asks for an action, and waits for it as long as `args` say and `longer`.
pub(crate) async fn ask(
    installation: &Installation,
    action: Action,
    args: &RequestArgs,
    why: Option<&str>,
    longer: Duration,
) -> anyhow::Result<Answer> {
    let group = action.group().map(str::to_owned);
    let service = owner(&action).with_context(|| format!("nobody can carry out {action:?}"))?;
    let request = requests::ask(installation, action, &args.by, why)
        .await
        .context("it is not known whether the request was written; see with `orderly audit`")?;
    let patience = Duration::from_secs(args.wait) + longer;
    let carried_out =
        until(installation, request, Instant::now() + patience, |found| found.carried_out).await?;
    let (instance, succeeded, outcome) = match carried_out {
        Some(CarriedOut { instance, succeeded, outcome, .. }) => (Some(instance), succeeded, outcome),
        None => (None, false, nobody_did(service, patience)),
    };
    Ok(Answer { group, service, instance, succeeded, outcome, request })
}

fn nobody_did(service: &str, patience: Duration) -> String {
    let waited = patience.as_secs();
    if service == services::SUPERVISOR {
        return format!(
            "nobody has done it in {waited} s, and nobody will: it can be done where `orderly up` runs the system, and only at \
             once"
        );
    }
    format!(
        "the request is written down, but no {service} has carried it out in {waited} s. It will be as soon as one runs: start \
         {service}, and see with `orderly audit` what came of it"
    )
}

/// The receipt of a request, once the supervisor has counted.
pub(crate) async fn receipt(
    installation: &Installation,
    request: StreamId,
    deadline: Instant,
) -> anyhow::Result<Option<Receipt>> {
    until(installation, request, deadline, |found| found.receipt).await
}

/// What is told of a request, as soon as it is, or nothing at the deadline.
async fn until<T>(
    installation: &Installation,
    request: StreamId,
    deadline: Instant,
    told: impl Fn(Request) -> Option<T>,
) -> anyhow::Result<Option<T>> {
    loop {
        let found = requests::find(installation, request).await?.and_then(&told);
        if found.is_some() || Instant::now() >= deadline {
            return Ok(found);
        }
        sleep(GLANCE).await;
    }
}

/// Prints what came of requests. Fails if one of them was not carried out.
pub(crate) fn tell(answers: &[Answer], json: bool) -> anyhow::Result<()> {
    let mut failed = Vec::new();
    for answer in answers {
        let outcome = printable(&answer.outcome);
        let text = match &answer.group {
            Some(group) => format!("{group}: {outcome}"),
            None => outcome,
        };
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
