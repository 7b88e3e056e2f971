//! The tables `orders` and `archive_positions`.

use std::collections::HashMap;

use common::{
    messages::{LineItem, OrderEvent, OrderId, PaymentId},
    money::Money,
};
use jiff::Timestamp;
use redis_kit::stream::StreamId;
use serde::Serialize;
use sqlx::{AssertSqlSafe, Row, any::AnyRow};

use crate::{
    cursor::Cursor,
    database::{Database, decode, money},
    orders::view::OrderView,
};

/// Reads and writes archived orders.
#[derive(Clone)]
pub(crate) struct ArchiveStore {
    database: Database,
}

/// What one event changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Placed(Placed),
    Settled(Settled),
}

/// A new order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    order_id: OrderId,
    customer_id: String,
    items: Vec<LineItem>,
    total: Money,
    at: Timestamp,
    version: StreamId,
}

/// What became of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settled {
    order_id: OrderId,
    status: &'static str,
    at: Timestamp,
    payment_id: PaymentId,
    charge_id: Option<String>,
    reason: Option<String>,
    version: StreamId,
}

impl Change {
    /// What an event changes, if anything.
    pub(super) fn of(event: &OrderEvent, occurred_at: Timestamp, version: StreamId) -> Option<Self> {
        let settled = |order_id: &OrderId, status, payment_id: &PaymentId| Settled {
            order_id: *order_id,
            status,
            at: occurred_at,
            payment_id: *payment_id,
            charge_id: None,
            reason: None,
            version,
        };
        Some(match event {
            OrderEvent::Placed { order_id, customer_id, items, total } => Self::Placed(Placed {
                order_id: *order_id,
                customer_id: customer_id.clone(),
                items: items.clone(),
                total: *total,
                at: occurred_at,
                version,
            }),
            OrderEvent::Paid { order_id, payment_id, charge_id, .. } => Self::Settled(Settled {
                charge_id: Some(charge_id.clone()),
                ..settled(order_id, "paid", payment_id)
            }),
            OrderEvent::PaymentDeclined { order_id, payment_id, reason, .. } => Self::Settled(Settled {
                reason: Some(reason.clone()),
                ..settled(order_id, "payment_declined", payment_id)
            }),
            OrderEvent::PaymentParked { order_id, payment_id, reason, .. } => Self::Settled(Settled {
                reason: Some(reason.clone()),
                ..settled(order_id, "payment_parked", payment_id)
            }),
            OrderEvent::PaymentAttemptFailed { .. } | OrderEvent::PaymentResolutionRefused { .. } => {
                return None;
            }
        })
    }
}

impl ArchiveStore {
    pub(crate) fn new(database: &Database) -> Self {
        Self { database: database.clone() }
    }

    /// The order, if the journal told of it.
    pub(crate) async fn find(&self, id: OrderId) -> sqlx::Result<Option<OrderView>> {
        let query = sqlx::query("SELECT * FROM orders WHERE id = $1").bind(id.to_string());
        query.fetch_optional(&self.database.pool).await?.as_ref().map(order).transpose()
    }

    /// Up to `limit` orders of a customer behind `cursor`, newest first.
    pub(crate) async fn page(
        &self,
        customer_id: &str,
        cursor: Option<Cursor>,
        limit: u32,
    ) -> sqlx::Result<Vec<OrderView>> {
        let (placed_at, id) = cursor.map_or((i64::MAX, String::new()), |cursor| {
            (cursor.at.as_microsecond(), cursor.order_id.to_string())
        });
        let rows = sqlx::query(
            "SELECT * FROM orders WHERE customer_id = $1 AND (placed_at, id) < ($2, $3) \
             ORDER BY placed_at DESC, id DESC LIMIT $4",
        )
        .bind(customer_id)
        .bind(placed_at)
        .bind(id)
        .bind(i64::from(limit))
        .fetch_all(&self.database.pool)
        .await?;
        rows.iter().map(order).collect()
    }

    /// How far a partition of the journal has been archived.
    pub(super) async fn position(&self, partition: u16) -> sqlx::Result<StreamId> {
        let query = sqlx::query("SELECT version_ms, version_seq FROM archive_positions WHERE partition = $1")
            .bind(i32::from(partition));
        let row = query.fetch_optional(&self.database.pool).await?;
        row.as_ref().map_or(Ok(StreamId::ZERO), position)
    }

    /// Applies changes in their order, and moves the partition's position forward to `position`, in one transaction.
    pub(super) async fn write(
        &self,
        partition: u16,
        position: StreamId,
        changes: &[Change],
    ) -> sqlx::Result<()> {
        let (inserts, updates) = fold(changes);
        let mut transaction = self.database.pool.begin().await?;
        for (statement, rows) in [(INSERT, inserts), (UPDATE, updates)] {
            if !rows.is_empty() {
                let statement = statement.replace("$rows", self.database.rows_of_json());
                let rows = serde_json::to_string(&rows).map_err(|error| sqlx::Error::Encode(error.into()))?;
                sqlx::query(AssertSqlSafe(statement)).bind(rows).execute(&mut *transaction).await?;
            }
        }
        let [ms, seq] = version(position);
        sqlx::query(
            "INSERT INTO archive_positions (partition, version_ms, version_seq) VALUES ($1, $2, $3) \
             ON CONFLICT (partition) DO UPDATE \
             SET version_ms = excluded.version_ms, version_seq = excluded.version_seq \
             WHERE (archive_positions.version_ms, archive_positions.version_seq) \
                 < (excluded.version_ms, excluded.version_seq)",
        )
        .bind(i32::from(partition))
        .bind(ms)
        .bind(seq)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await
    }
}

/// A row of `orders`, or as much of it as an event tells, as the statements take it: many of them as one JSON array. (A
/// parameter for each column of each row would cost SQLite more than the rows themselves.)
#[derive(Serialize)]
struct RowChange<'a> {
    id: OrderId,
    customer_id: Option<&'a str>,
    items: Option<String>,
    total: Option<i64>,
    currency: Option<&'static str>,
    placed_at: Option<i64>,
    status: &'a str,
    settled_at: Option<i64>,
    payment_id: Option<PaymentId>,
    charge_id: Option<&'a str>,
    reason: Option<&'a str>,
    version_ms: i64,
    version_seq: i64,
}

/// Inserts orders that are new. One that is there, because its events come again, moves forward if it had not seen how it was
/// settled; that it was placed is no news.
const INSERT: &str = "INSERT INTO orders (id, customer_id, status, items, total, currency, placed_at, settled_at, \
    payment_id, charge_id, reason, version_ms, version_seq) \
    SELECT value ->> 'id', value ->> 'customer_id', value ->> 'status', value ->> 'items', \
    CAST(value ->> 'total' AS BIGINT), value ->> 'currency', CAST(value ->> 'placed_at' AS BIGINT), \
    CAST(value ->> 'settled_at' AS BIGINT), value ->> 'payment_id', value ->> 'charge_id', value ->> 'reason', \
    CAST(value ->> 'version_ms' AS BIGINT), CAST(value ->> 'version_seq' AS BIGINT) \
    FROM $rows WHERE true ON CONFLICT (id) DO UPDATE SET status = excluded.status, \
    settled_at = excluded.settled_at, payment_id = excluded.payment_id, charge_id = excluded.charge_id, \
    reason = excluded.reason, version_ms = excluded.version_ms, version_seq = excluded.version_seq \
    WHERE excluded.settled_at IS NOT NULL \
    AND (orders.version_ms, orders.version_seq) < (excluded.version_ms, excluded.version_seq)";

/// Moves orders forward. One that the archive never heard of is not made up: what was ordered is not told here.
const UPDATE: &str = "UPDATE orders SET status = new.status, settled_at = new.settled_at, \
    payment_id = new.payment_id, charge_id = new.charge_id, reason = new.reason, \
    version_ms = new.version_ms, version_seq = new.version_seq \
    FROM (SELECT value ->> 'id' AS id, value ->> 'status' AS status, \
    CAST(value ->> 'settled_at' AS BIGINT) AS settled_at, value ->> 'payment_id' AS payment_id, \
    value ->> 'charge_id' AS charge_id, value ->> 'reason' AS reason, \
    CAST(value ->> 'version_ms' AS BIGINT) AS version_ms, \
    CAST(value ->> 'version_seq' AS BIGINT) AS version_seq FROM $rows) AS new \
    WHERE orders.id = new.id AND (orders.version_ms, orders.version_seq) < (new.version_ms, new.version_seq)";

/// What is to be inserted, and what is to be updated: each order once, as it is after all changes. Most orders are settled
/// soon after they were placed, and are one row to insert.
fn fold(changes: &[Change]) -> (Vec<RowChange<'_>>, Vec<RowChange<'_>>) {
    let mut orders: HashMap<OrderId, (Option<&Placed>, Option<&Settled>)> = HashMap::new();
    for change in changes {
        match change {
            Change::Placed(placed) => orders.entry(placed.order_id).or_default().0 = Some(placed),
            Change::Settled(settled) => orders.entry(settled.order_id).or_default().1 = Some(settled),
        }
    }
    let rows = orders.into_iter().map(|(id, (placed, settled))| row(id, placed, settled));
    rows.partition(|row| row.placed_at.is_some())
}

fn row<'a>(id: OrderId, placed: Option<&'a Placed>, settled: Option<&'a Settled>) -> RowChange<'a> {
    let latest = settled.map(|settled| settled.version).or(placed.map(|placed| placed.version));
    let [version_ms, version_seq] = version(latest.unwrap_or_default());
    RowChange {
        id,
        customer_id: placed.map(|placed| &*placed.customer_id),
        // A list of texts and numbers always serializes.
        items: placed.map(|placed| serde_json::to_string(&placed.items).unwrap_or_default()),
        total: placed.map(|placed| placed.total.minor()),
        currency: placed.map(|placed| placed.total.currency()),
        placed_at: placed.map(|placed| placed.at.as_microsecond()),
        status: settled.map_or("accepted", |settled| settled.status),
        settled_at: settled.map(|settled| settled.at.as_microsecond()),
        payment_id: settled.map(|settled| settled.payment_id),
        charge_id: settled.and_then(|settled| settled.charge_id.as_deref()),
        reason: settled.and_then(|settled| settled.reason.as_deref()),
        version_ms,
        version_seq,
    }
}

/// A stream id as the columns `version_ms` and `version_seq` hold it.
fn version(id: StreamId) -> [i64; 2] {
    [id.milliseconds, id.sequence].map(|number| i64::try_from(number).unwrap_or(i64::MAX))
}

fn position(row: &AnyRow) -> sqlx::Result<StreamId> {
    let number =
        |column| row.try_get::<i64, _>(column).map(|number| u64::try_from(number).unwrap_or_default());
    Ok(StreamId { milliseconds: number("version_ms")?, sequence: number("version_seq")? })
}

fn order(row: &AnyRow) -> sqlx::Result<OrderView> {
    let time = |column| {
        let microseconds: Option<i64> = row.try_get(column)?;
        microseconds.map(Timestamp::from_microsecond).transpose().map_err(decode)
    };
    let items: String = row.try_get("items")?;
    Ok(OrderView {
        id: row.try_get::<String, _>("id")?.parse().map_err(decode)?,
        customer_id: row.try_get("customer_id")?,
        status: row.try_get("status")?,
        items: serde_json::from_str(&items).map_err(decode)?,
        total: money(row, "total")?,
        placed_at: time("placed_at")?.unwrap_or_default(),
        settled_at: time("settled_at")?.map(|at| at.to_string()),
        payment_id: row.try_get("payment_id")?,
        charge_id: row.try_get("charge_id")?,
        reason: row.try_get("reason")?,
        version: position(row)?,
    })
}

#[cfg(test)]
mod tests {
    use iso_currency::Currency;
    use tempfile::TempDir;

    use super::*;

    async fn store() -> (ArchiveStore, TempDir) {
        let folder = TempDir::new().unwrap();
        let url = format!("sqlite:{}", folder.path().join("a.db").display());
        (ArchiveStore::new(&Database::open(&url).await.unwrap()), folder)
    }

    fn at(milliseconds: u64) -> StreamId {
        StreamId { milliseconds, sequence: 0 }
    }

    fn placed(order_id: OrderId, milliseconds: u64) -> Change {
        let total = Money::new(120, Currency::EUR);
        let items = vec![LineItem { sku: "PEN-1".into(), quantity: 1, unit_price: total }];
        let event = OrderEvent::Placed { order_id, customer_id: "42".into(), items, total };
        Change::of(&event, Timestamp::UNIX_EPOCH, at(milliseconds)).unwrap()
    }

    fn parked(order_id: OrderId, milliseconds: u64) -> Change {
        let (payment_id, amount) = (PaymentId::of(order_id), Money::new(120, Currency::EUR));
        let (customer_id, reason) = ("42".into(), "nobody knows".into());
        let event = OrderEvent::PaymentParked {
            order_id,
            customer_id,
            payment_id,
            amount,
            reason,
            attempts: 1,
            tried: None,
        };
        Change::of(&event, Timestamp::UNIX_EPOCH, at(milliseconds)).unwrap()
    }

    fn paid(order_id: OrderId, milliseconds: u64) -> Change {
        let (payment_id, amount) = (PaymentId::of(order_id), Money::new(120, Currency::EUR));
        let (customer_id, charge_id) = ("42".into(), "ch_1".into());
        let event = OrderEvent::Paid {
            order_id,
            customer_id,
            payment_id,
            amount,
            charge_id,
            attempt: 1,
            resolution: None,
            tried: None,
        };
        Change::of(&event, Timestamp::UNIX_EPOCH, at(milliseconds)).unwrap()
    }

    async fn status(store: &ArchiveStore, id: OrderId) -> String {
        store.find(id).await.unwrap().unwrap().status
    }

    #[tokio::test]
    async fn what_was_written_before_the_end_came_moves_forward_when_all_of_it_comes_again() {
        let (store, _folder) = store().await;
        let id = OrderId::new_v4();
        // Written, and then whoever did so died before the group's cursor was moved.
        store.write(0, at(1), &[placed(id, 1)]).await.unwrap();
        store.write(0, at(3), &[placed(id, 1), parked(id, 2), paid(id, 3)]).await.unwrap();
        assert_eq!(status(&store, id).await, "paid");
        let order = store.find(id).await.unwrap().unwrap();
        assert_eq!((order.charge_id.as_deref(), order.reason, order.version), (Some("ch_1"), None, at(3)));
    }

    #[tokio::test]
    async fn nothing_moves_back() {
        let (store, _folder) = store().await;
        let id = OrderId::new_v4();
        store.write(0, at(3), &[placed(id, 1), parked(id, 2), paid(id, 3)]).await.unwrap();
        for late in [
            vec![placed(id, 4)],
            vec![placed(id, 1)],
            vec![parked(id, 2)],
            vec![placed(id, 1), parked(id, 2)],
        ] {
            store.write(0, at(2), &late).await.unwrap();
            assert_eq!(status(&store, id).await, "paid");
            assert_eq!(store.position(0).await.unwrap(), at(3));
        }
    }
}
