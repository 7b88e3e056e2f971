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
use crate::messages::{Action, ControlEvent};

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
/// and what was replayed or dropped is no letter any more; a group that is paused or resumed twice is so once.
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
    let (mut newest, mut outcomes, mut position) = (Newest::default(), HashMap::new(), None);
    // To each belongs one entry that tells what came of it, which stands behind it.
    for _ in 0..(2 * limit + OTHERS).div_ceil(PAGE) {
        let page = read_before::<ControlEvent>(&mut redis, &stream, position, PAGE).await?;
        let Some(last) = page.last() else { break };
        position = Some(last.id());
        for slot in page {
            match slot {
                Slot::Entry(entry) => match Told::of(entry) {
                    Told::Request(request) => {
                        let carried_out = outcomes.remove(&request.id);
                        newest.requests.push(Request { carried_out, ..request });
                        if newest.requests.len() >= limit {
                            return Ok(newest);
                        }
                    }
                    Told::Outcome(request, outcome) => {
                        outcomes.entry(request).or_insert(outcome);
                    }
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
    let Told::Request(mut request) = Told::of(entry) else { return Ok(None) };
    let mut position = id;
    for _ in 0..FURTHEST.div_ceil(PAGE) {
        let page = read_after::<ControlEvent>(&mut redis, &stream, position, PAGE).await?;
        let Some(last) = page.slots.last() else { break };
        position = last.id();
        request.carried_out = page.slots.into_iter().find_map(|slot| outcome_of(request.id, slot));
        if request.carried_out.is_some() {
            break;
        }
    }
    Ok(Some(request))
}

fn outcome_of(request: Uuid, slot: Slot<ControlEvent>) -> Option<CarriedOut> {
    let Slot::Entry(entry) = slot else { return None };
    match Told::of(entry) {
        Told::Outcome(of, outcome) if of == request => Some(outcome),
        _ => None,
    }
}

/// What one entry tells.
enum Told {
    Request(Request),
    /// What came of the request with this message id.
    Outcome(Uuid, CarriedOut),
}

impl Told {
    fn of(entry: Entry<ControlEvent>) -> Self {
        let Entry { message, id: stream_id, message_id: id, occurred_at: at, .. } = entry;
        match message {
            ControlEvent::Requested { action, by, why } => {
                Self::Request(Request { stream_id, id, at, action, by, why, carried_out: None })
            }
            ControlEvent::CarriedOut { request, instance, outcome, succeeded, .. } => {
                Self::Outcome(request, CarriedOut { at, instance, succeeded, outcome })
            }
        }
    }
}
