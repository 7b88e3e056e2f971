//! Every name in Redis, each built by one function here; nothing else spells one.
//!
//! What belongs to one order carries the hash tag of its partition, `{p}`, so that a script may touch all of it at once
//! on a cluster too. The groups' own keys beside a stream (`…:retry:<group>`, `…:dead:<group>`) are named by
//! [`redis_kit::stream`].

use uuid::Uuid;

use crate::{messages::PaymentId, partition::Partitions};

/// The consumer groups of `orders-stream` and `payments-stream`.
pub mod groups {
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
}
