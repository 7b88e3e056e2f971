//! Orders: taking them, showing them, and keeping them.
//!
//! | to follow | open |
//! |---|---|
//! | a request | `routes.rs` |
//! | what a client sends | `new_order.rs` |
//! | an order being accepted | `accept/` |
//! | what `GET /orders/{id}` shows while it is in Redis | `view.rs` |
//! | where every order is in the end | `archive/` |
//! | what is told live | `events/` |

pub(crate) mod accept;
pub(crate) mod archive;
pub(crate) mod events;
pub(crate) mod new_order;
mod routes;
pub(crate) mod view;

use std::time::Duration;

use common::{
    messages::{LineItem, OrderId},
    names::Names,
    problem::Problem,
};
use redis_kit::cache::{Cache, Policy};

use crate::{cached, cursor::Cursor, database::database_failed, error::redis_failed};
use archive::ArchiveStore;
pub(crate) use routes::{routes, visible};
use view::{OrderView, OrderViews};

/// An order that has left Redis is settled for good. That there is none may change: the archive follows the journal.
const ARCHIVED: Policy =
    Policy { ttl: Duration::from_mins(10), negative_ttl: Duration::from_secs(2), ..cached::POLICY };

/// Looks orders up, wherever they are.
pub(crate) struct Orders {
    pub(crate) views: OrderViews,
    pub(crate) archive: ArchiveStore,
    pub(crate) cache: Cache,
    pub(crate) names: Names,
}

impl Orders {
    /// The order as it is now: in Redis, or in the archive if it has left.
    pub(crate) async fn find(&self, id: OrderId) -> Result<Option<OrderView>, Problem> {
        if let Some(order) = self.views.find(id).await.map_err(|error| redis_failed(&error))? {
            return Ok(Some(order));
        }
        let archive = self.archive.clone();
        let load = move || async move { archive.find(id).await };
        let found = self.cache.get_or_load(&self.names.archived_order(id), &ARCHIVED, load).await;
        let found = found.map_err(|error| cached::failed("the archive", &error))?;
        Ok(found.value.map(|order| OrderView::clone(&order)))
    }

    /// What was ordered, for each of these orders, all of one partition; `None` for one that is nowhere.
    pub(crate) async fn items(&self, ids: &[OrderId]) -> anyhow::Result<Vec<Option<Vec<LineItem>>>> {
        let mut items = self.views.items(ids).await?;
        for (id, items) in ids.iter().zip(&mut items).filter(|(_, items)| items.is_none()) {
            *items = self.archive.find(*id).await?.map(|order| order.items);
        }
        Ok(items)
    }

    /// Up to `limit` of a customer's orders, newest first, behind `cursor`; and where the list goes on, if it does.
    pub(crate) async fn page(
        &self,
        customer_id: &str,
        cursor: Option<Cursor>,
        limit: u32,
    ) -> Result<(Vec<OrderView>, Option<Cursor>), Problem> {
        let one_more = self.archive.page(customer_id, cursor, limit + 1).await;
        let mut orders = one_more.map_err(database_failed)?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let goes_on = orders.len() > limit;
        orders.truncate(limit);
        let behind = |order: &OrderView| Cursor { at: order.placed_at, order_id: order.id };
        let next = orders.last().filter(|_| goes_on).map(behind);
        Ok((orders, next))
    }
}
