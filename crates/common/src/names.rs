//! Every name in Redis, each built by one function here; nothing else spells one.
//!
//! What belongs to one order carries the hash tag of its partition, `{p}`, so that a script may touch all of it at once
//! on a cluster too. The groups' own keys beside a stream (`…:retry:<group>`, `…:dead:<group>`) are named by
//! [`redis_kit::stream`].

use uuid::Uuid;

use crate::{messages::PaymentId, partition::Partitions};

/// The services that work on Redis. Each carries out what is asked of it on `control-stream`, by a group of its name.
pub mod services {
    /// Takes orders and shows them.
    pub const API_GATEWAY: &str = "api-gateway";
    /// Announces every order event.
    pub const ORDER_PUBLISHER: &str = "order-publisher";
    /// Requests payments.
    pub const PAYMENT_PRODUCER: &str = "payment-producer";
    /// Charges.
    pub const PAYMENT_WORKER: &str = "payment-worker";
    /// Delivers notifications.
    pub const NOTIFICATION_SUBSCRIBER: &str = "notification-subscriber";
    /// Keeps the processes of `orderly up`, and breaks things there on purpose. It takes part in `control-stream` as the services
    /// do, but is none of them: a system need not have one.
    pub const SUPERVISOR: &str = "supervisor";

    /// All of them.
    pub const ALL: [&str; 5] =
        [API_GATEWAY, ORDER_PUBLISHER, PAYMENT_PRODUCER, PAYMENT_WORKER, NOTIFICATION_SUBSCRIBER];
}

/// The consumer groups of `orders-stream` and `payments-stream`.
pub mod groups {
    use super::services;

    /// Announces the journal's events on the channel.
    pub const ORDER_PUBLISHER: &str = "order-publisher";
    /// Turns placed orders into payment requests.
    pub const PAYMENT_PRODUCER: &str = "payment-producer";
    /// Keeps what `GET /orders/{id}` shows.
    pub const ORDER_VIEW: &str = "order-view";
    /// Keeps every order in SQL.
    pub const ORDER_ARCHIVE: &str = "order-archive";
    /// Counts what is paid on the leaderboards.
    pub const ORDER_BOARDS: &str = "order-boards";
    /// Holds how far notifications were delivered; nobody reads by it.
    pub const NOTIFICATION_SUBSCRIBER: &str = "notification-subscriber";
    /// Charges.
    pub const PAYMENT_WORKERS: &str = "payment-workers";

    /// All that must have had an entry of `orders-stream` before it may go.
    pub const OF_ORDERS: [&str; 6] =
        [ORDER_PUBLISHER, PAYMENT_PRODUCER, ORDER_VIEW, ORDER_ARCHIVE, ORDER_BOARDS, NOTIFICATION_SUBSCRIBER];
    /// The same of `payments-stream`.
    pub const OF_PAYMENTS: [&str; 1] = [PAYMENT_WORKERS];

    /// Every group of either, those of `orders-stream` first.
    pub fn all() -> impl Iterator<Item = &'static str> {
        OF_ORDERS.into_iter().chain(OF_PAYMENTS)
    }

    /// The service that owns a group: its instances read by it, and it alone changes what stands beside the group's streams.
    pub fn owner(group: &str) -> Option<&'static str> {
        match group {
            ORDER_PUBLISHER => Some(services::ORDER_PUBLISHER),
            PAYMENT_PRODUCER => Some(services::PAYMENT_PRODUCER),
            ORDER_VIEW | ORDER_ARCHIVE | ORDER_BOARDS => Some(services::API_GATEWAY),
            NOTIFICATION_SUBSCRIBER => Some(services::NOTIFICATION_SUBSCRIBER),
            PAYMENT_WORKERS => Some(services::PAYMENT_WORKER),
            _ => None,
        }
    }
}

/// The names of one installation. Several may share a Redis, each with a prefix of its own.
#[derive(Clone, Debug, Default)]
pub struct Names {
    prefix: String,
}

impl Names {
    /// Names that begin with `prefix`, which may be empty.
    pub fn new(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into() }
    }

    /// A stream: the journal of one partition's orders.
    pub fn orders_stream(&self, partition: u16) -> String {
        self.name(format_args!("orders-stream:{{{partition}}}"))
    }

    /// The journals of all partitions, in their order.
    pub fn orders_streams(&self, partitions: Partitions) -> Vec<String> {
        partitions.all().map(|partition| self.orders_stream(partition)).collect()
    }

    /// A stream: the payments that one partition's orders wait for.
    pub fn payments_stream(&self, partition: u16) -> String {
        self.name(format_args!("payments-stream:{{{partition}}}"))
    }

    /// The payment streams of all partitions, in their order.
    pub fn payments_streams(&self, partitions: Partitions) -> Vec<String> {
        partitions.all().map(|partition| self.payments_stream(partition)).collect()
    }

    /// The streams that a group follows, in the order of their partitions; none if there is no such group.
    pub fn streams_of(&self, group: &str, partitions: Partitions) -> Vec<String> {
        if groups::OF_ORDERS.contains(&group) {
            self.orders_streams(partitions)
        } else if groups::OF_PAYMENTS.contains(&group) {
            self.payments_streams(partitions)
        } else {
            Vec::new()
        }
    }

    /// A stream: what operators asked for, and what came of it. One for all services; the tag is for the keys beside it.
    pub fn control_stream(&self) -> String {
        self.name(format_args!("control-stream:{{control}}"))
    }

    /// A hash: that a group is paused, by whom, when and why. Written together with what tells so on the control stream.
    pub fn pause(&self, group: &str) -> String {
        self.name(format_args!("paused:{{control}}:{group}"))
    }

    /// A hash: what `GET /orders/{id}` shows.
    pub fn order(&self, partition: u16, order_id: Uuid) -> String {
        self.name(format_args!("order:{{{partition}}}:{order_id}"))
    }

    /// A hash: the answer that an idempotency key got. `digest` is hexadecimal.
    pub fn idempotency_record(&self, partition: u16, digest: &str) -> String {
        self.name(format_args!("idem:{{{partition}}}:{digest}"))
    }

    /// A hash: how far a payment is.
    pub fn payment(&self, partition: u16, payment_id: PaymentId) -> String {
        self.name(format_args!("payment:{{{partition}}}:{payment_id}"))
    }

    /// A string: which attempt at a payment is being made.
    pub fn payment_lock(&self, partition: u16, payment_id: PaymentId) -> String {
        self.name(format_args!("lock:payment:{{{partition}}}:{payment_id}"))
    }

    /// A hash: the payments of one partition that wait for a person, by their id.
    pub fn parked_payments(&self, partition: u16) -> String {
        self.name(format_args!("payments-parked:{{{partition}}}"))
    }

    /// A channel: every order event, for whoever listens now.
    pub fn orders_channel(&self) -> String {
        self.name(format_args!("orders"))
    }

    /// A hash: one running instance of a service, as it last described itself.
    pub fn service(&self, service: &str, instance: &str) -> String {
        self.name(format_args!("service:{service}:{instance}"))
    }

    /// A sorted set: where to look for running instances, `<service>:<instance>` by their last sign of life.
    pub fn instances(&self) -> String {
        self.name(format_args!("instances"))
    }

    /// A key that is never there: to ask whether one of this installation could be used.
    pub fn nothing(&self) -> String {
        self.name(format_args!("nothing"))
    }

    /// A string: the number of partitions that the data lives in.
    pub fn partitions(&self) -> String {
        self.name(format_args!("partitions"))
    }

    /// A string: the key with which the gateways hash what clients send as idempotency keys.
    pub fn gateway_secret(&self) -> String {
        self.name(format_args!("gateway-secret"))
    }

    /// A string: that an account was logged in to from an address. `digest` is a hash of both, in hexadecimal.
    pub fn familiar_address(&self, digest: &str) -> String {
        self.name(format_args!("familiar:{digest}"))
    }

    /// A cache entry: a user of the directory.
    pub fn user(&self, id: &str) -> String {
        self.name(format_args!("user:{id}"))
    }

    /// A cache entry: a product.
    pub fn product(&self, sku: &str) -> String {
        self.name(format_args!("product:{sku}"))
    }

    /// A cache entry: all products.
    pub fn products(&self) -> String {
        self.name(format_args!("products"))
    }

    /// A cache entry: an order that has left Redis.
    pub fn archived_order(&self, order_id: Uuid) -> String {
        self.name(format_args!("archived-order:{order_id}"))
    }

    fn name(&self, rest: std::fmt::Arguments<'_>) -> String {
        format!("{}{rest}", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_one_orders_keys_share_its_partitions_tag() {
        let names = Names::new("shop:");
        let id = Uuid::new_v4();
        for key in [
            names.orders_stream(3),
            names.payments_stream(3),
            names.order(3, id),
            names.idempotency_record(3, "ab12"),
            names.payment(3, PaymentId::of(id)),
            names.payment_lock(3, PaymentId::of(id)),
            names.parked_payments(3),
        ] {
            assert!(key.starts_with("shop:") && key.contains(":{3}"), "{key}");
        }
    }

    #[test]
    fn every_group_has_an_owner_and_streams() {
        let (names, partitions) = (Names::default(), Partitions::new(4));
        for group in groups::all() {
            assert!(groups::owner(group).is_some_and(|owner| services::ALL.contains(&owner)), "{group}");
            assert_eq!(names.streams_of(group, partitions).len(), 4, "{group}");
        }
        assert_eq!((groups::owner("strangers"), names.streams_of("strangers", partitions)), (None, vec![]));
    }
}
