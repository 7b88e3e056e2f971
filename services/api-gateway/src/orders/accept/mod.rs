//! Accepting an order: one atomic script writes the order, its journal entry and its idempotency record, and only then is
//! `201 Created` sent.

mod idempotency;
mod room;

use std::sync::LazyLock;

use common::{
    crash::{self, Point},
    messages::{OrderEvent, OrderId},
    names::Names,
    partition::Partitions,
    problem::Problem,
    service::Service,
};
use redis_kit::{Connection, Error, Lua, stream::encode_at, trace::TraceContext};
use tracing::info;

use crate::{
    durability::DurabilityCheck,
    error::{internal, redis_failed},
    orders::{new_order::PricedOrder, view::OrderView},
};
pub(crate) use idempotency::{IdempotencyKey, Lookup, other_body};
use idempotency::{KeyHasher, Promise};
use room::Room;

static ACCEPT: LazyLock<Lua> = LazyLock::new(|| Lua::new(include_str!("accept.lua")));

/// Accepts orders. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Acceptor {
    redis: Connection,
    names: Names,
    partitions: Partitions,
    keys: KeyHasher,
    durability: DurabilityCheck,
    room: Room,
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
        promise: Option<&Promise>,
        trace: &TraceContext,
    ) -> Result<Accepted, Problem> {
        self.durability.check().map_err(Problem::unavailable)?;
        // What shares a slot must share a partition: the key's, if there is a key.
        let id = match promise {
            Some(promise) => self.partitions.draw_order_id(promise.partition),
            None => uuid::Uuid::new_v4(),
        };
        self.room.check(self.partitions.of_order(id)).map_err(Problem::unavailable)?;
        let order = OrderView::accepted(id, order);
        let body = serde_json::to_vec(&order).map_err(|_| internal())?;
        let accepted = Accepted { location: format!("/orders/{id}"), body, replayed: false };
        crash::point(Point::BeforeAccept);
        let written = self.write(&order, &accepted, promise, trace).await;
        crash::point(Point::AfterAccept);
        match written.map_err(|error| redis_failed(&error))? {
            Written::Order => {
                log(&order, trace);
                Ok(accepted)
            }
            Written::Before { location, body } => Ok(Accepted { location, body, replayed: true }),
            Written::Refused => Err(other_body()),
        }
    }

    async fn write(
        &self,
        order: &OrderView,
        accepted: &Accepted,
        promise: Option<&Promise>,
        trace: &TraceContext,
    ) -> Result<Written, Error> {
        let partition = self.partitions.of_order(order.id);
        let (fields, event) = (order.fields()?, encode_at(&placed(order), trace, order.placed_at)?);
        let (view, journal) = (self.names.order(partition, order.id), self.names.orders_stream(partition));
        let record = promise.map(|promise| &*promise.record);
        let mut call = ACCEPT.call([&*view, &*journal].into_iter().chain(record));
        call.arg(fields.len() * 2).arg(&fields[..]).arg(event.len() * 2).arg(&event[..]);
        if let Some(promise) = promise {
            call.arg(&promise.body_digest).arg(&accepted.location).arg(&accepted.body);
            call.arg(idempotency::LIFETIME.as_secs());
        }
        let reply: Vec<Vec<u8>> = ACCEPT.run(&mut self.redis.clone(), &call).await?;
        Ok(Written::from(reply))
    }
}

/// What the accept script did.
enum Written {
    /// It wrote the order.
    Order,
    /// Nothing: an equal request had written one before, and this was its answer.
    Before { location: String, body: Vec<u8> },
    /// Nothing: the key belongs to another body.
    Refused,
}

impl From<Vec<Vec<u8>>> for Written {
    fn from(reply: Vec<Vec<u8>>) -> Self {
        match <[Vec<u8>; 2]>::try_from(reply) {
            Ok([location, body]) => {
                Self::Before { location: String::from_utf8_lossy(&location).into_owned(), body }
            }
            Err(reply) if reply.is_empty() => Self::Order,
            Err(_) => Self::Refused,
        }
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
