//! Payments that wait for a person, and what the person decides.

use std::collections::{BTreeMap, HashMap};

use futures_util::future::try_join_all;
use jiff::Timestamp;
use redis_kit::{
    Error, cmd,
    stream::{Producer, StreamId},
    trace::TraceContext,
};
use uuid::Uuid;

use super::Installation;
use crate::messages::{OrderId, ParkedPayment, PaymentId, PaymentTask, Resolution};

/// How many of them Redis is asked for at a time.
const PAGE: usize = 1000;

/// What is parked cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum ParkedError {
    /// Redis cannot.
    #[error(transparent)]
    Redis(#[from] Error),
    /// Somebody else has written there.
    #[error("what {key} holds of the payment {id} is not what payment-worker writes")]
    Foreign {
        /// Where.
        key: String,
        /// Of which payment.
        id: String,
        /// What serde says.
        source: serde_json::Error,
    },
}

/// Up to `limit` of the parked payments; whoever waits longest comes first. Those behind `(parked_at, order_id)`, if that is
/// given. It goes through all of them, and holds no more than it returns.
pub async fn oldest(
    installation: &Installation,
    behind: Option<(Timestamp, OrderId)>,
    limit: usize,
) -> Result<Vec<ParkedPayment>, ParkedError> {
    let behind = behind.map(|(parked_at, order_id)| (parked_at.as_microsecond(), order_id));
    let mut oldest = BTreeMap::new();
    for partition in installation.partitions.all() {
        let key = installation.names.parked_payments(partition);
        let mut cursor = Some(0);
        while let Some(from) = cursor {
            let (payments, next) = page(installation, &key, from).await?;
            // A scan may tell of one more than once.
            for payment in payments {
                oldest.insert((payment.parked_at.as_microsecond(), payment.order_id), payment);
            }
            oldest.retain(|place, _| Some(*place) > behind);
            while oldest.len() > limit {
                oldest.pop_last();
            }
            cursor = next;
        }
    }
    Ok(oldest.into_values().collect())
}

/// How many there are.
pub async fn count(installation: &Installation) -> Result<u64, Error> {
    let counts = installation.partitions.all().map(|partition| async move {
        let key = installation.names.parked_payments(partition);
        let count: u64 = cmd("HLEN").arg(key).query_async(&mut installation.redis.clone()).await?;
        Ok::<_, Error>(count)
    });
    Ok(try_join_all(counts).await?.into_iter().sum())
}

/// Some of one partition's, and where the next are.
async fn page(
    installation: &Installation,
    key: &str,
    cursor: u64,
) -> Result<(Vec<ParkedPayment>, Option<u64>), ParkedError> {
    let mut scan = cmd("HSCAN");
    scan.arg(key).arg(cursor).arg("COUNT").arg(PAGE);
    let (next, page): (u64, HashMap<String, String>) =
        scan.query_async(&mut installation.redis.clone()).await.map_err(Error::from)?;
    let payments = page.iter().map(|(id, json)| read(key, id, json)).collect::<Result<_, _>>()?;
    Ok((payments, Some(next).filter(|next| *next != 0)))
}

fn read(key: &str, id: &str, json: &str) -> Result<ParkedPayment, ParkedError> {
    serde_json::from_str(json).map_err(|source| ParkedError::Foreign {
        key: key.into(),
        id: id.into(),
        source,
    })
}

/// The parked payment of this id, or for the order of this id.
pub async fn find(installation: &Installation, id: Uuid) -> Result<Option<ParkedPayment>, ParkedError> {
    let Installation { names, partitions, .. } = installation;
    let of_order = (partitions.of_order(id), PaymentId::of(id).to_string());
    // A payment's id does not tell its partition.
    let places = partitions.all().map(|partition| (partition, id.to_string())).chain([of_order]);
    for (partition, field) in places {
        let key = names.parked_payments(partition);
        let mut get = cmd("HGET");
        get.arg(&key).arg(&field);
        let json: Option<String> =
            get.query_async(&mut installation.redis.clone()).await.map_err(Error::from)?;
        if let Some(json) = json {
            return read(&key, &field, &json).map(Some);
        }
    }
    Ok(None)
}

/// Writes down what a person has decided about a parked payment, for a payment-worker to carry out. What comes of it stands in
/// the journal. A second decision changes nothing.
///
/// # Errors
/// After any, it is not known whether it was written.
pub async fn decide(
    installation: &Installation,
    parked: &ParkedPayment,
    resolution: Resolution,
) -> Result<StreamId, Error> {
    let ParkedPayment { payment_id, order_id, .. } = *parked;
    let task = PaymentTask::Resolved { payment_id, order_id, resolution };
    let stream = installation.names.payments_stream(installation.partitions.of_order(order_id));
    Producer::new(installation.redis.clone(), stream).append(&task, &TraceContext::root()).await
}
