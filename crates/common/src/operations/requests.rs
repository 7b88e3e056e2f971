//! What was asked of the services, by whom and why, and what came of it: the control stream as people read it.

use std::collections::HashMap;

use jiff::Timestamp;
use redis_kit::{
    Error,
    stream::{Entry, Producer, Slot, StreamId, Undecodable, read_after, read_at, read_before},
    trace::TraceContext,
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Installation;
use crate::{
    control::owner,
    messages::{Action, ControlEvent, Receipt},
    names::services,
};

/// How many entries are read at a time.
const PAGE: usize = 200;

/// How many entries are looked at beside those that requests and their outcomes are: others may write there too.
const OTHERS: usize = 10_000;

/// How far behind a request its outcome is looked for. The stream is not kept for longer.
const FURTHEST: usize = 100_000;

/// Something that was asked for.
#[derive(Clone, Debug, Serialize)]
pub struct Request {
    /// Where it stands in the control stream.
    #[serde(skip)]
    pub stream_id: StreamId,
    /// When it was asked for.
    pub at: Timestamp,
    /// The message's id, by which logs call it.
    pub id: Uuid,
    /// What.
    #[serde(flatten)]
    pub action: Action,
    /// Who asked.
    pub by: String,
    /// Why.
    pub why: Option<String>,
    /// What came of it; `None` while nobody has carried it out.
    pub carried_out: Option<CarriedOut>,
    /// What the orders came to meanwhile, if something was broken on purpose and it has been counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
}

/// What came of a request.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CarriedOut {
    /// When.
    pub at: Timestamp,
    /// By which instance.
    pub instance: String,
    /// Whether it was done.
    pub succeeded: bool,
    /// What came of it, for people.
    pub outcome: String,
}

/// What the end of the control stream tells, newest first.
#[derive(Debug, Default)]
pub struct Newest {
    /// What was asked for.
    pub requests: Vec<Request>,
    /// Entries among these that this version cannot read.
    pub unreadable: Vec<(StreamId, Undecodable)>,
}

/// Asks for something, and tells where the request stands. Whoever owns the thing carries it out.
///
/// # Errors
/// After any, it is not known whether it was written. To ask again does no harm: letters are meant up to the moment of a look,
/// and what was replayed or dropped is no letter any more; a group that is paused or resumed twice is so once. Only what is broken
/// on purpose is broken twice.
pub async fn ask(
    installation: &Installation,
    action: Action,
    by: &str,
    why: Option<&str>,
) -> Result<StreamId, Error> {
    let request = ControlEvent::Requested { action, by: by.to_owned(), why: why.map(str::to_owned) };
    let stream = installation.names.control_stream();
    Producer::new(installation.redis.clone(), stream).append(&request, &TraceContext::root()).await
}

/// The newest requests, up to `limit`, each with what came of it. However long the stream is, no more of it is read than that
/// takes.
pub async fn newest(installation: &Installation, limit: usize) -> Result<Newest, Error> {
    let (mut redis, stream) = (installation.redis.clone(), installation.names.control_stream());
    let (mut newest, mut after, mut position) = (Newest::default(), HashMap::new(), None);
    // To each belong up to two entries that tell what came of it, which stand behind it.
    for _ in 0..(3 * limit + OTHERS).div_ceil(PAGE) {
        let page = read_before::<ControlEvent>(&mut redis, &stream, position, PAGE).await?;
        let Some(last) = page.last() else { break };
        position = Some(last.id());
        for slot in page {
            match slot {
                Slot::Entry(entry) => match Told::of(entry) {
                    Told::Request(request) => {
                        let After { carried_out, receipt } = after.remove(&request.id).unwrap_or_default();
                        newest.requests.push(Request { carried_out, receipt, ..*request });
                        if newest.requests.len() >= limit {
                            return Ok(newest);
                        }
                    }
                    told => note(told, |request| Some(after.entry(request).or_insert_with(After::default))),
                },
                Slot::Undecodable { id, reason } => newest.unreadable.push((id, reason)),
                Slot::Replay { .. } => {}
            }
        }
    }
    Ok(newest)
}

/// The request at one place of the control stream, with what came of it.
pub async fn find(installation: &Installation, id: StreamId) -> Result<Option<Request>, Error> {
    let (mut redis, stream) = (installation.redis.clone(), installation.names.control_stream());
    let Some(Slot::Entry(entry)) = read_at(&mut redis, &stream, id).await? else { return Ok(None) };
    let Told::Request(request) = Told::of(entry) else { return Ok(None) };
    let (mut after, mut position) = (After::default(), id);
    for _ in 0..FURTHEST.div_ceil(PAGE) {
        let page = read_after::<ControlEvent>(&mut redis, &stream, position, PAGE).await?;
        let Some(last) = page.slots.last() else { break };
        position = last.id();
        for slot in page.slots {
            if let Slot::Entry(entry) = slot {
                note(Told::of(entry), |of| (of == request.id).then_some(&mut after));
            }
        }
        if after.is_all(&request.action) {
            break;
        }
    }
    let After { carried_out, receipt } = after;
    Ok(Some(Request { carried_out, receipt, ..*request }))
}

/// What came of a request.
#[derive(Default)]
struct After {
    carried_out: Option<CarriedOut>,
    receipt: Option<Receipt>,
}

impl After {
    /// Whether nothing more can come: only where something was broken on purpose it is counted afterwards.
    fn is_all(&self, action: &Action) -> bool {
        let is_counted = owner(action) == Some(services::SUPERVISOR);
        self.carried_out.as_ref().is_some_and(|done| !done.succeeded || !is_counted || self.receipt.is_some())
    }
}

/// Takes in what came of a request, if that is one of those that are wanted. The first word of each counts.
fn note<'a>(told: Told, wanted: impl FnOnce(Uuid) -> Option<&'a mut After>) {
    match told {
        Told::Request(_) => {}
        Told::Outcome(request, outcome) => {
            if let Some(after) = wanted(request) {
                after.carried_out.get_or_insert(outcome);
            }
        }
        Told::Receipt(request, receipt) => {
            if let Some(after) = wanted(request) {
                after.receipt.get_or_insert(receipt);
            }
        }
    }
}

/// What one entry tells.
enum Told {
    Request(Box<Request>),
    /// What came of the request with this message id.
    Outcome(Uuid, CarriedOut),
    /// What was counted after it.
    Receipt(Uuid, Receipt),
}

impl Told {
    fn of(entry: Entry<ControlEvent>) -> Self {
        let Entry { message, id: stream_id, message_id: id, occurred_at: at, .. } = entry;
        match message {
            ControlEvent::Requested { action, by, why } => Self::Request(Box::new(Request {
                stream_id,
                id,
                at,
                action,
                by,
                why,
                carried_out: None,
                receipt: None,
            })),
            ControlEvent::CarriedOut { request, instance, outcome, succeeded, .. } => {
                Self::Outcome(request, CarriedOut { at, instance, succeeded, outcome })
            }
            ControlEvent::Receipt { request, receipt, .. } => Self::Receipt(request, receipt),
        }
    }
}
