//! Accepting an order: one atomic script takes its place in its customer's limit, writes the order, its journal entry and its
//! idempotency record, and only then is `201 Created` sent.

mod acceptance;
mod idempotency;
mod room;

use std::sync::Arc;

use common::{
    crash::{self, Point},
    messages::{OrderEvent, OrderId},
    names::Names,
    partition::Partitions,
    problem::Problem,
    service::Service,
};
use redis_kit::{Connection, Error, desk::Desk, rate_limit::Verdict, stream::encode_at, trace::TraceContext};
use tracing::info;

use crate::{
    durability::DurabilityCheck,
    error::{internal, redis_failed},
    limits::CustomerLimit,
    orders::{new_order::PricedOrder, view::OrderView},
};
use acceptance::{Acceptance, Condition, Record, Written};
pub(crate) use idempotency::{IdempotencyKey, Lookup, other_body};
use idempotency::{KeyHasher, Promise};
use room::Room;

/// Accepts orders. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Acceptor {
    redis: Connection,
    desk: Arc<Desk<Acceptance>>,
    names: Names,
    partitions: Partitions,
    keys: KeyHasher,
    durability: DurabilityCheck,
    room: Room,
}

/// Beside what an order is written: what is looked at in the same step must share its slot, and so its partition.
pub(crate) enum Beside {
    /// The record of its request's key.
    Record(Promise),
    /// The limit of its customer.
    Limit(CustomerLimit),
    /// Nothing.
    Nothing,
}

/// What became of an order.
pub(crate) enum Answer {
    /// It is accepted, and the limit beside it has this to say.
    Accepted(Accepted, Option<Verdict>),
    /// It is more than the limit beside it allows.
    TooMany(Verdict),
}

/// The answer to an accepted order, which is the same however often it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Accepted {
    pub(crate) location: String,
    pub(crate) body: Vec<u8>,
    /// Whether an earlier request with the same key made the order.
    pub(crate) replayed: bool,
}

impl Acceptor {
    /// Fails if Redis does not give the gateways their shared secret.
    pub(crate) async fn start(service: &Service, durability: DurabilityCheck) -> anyhow::Result<Self> {
        Ok(Self {
            redis: service.commands.clone(),
            desk: Desk::new(service.commands.clone()),
            names: service.names.clone(),
            partitions: service.partitions,
            keys: KeyHasher::start(&service.commands, &service.names).await?,
            durability,
            room: Room::start(service.commands.clone(), service.names.clone(), service.partitions),
        })
    }

    /// Looks for the answer that an earlier request of this caller, a guest unless named, with this key got.
    pub(crate) async fn look_up(
        &self,
        key: Option<&IdempotencyKey>,
        caller: Option<&str>,
        body: &[u8],
    ) -> Result<Lookup, Problem> {
        let Some(key) = key else { return Ok(Lookup::Keyless) };
        let promise = self.keys.promise(key, caller, body, self.partitions, &self.names);
        let found = promise.find(&mut self.redis.clone()).await.map_err(|error| redis_failed(&error))?;
        Ok(match found {
            None => Lookup::New(promise),
            Some(record) => record.answer_to(&promise),
        })
    }

    /// Writes the order, or finds that an equal request was faster.
    pub(crate) async fn accept(
        &self,
        order: PricedOrder,
        beside: Beside,
        trace: &TraceContext,
    ) -> Result<Answer, Problem> {
        self.durability.check().map_err(Problem::unavailable)?;
        let id = match &beside {
            Beside::Record(promise) => self.partitions.draw_order_id(promise.partition),
            Beside::Limit(limit) => self.partitions.draw_order_id(limit.partition),
            Beside::Nothing => uuid::Uuid::new_v4(),
        };
        self.room.check(self.partitions.of_order(id)).map_err(Problem::unavailable)?;
        let order = OrderView::accepted(id, order);
        let body = serde_json::to_vec(&order).map_err(|_| internal())?;
        let accepted = Accepted { location: format!("/orders/{id}"), body, replayed: false };
        let acceptance = self.acceptance(&order, &accepted, beside, trace).map_err(|_| internal())?;
        crash::point(Point::BeforeAccept);
        let written = self.desk.ask(acceptance).await;
        crash::point(Point::AfterAccept);
        match written.map_err(|error| redis_failed(&error.into()))? {
            Written::Order(limit) => {
                log(&order, trace);
                Ok(Answer::Accepted(accepted, limit))
            }
            Written::TooMany(limit) => Ok(Answer::TooMany(limit)),
            Written::Before { location, body } => {
                Ok(Answer::Accepted(Accepted { location, body, replayed: true }, None))
            }
            Written::Refused => Err(other_body()),
        }
    }

    fn acceptance(
        &self,
        order: &OrderView,
        accepted: &Accepted,
        beside: Beside,
        trace: &TraceContext,
    ) -> Result<Acceptance, Error> {
        let partition = self.partitions.of_order(order.id);
        Ok(Acceptance {
            view: self.names.order(partition, order.id),
            journal: self.names.orders_stream(partition),
            placed: encode_at(&placed(order), trace, order.placed_at)?,
            condition: match beside {
                Beside::Nothing => Condition::None,
                Beside::Limit(limit) => Condition::Within(limit.check),
                Beside::Record(promise) => Condition::New(Record {
                    key: promise.record,
                    body_digest: promise.body_digest,
                    location: accepted.location.clone(),
                    body: accepted.body.clone(),
                }),
            },
        })
    }
}

fn placed(order: &OrderView) -> OrderEvent {
    OrderEvent::Placed {
        order_id: order.id,
        customer_id: order.customer_id.clone(),
        items: order.items.clone(),
        total: order.total,
    }
}

fn log(order: &OrderView, trace: &TraceContext) {
    let order_id: OrderId = order.id;
    info!(%order_id, customer_id = order.customer_id, trace_id = trace.trace_id(), total = %order.total, "accepted the order");
}
