//! The tables `orders` and `archive_positions`.

use std::{collections::HashMap, fmt::Write};

use common::{
    messages::{LineItem, OrderEvent, OrderId, PaymentId},
    money::Money,
};
use jiff::Timestamp;
use redis_kit::stream::StreamId;
use sqlx::{AnyConnection, AssertSqlSafe, Row, any::AnyRow};

use crate::{
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
    placed_at: Timestamp,
    version: StreamId,
}

/// What became of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settled {
    order_id: OrderId,
    status: &'static str,
    settled_at: Timestamp,
    payment_id: PaymentId,
    charge_id: Option<String>,
    reason: Option<String>,
    version: StreamId,
}

/// Where a list of orders goes on: behind this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) placed_at: Timestamp,
    pub(crate) order_id: OrderId,
}

impl Change {
    /// What an event changes, if anything.
    pub(super) fn of(event: &OrderEvent, occurred_at: Timestamp, version: StreamId) -> Option<Self> {
        let settled = |order_id: &OrderId, status, payment_id: &PaymentId| Settled {
            order_id: *order_id,
            status,
            settled_at: occurred_at,
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
                placed_at: occurred_at,
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
            (cursor.placed_at.as_microsecond(), cursor.order_id.to_string())
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
        let (placed, settled) = fold(changes);
        let mut transaction = self.database.pool.begin().await?;
        insert(&mut transaction, &placed).await?;
        for settled in settled {
            update(&mut transaction, settled).await?;
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

/// An order as it is inserted: with what became of it since, if that is known already.
type NewRow<'a> = (&'a Placed, Option<&'a Settled>);

/// Most orders are settled soon after they were placed; such an order is one row to insert, and nothing to update.
fn fold(changes: &[Change]) -> (Vec<NewRow<'_>>, Vec<&Settled>) {
    let (mut rows, mut updates): (Vec<NewRow<'_>>, Vec<&Settled>) = (Vec::new(), Vec::new());
    let mut places = HashMap::new();
    for change in changes {
        match change {
            Change::Placed(placed) => {
                places.insert(placed.order_id, rows.len());
                rows.push((placed, None));
            }
            Change::Settled(settled) => match places.get(&settled.order_id) {
                Some(&place) => rows[place].1 = Some(settled),
                None => updates.push(settled),
            },
        }
    }
    (rows, updates)
}

const COLUMNS: &str = "id, customer_id, status, items, total, currency, placed_at, settled_at, payment_id, charge_id, \
                       reason, version_ms, version_seq";
const COLUMN_COUNT: usize = 13;

/// Inserts orders that are new. One that is there stays as it is: it has seen this event, and maybe later ones.
async fn insert(connection: &mut AnyConnection, rows: &[NewRow<'_>]) -> sqlx::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut statement = format!("INSERT INTO orders ({COLUMNS}) VALUES ");
    for row in 0..rows.len() {
        let parameters: Vec<String> =
            (1..=COLUMN_COUNT).map(|column| format!("${}", row * COLUMN_COUNT + column)).collect();
        let separator = if row == 0 { "" } else { ", " };
        let _ = write!(statement, "{separator}({})", parameters.join(", "));
    }
    statement.push_str(" ON CONFLICT (id) DO NOTHING");
    let mut query = sqlx::query(AssertSqlSafe(statement));
    for (placed, settled) in rows {
        let [ms, seq] = version(settled.map_or(placed.version, |settled| settled.version));
        let items =
            serde_json::to_string(&placed.items).map_err(|error| sqlx::Error::Encode(error.into()))?;
        query = query
            .bind(placed.order_id.to_string())
            .bind(&placed.customer_id)
            .bind(settled.map_or("accepted", |settled| settled.status))
            .bind(items)
            .bind(placed.total.minor())
            .bind(placed.total.currency())
            .bind(placed.placed_at.as_microsecond())
            .bind(settled.map(|settled| settled.settled_at.as_microsecond()))
            .bind(settled.map(|settled| settled.payment_id.to_string()))
            .bind(settled.and_then(|settled| settled.charge_id.clone()))
            .bind(settled.and_then(|settled| settled.reason.clone()))
            .bind(ms)
            .bind(seq);
    }
    query.execute(connection).await?;
    Ok(())
}

/// Moves an order forward. One that the archive never heard of is not made up: what was ordered is not told here.
async fn update(connection: &mut AnyConnection, settled: &Settled) -> sqlx::Result<()> {
    let [ms, seq] = version(settled.version);
    sqlx::query(
        "UPDATE orders SET status = $2, settled_at = $3, payment_id = $4, charge_id = $5, reason = $6, \
         version_ms = $7, version_seq = $8 WHERE id = $1 AND (version_ms, version_seq) < ($7, $8)",
    )
    .bind(settled.order_id.to_string())
    .bind(settled.status)
    .bind(settled.settled_at.as_microsecond())
    .bind(settled.payment_id.to_string())
    .bind(settled.charge_id.as_deref())
    .bind(settled.reason.as_deref())
    .bind(ms)
    .bind(seq)
    .execute(connection)
    .await?;
    Ok(())
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
    })
}
