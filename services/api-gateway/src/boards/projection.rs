//! Counts what is paid, once: each board remembers how far it has got with each partition of the journal, so that what
//! comes again, as after a crash, is skipped.

use std::collections::HashMap;

use common::{
    messages::{LineItem, OrderEvent, OrderId},
    money::Money,
    names::Names,
};
use futures_util::future::{join_all, try_join};
use jiff::Timestamp;
use redis_kit::{
    leaderboard::Update,
    stream::{Commit, Delivery, Failure, Handler, Prepared, StreamId},
};
use tracing::warn;

use crate::app::App;

/// An update, and the journal entry that it follows from.
type Numbered = (StreamId, Update);

pub(crate) struct BoardsProjection {
    pub(crate) app: App,
    pub(crate) names: Names,
}

/// An order that was paid.
struct Paid<'a> {
    position: StreamId,
    at: Timestamp,
    order_id: OrderId,
    customer_id: &'a str,
    amount: Money,
}

impl BoardsProjection {
    async fn count(&self, source: &str, paid: &[Paid<'_>]) -> anyhow::Result<()> {
        try_join(self.count_customers(source, paid), self.count_products(source, paid)).await.map(drop)
    }

    async fn count_customers(&self, source: &str, paid: &[Paid<'_>]) -> anyhow::Result<()> {
        let mut currencies: HashMap<&str, Vec<Numbered>> = HashMap::new();
        for Paid { position, at, customer_id, amount, .. } in paid {
            let spent = Update::new(*customer_id, amount.minor()).at(*at);
            currencies.entry(amount.currency()).or_default().push((*position, spent));
        }
        for (currency, updates) in currencies {
            let applied = self.app.boards.customers(currency)?.update_from(source, updates).await?;
            if applied.cut > 0 {
                warn!(
                    currency,
                    "customers have paid more than their board can tell, and are ranked as if it were less"
                );
            }
        }
        Ok(())
    }

    async fn count_products(&self, source: &str, paid: &[Paid<'_>]) -> anyhow::Result<()> {
        let items = self.items(paid).await?;
        let mut names = self.product_names(&items).await;
        let mut updates: Vec<Numbered> = Vec::new();
        for (paid, item) in
            paid.iter().zip(&items).flat_map(|(paid, items)| items.iter().map(move |item| (paid, item)))
        {
            let mut sold = Update::new(&*item.sku, item.quantity.into()).at(paid.at);
            // What a product is called need be told once.
            sold.metadata = names.remove(&*item.sku);
            updates.push((paid.position, sold));
        }
        let boards = &self.app.boards;
        let counted = boards.products.update_from(source, updates.clone());
        try_join(counted, boards.trending.update_from(source, updates)).await?;
        Ok(())
    }

    /// What was ordered, for each of these: as the order itself says, in Redis or in the archive.
    async fn items(&self, paid: &[Paid<'_>]) -> anyhow::Result<Vec<Vec<LineItem>>> {
        let orders: Vec<OrderId> = paid.iter().map(|paid| paid.order_id).collect();
        let found = self.app.orders.items(&orders).await?;
        Ok(orders
            .iter()
            .zip(found)
            .map(|(order_id, items)| {
                items.unwrap_or_else(|| {
                    warn!(%order_id, "nobody knows any more what was ordered; its products are not counted");
                    Vec::new()
                })
            })
            .collect())
    }

    /// What the products of these orders are called. One whose name cannot be read is counted without it.
    async fn product_names(&self, items: &[Vec<LineItem>]) -> HashMap<String, String> {
        let mut skus: Vec<&str> = items.iter().flatten().map(|item| &*item.sku).collect();
        skus.sort_unstable();
        skus.dedup();
        let names = join_all(
            skus.into_iter().map(async |sku| Some((sku.to_owned(), self.app.catalogue.name(sku).await?))),
        );
        names.await.into_iter().flatten().collect()
    }
}

fn paid(delivery: &Delivery<OrderEvent>) -> Option<Paid<'_>> {
    let OrderEvent::Paid { order_id, customer_id, amount, .. } = &delivery.message else { return None };
    let (position, at) = (delivery.stream_id, delivery.occurred_at);
    Some(Paid { position, at, order_id: *order_id, customer_id, amount: *amount })
}

impl Handler for BoardsProjection {
    type Message = OrderEvent;

    fn concerns(&self, message_type: &str) -> bool {
        message_type == "order.paid"
    }

    async fn prepare(&self, deliveries: &[&Delivery<OrderEvent>]) -> Result<Prepared, String> {
        let Some(first) = deliveries.first() else { return Ok(Prepared::Done) };
        // Those that come together are of one partition.
        let source = self.names.orders_stream(u16::try_from(first.partition).unwrap_or(u16::MAX));
        let paid: Vec<Paid<'_>> = deliveries.iter().filter_map(|delivery| paid(delivery)).collect();
        let counted = self.count(&source, &paid).await;
        counted.map(|()| Prepared::Done).map_err(|error| format!("the leaderboards: {error:#}"))
    }

    /// All has been done before.
    async fn handle(&self, _delivery: Delivery<OrderEvent>) -> Result<Commit, Failure> {
        Ok(Commit::new())
    }
}
