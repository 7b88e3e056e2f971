//! Asking the services for something: a request on the control stream, and waiting until it is carried out.

use std::time::Duration;

use anyhow::{Context, bail};
use common::{
    control::owner,
    messages::{Action, ControlEvent, Receipt},
    names::services,
};
use redis_kit::{
    stream::{Entry, Producer, StreamId, end},
    trace::TraceContext,
};
use serde::Serialize;
use tokio::time::Instant;
use uuid::Uuid;

use crate::{awaited::find_behind, installation::Installation, printable::printable, report};

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
    #[serde(skip)]
    pub(crate) place: Place,
}

/// Where a request stands in the control stream.
pub(crate) struct Place {
    /// What comes of it stands behind this.
    before: StreamId,
    /// By which what comes of it names it; `None` until the stream has told.
    id: Option<Uuid>,
}

/// Asks for an action, and waits for it as long as `args` say and `longer`.
pub(crate) async fn ask(
    installation: &Installation,
    action: Action,
    args: &RequestArgs,
    why: Option<&str>,
    longer: Duration,
) -> anyhow::Result<Answer> {
    let stream = installation.names.control_stream();
    let before = end(&mut installation.redis.clone(), &stream).await?;
    let service = owner(&action).with_context(|| format!("nobody can carry out {action:?}"))?;
    let group = action.group().map(str::to_owned);
    let request = ControlEvent::Requested { action, by: args.by.clone(), why: why.map(str::to_owned) };
    let request = Producer::new(installation.redis.clone(), stream)
        .append(&request, &TraceContext::root())
        .await
        .context("it is not known whether the request was written; see with `orderly audit`")?;
    let patience = Duration::from_secs(args.wait) + longer;
    let mut place = Place { before, id: None };
    let (instance, succeeded, outcome) =
        match carried_out(installation, &mut place, request, Instant::now() + patience).await? {
            Some((instance, succeeded, outcome)) => (Some(instance), succeeded, outcome),
            None => (None, false, nobody_did(service, patience)),
        };
    Ok(Answer { group, service, instance, succeeded, outcome, place })
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

/// What the control stream tells of a request: who carried it out, whether that succeeded, and what came of it.
async fn carried_out(
    installation: &Installation,
    place: &mut Place,
    request: StreamId,
    deadline: Instant,
) -> anyhow::Result<Option<(String, bool, String)>> {
    let (stream, Place { before, id }) = (installation.names.control_stream(), place);
    let told = find_behind(&installation.redis, &stream, *before, deadline, |entry: &Entry<ControlEvent>| {
        if entry.id == request {
            *id = Some(entry.message_id);
        }
        match &entry.message {
            ControlEvent::CarriedOut { request, instance, outcome, succeeded, .. }
                if *id == Some(*request) =>
            {
                Some((instance.clone(), *succeeded, outcome.clone()))
            }
            _ => None,
        }
    });
    Ok(told.await?)
}

/// The receipt of a request, once the supervisor has counted.
pub(crate) async fn receipt(
    installation: &Installation,
    place: &Place,
    deadline: Instant,
) -> anyhow::Result<Option<Receipt>> {
    let stream = installation.names.control_stream();
    let told =
        find_behind(&installation.redis, &stream, place.before, deadline, |entry: &Entry<ControlEvent>| {
            match &entry.message {
                ControlEvent::Receipt { request, receipt, .. } if place.id == Some(*request) => {
                    Some(receipt.clone())
                }
                _ => None,
            }
        });
    Ok(told.await?)
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
