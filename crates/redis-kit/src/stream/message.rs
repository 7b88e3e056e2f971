use jiff::Timestamp;
use redis::{FromRedisValue, ParsingError, Value};
use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

use super::StreamId;
use crate::{Error, trace::TraceContext};

/// What the entries of one stream say: an enum, written as one JSON object that names its variant in `type`
/// (`#[serde(tag = "type")]`). Unknown fields should be ignored, so that writers may be upgraded first.
pub trait Message: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Every type this program knows.
    const TYPES: &'static [&'static str];

    /// The type of this message, one of [`Self::TYPES`] and the same as in its JSON.
    fn message_type(&self) -> &'static str;
}

/// The fields of a stream entry, in the order in which `XRANGE` shows them: `type`, `id` (a UUID), `occurred_at`
/// (RFC 3339, to the microsecond), `traceparent`, `data` (the message as JSON).
pub type Fields = [(&'static str, String); 5];

/// Writes a message as the fields of a stream entry, with a new id and the present time.
///
/// # Errors
/// [`Error::Encode`] if it cannot be written as JSON.
pub fn encode<M: Message>(message: &M, trace: &TraceContext) -> Result<Fields, Error> {
    encode_at(message, trace, now())
}

/// The present time, as exact as messages tell it and most databases keep it.
pub fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}

/// The same for something that happened at a time which is told elsewhere too.
///
/// # Errors
/// [`Error::Encode`] if it cannot be written as JSON.
pub fn encode_at<M: Message>(
    message: &M,
    trace: &TraceContext,
    occurred_at: Timestamp,
) -> Result<Fields, Error> {
    Ok([
        ("type", message.message_type().into()),
        ("id", Uuid::now_v7().to_string()),
        ("occurred_at", occurred_at.to_string()),
        ("traceparent", trace.to_string()),
        ("data", serde_json::to_string(message)?),
    ])
}

/// A message as it was read from an entry, with what stood beside it.
#[derive(Debug)]
pub(super) struct Decoded<M> {
    pub(super) message: M,
    pub(super) message_id: Uuid,
    pub(super) occurred_at: Timestamp,
    pub(super) trace: TraceContext,
}

/// Why an entry cannot be given to a handler.
#[derive(Debug, thiserror::Error)]
pub enum Undecodable {
    /// A field that every entry has is missing or not as it should be.
    #[error("the field `{field}` is missing or malformed")]
    Field {
        /// Its name.
        field: &'static str,
    },
    /// This program does not know the type; a newer one may.
    #[error("the type {0:?} is unknown to this version")]
    UnknownType(String),
    /// The JSON does not fit the type.
    #[error("`data` does not fit the type {message_type}: {source}")]
    Data {
        /// The type that the entry says it has.
        message_type: String,
        /// What serde says.
        source: serde_json::Error,
    },
}

/// Field names and values as they came, unchecked: anybody may append anything to a stream. Left as the client library reads
/// them, because copying them costs as much as decoding them.
#[derive(Debug, Default)]
pub(super) struct RawFields(Vec<Value>);

impl FromRedisValue for RawFields {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        match value {
            Value::Array(fields) => Ok(Self(fields)),
            _ => Err(ParsingError::from("expected a list of field names and values")),
        }
    }
}

impl RawFields {
    /// Names and values in their order.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.chunks_exact(2).filter_map(|pair| match pair {
            [Value::BulkString(field), Value::BulkString(value)] => {
                Some((field.as_slice(), value.as_slice()))
            }
            _ => None,
        })
    }

    /// The value of the first field of that name.
    pub(super) fn get(&self, name: &str) -> Option<&[u8]> {
        self.pairs().find_map(|(field, value)| (field == name.as_bytes()).then_some(value))
    }
}

pub(super) fn decode<M: Message>(fields: &RawFields) -> Result<Decoded<M>, Undecodable> {
    let message_type = message_type(fields).ok_or(Undecodable::Field { field: "type" })?;
    if !M::TYPES.contains(&message_type) {
        return Err(Undecodable::UnknownType(message_type.into()));
    }
    let message: M = serde_json::from_str(text(fields, "data")?)
        .map_err(|source| Undecodable::Data { message_type: message_type.into(), source })?;
    // What stands beside the data is what people and filters go by: it must not say something else.
    if message.message_type() != message_type {
        return Err(Undecodable::Field { field: "type" });
    }
    Ok(Decoded {
        message,
        message_id: parsed(fields, "id")?,
        occurred_at: parsed(fields, "occurred_at")?,
        // Tracing is a help: an entry without a readable context is work all the same, and starts a trace.
        trace: parsed(fields, "traceparent").unwrap_or_else(|_| TraceContext::root()),
    })
}

/// What type the entry says it has.
pub(super) fn message_type(fields: &RawFields) -> Option<&str> {
    text(fields, "type").ok()
}

/// The group that a replayed dead letter is meant for, and where it stood at first. Every other group passes it over.
pub(super) fn replayed_for(fields: &RawFields) -> Option<(&str, StreamId)> {
    // Most entries have the five fields of a message and need no search.
    if fields.0.len() <= 10 {
        return None;
    }
    Some((text(fields, "replay_for").ok()?, parsed(fields, "origin").ok()?))
}

fn text<'a>(fields: &'a RawFields, field: &'static str) -> Result<&'a str, Undecodable> {
    fields.get(field).and_then(|value| str::from_utf8(value).ok()).ok_or(Undecodable::Field { field })
}

fn parsed<T: std::str::FromStr>(fields: &RawFields, field: &'static str) -> Result<T, Undecodable> {
    text(fields, field)?.parse().map_err(|_| Undecodable::Field { field })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "type")]
    enum Greeting {
        #[serde(rename = "greeting.hello")]
        Hello { name: String },
    }

    impl Message for Greeting {
        const TYPES: &'static [&'static str] = &["greeting.hello"];

        fn message_type(&self) -> &'static str {
            "greeting.hello"
        }
    }

    fn raw(fields: &[(&str, &str)]) -> RawFields {
        let bulk = |text: &str| Value::BulkString(text.into());
        RawFields(fields.iter().flat_map(|(name, value)| [bulk(name), bulk(value)]).collect())
    }

    fn written() -> Vec<(&'static str, String)> {
        encode(&Greeting::Hello { name: "Ada".into() }, &TraceContext::root()).unwrap().to_vec()
    }

    fn with(field: &str, value: &str) -> RawFields {
        let fields = written();
        let changed: Vec<_> = fields
            .iter()
            .map(|(name, old)| (*name, if *name == field { value } else { old.as_str() }))
            .collect();
        raw(&changed)
    }

    #[test]
    fn what_was_encoded_is_decoded() {
        let decoded: Decoded<Greeting> = decode(&with("", "")).unwrap();
        assert_eq!(decoded.message, Greeting::Hello { name: "Ada".into() });
    }

    #[test]
    fn unknown_fields_are_ignored() {
        let fields = with("data", r#"{"type":"greeting.hello","name":"Ada","since":"tomorrow"}"#);
        assert!(decode::<Greeting>(&fields).is_ok());
    }

    #[test]
    fn an_unknown_type_is_told_from_broken_data() {
        let error = decode::<Greeting>(&with("type", "greeting.bye")).unwrap_err();
        assert!(matches!(error, Undecodable::UnknownType(name) if name == "greeting.bye"));
        let error = decode::<Greeting>(&with("data", "{")).unwrap_err();
        assert!(matches!(error, Undecodable::Data { .. }));
    }

    #[test]
    fn a_missing_or_malformed_field_is_named() {
        let error = decode::<Greeting>(&raw(&[("type", "greeting.hello")])).unwrap_err();
        assert!(matches!(error, Undecodable::Field { field: "data" }));
        let error = decode::<Greeting>(&with("id", "1")).unwrap_err();
        assert!(matches!(error, Undecodable::Field { field: "id" }));
    }

    #[test]
    fn a_broken_trace_context_does_not_stop_work() {
        assert!(decode::<Greeting>(&with("traceparent", "none")).is_ok());
    }

    #[test]
    fn bytes_that_are_no_text_are_undecodable_and_not_a_panic() {
        let fields = RawFields([b"type".to_vec(), vec![0xff, 0xfe]].map(Value::BulkString).into());
        assert!(matches!(decode::<Greeting>(&fields), Err(Undecodable::Field { field: "type" })));
    }
}
