//! One letter, with everything that is known of it.

use jiff::Timestamp;
use redis_kit::{
    Error,
    stream::{
        StreamId,
        dead_letters::{DeadLetter, DeadLetters, FailedAttempt},
    },
};
use serde::Serialize;
use utoipa::ToSchema;

use super::Place;
use crate::{names::groups, operations::Installation};

/// Everything of a letter.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Letter {
    /// Where it is.
    #[schema(value_type = String, example = "payment-workers/2/1700000000000-0")]
    pub id: Place,
    /// The group that gave it up.
    pub group: String,
    /// The stream that its entry was on.
    pub stream: String,
    /// When that was.
    pub given_up_at: Timestamp,
    /// The type of the message, if it says one.
    pub r#type: Option<String>,
    /// Why it was given up.
    pub reason: String,
    /// How many attempts were made.
    pub attempts: u32,
    /// Where its entry first stood.
    #[schema(value_type = Option<String>, example = "1700000000000-0")]
    pub origin: Option<StreamId>,
    /// The last of the attempts that failed, oldest first.
    #[schema(value_type = Vec<Attempt>)]
    pub history: Vec<FailedAttempt>,
    /// The fields of the entry, in their order.
    pub fields: Vec<Field>,
}

/// A field of an entry. What is no text is shown as well as can be.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub value: String,
}

/// An attempt that failed.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes how a `FailedAttempt` is written as JSON")]
struct Attempt {
    /// When it failed, in Unix milliseconds.
    at: i64,
    /// Which consumer had the entry.
    consumer: String,
    /// What failed.
    reason: String,
}

impl Letter {
    /// The letters that `place` may mean: one at most if it names a group.
    pub async fn find(installation: &Installation, place: &Place) -> Result<Vec<Self>, Error> {
        let mut found = Vec::new();
        let is_meant = |group: &&str| place.group.as_deref().is_none_or(|named| named == *group);
        for group in groups::all().filter(is_meant) {
            let streams = installation.names.streams_of(group, installation.partitions);
            let Some(stream) = streams.into_iter().nth(usize::from(place.partition)) else { continue };
            let letters = DeadLetters::new(installation.redis.clone(), &*stream, group);
            if let Some(letter) = letters.show(place.id).await? {
                found.push(Self::new(group, place.partition, stream, letter));
            }
        }
        Ok(found)
    }

    fn new(group: &str, partition: u16, stream: String, letter: DeadLetter) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let field = |(name, value): &(Vec<u8>, Vec<u8>)| Field { name: text(name), value: text(value) };
        Self {
            id: Place { group: Some(group.into()), partition, id: letter.id },
            group: group.into(),
            stream,
            given_up_at: letter.id.time(),
            r#type: letter.message_type().map(str::to_owned),
            fields: letter.fields.iter().map(field).collect(),
            reason: letter.reason,
            attempts: letter.attempts,
            origin: letter.origin,
            history: letter.history,
        }
    }
}
