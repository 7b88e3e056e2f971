//! `Idempotency-Key`: a request that is repeated gets the answer that the first one got, byte for byte.
//!
//! Keys are chosen by clients, so they never reach Redis: a record is named by HMAC-SHA-256(secret, caller, key). For a
//! guest the key alone is the proof of being the same caller; it should be as hard to guess as a password.

use std::time::Duration;

use anyhow::Context;
use axum::http::{HeaderMap, StatusCode};
use common::{first_written::first_written, names::Names, partition::Partitions, problem::Problem};
use hmac::{Hmac, KeyInit, Mac};
use redis_kit::{Connection, Error, patiently};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::Accepted;

/// How long an answer is kept for repetition.
pub(super) const LIFETIME: Duration = Duration::from_hours(72);

const HEADER: &str = "idempotency-key";
const MAX_LENGTH: usize = 255;

/// What a client sent as its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Reads the header, if there is one; 400 if it is not 1 to 255 visible ASCII characters, or sent twice.
    pub(crate) fn from_headers(headers: &HeaderMap) -> Result<Option<Self>, Problem> {
        let mut values = headers.get_all(HEADER).iter();
        let Some(value) = values.next() else { return Ok(None) };
        let key = value.as_bytes();
        let valid = (1..=MAX_LENGTH).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic);
        if !valid || values.next().is_some() {
            let detail =
                format!("Idempotency-Key must be sent once, with 1 to {MAX_LENGTH} visible ASCII characters");
            return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
        }
        Ok(Some(Self(String::from_utf8_lossy(key).into_owned())))
    }
}

/// What a look-up found.
pub(crate) enum Lookup {
    /// There was no key, and nothing to find.
    Keyless,
    /// The key is new; an order may be made under it.
    New(Promise),
    /// The answer that was given before.
    Known(Accepted),
    /// The key was used with another body.
    Refused,
}

/// Hashes keys with the secret that all gateways share.
#[derive(Clone)]
pub(super) struct KeyHasher {
    keyed: Hmac<Sha256>,
}

/// 244 random bits.
fn new_secret() -> String {
    [Uuid::new_v4(), Uuid::new_v4()].map(|id| id.simple().to_string()).concat()
}

/// The record under which a request's answer is to be kept.
#[derive(Clone, Debug)]
pub(crate) struct Promise {
    pub(super) record: String,
    pub(super) partition: u16,
    pub(super) body_digest: String,
}

/// A stored answer.
pub(super) struct Record {
    body_digest: String,
    location: String,
    answer: Vec<u8>,
}

impl KeyHasher {
    /// Takes the secret from Redis, or makes it if this is the first gateway ever.
    pub(super) async fn start(redis: &Connection, names: &Names) -> anyhow::Result<Self> {
        let (key, fresh) = (names.gateway_secret(), new_secret());
        let secret = patiently(|| first_written(redis.clone(), &key, fresh.clone())).await?;
        let keyed = Hmac::new_from_slice(secret.as_bytes()).context("the gateways' secret is unusable")?;
        Ok(Self { keyed })
    }

    pub(super) fn promise(
        &self,
        key: &IdempotencyKey,
        caller: Option<&str>,
        body: &[u8],
        partitions: Partitions,
        names: &Names,
    ) -> Promise {
        // The zero byte keeps caller and key apart, and no account's tag is `guest`.
        let caller = caller.unwrap_or("guest");
        let keyed = self.keyed.clone().chain_update(caller).chain_update(b"\0").chain_update(&key.0);
        let digest = keyed.finalize().into_bytes();
        let partition = partitions.of_bytes(&digest);
        Promise {
            record: names.idempotency_record(partition, &hex::encode(digest)),
            partition,
            body_digest: hex::encode(Sha256::digest(body)),
        }
    }
}

impl Promise {
    pub(super) async fn find(&self, redis: &mut Connection) -> Result<Option<Record>, Error> {
        type Reply = (Option<String>, Option<String>, Option<Vec<u8>>);
        let mut get = redis_kit::cmd("HMGET");
        get.arg(&self.record).arg("body_digest").arg("location").arg("answer");
        let (Some(body_digest), Some(location), Some(answer)): Reply = get.query_async(redis).await? else {
            return Ok(None);
        };
        Ok(Some(Record { body_digest, location, answer }))
    }
}

impl Record {
    /// What it says to the request of this promise.
    pub(super) fn answer_to(self, promise: &Promise) -> Lookup {
        if self.body_digest != promise.body_digest {
            return Lookup::Refused;
        }
        Lookup::Known(Accepted { location: self.location, body: self.answer, replayed: true })
    }
}

/// 422: the key was used with another body.
pub(crate) fn other_body() -> Problem {
    let detail = "this Idempotency-Key was used with another body; use a new key for another order";
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
}
