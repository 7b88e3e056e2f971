use std::{fmt, str::FromStr};

use jiff::Timestamp;
use redis::{FromRedisValue, ParsingError, RedisWrite, ToRedisArgs, ToSingleRedisArg, Value};
use serde::{Deserialize, Serialize};

/// The id of a stream entry, `<milliseconds>-<sequence>`. Ordered as Redis orders entries, which text is not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct StreamId {
    /// Unix time in milliseconds, as the server saw it when the entry was appended.
    pub milliseconds: u64,
    /// Tells entries of one millisecond apart.
    pub sequence: u64,
}

/// The text is no stream id.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a stream id: expected <milliseconds>-<sequence>, such as 1700000000000-0")]
pub struct InvalidStreamId;

impl StreamId {
    /// Before every entry.
    pub const ZERO: Self = Self { milliseconds: 0, sequence: 0 };

    /// When the entry was appended, by the server's clock.
    pub fn time(self) -> Timestamp {
        let milliseconds = i64::try_from(self.milliseconds).ok();
        milliseconds.and_then(|time| Timestamp::from_millisecond(time).ok()).unwrap_or(Timestamp::MAX)
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.milliseconds, self.sequence)
    }
}

impl FromStr for StreamId {
    type Err = InvalidStreamId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (milliseconds, sequence) = text.split_once('-').ok_or(InvalidStreamId)?;
        let number = |digits: &str| digits.parse().map_err(|_| InvalidStreamId);
        Ok(Self { milliseconds: number(milliseconds)?, sequence: number(sequence)? })
    }
}

impl ToRedisArgs for StreamId {
    fn write_redis_args<W: ?Sized + RedisWrite>(&self, out: &mut W) {
        out.write_arg_fmt(self);
    }
}

impl ToSingleRedisArg for StreamId {}

impl FromRedisValue for StreamId {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        let text = match &value {
            Value::BulkString(bytes) => str::from_utf8(bytes).unwrap_or_default(),
            Value::SimpleString(text) => text,
            _ => "",
        };
        text.parse().map_err(|error: InvalidStreamId| ParsingError::from(error.to_string()))
    }
}

impl From<StreamId> for String {
    fn from(id: StreamId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for StreamId {
    type Error = InvalidStreamId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_ordered_as_numbers_and_not_as_text() {
        let id = |text: &str| text.parse::<StreamId>().unwrap();
        assert!(id("9-1") < id("10-0"));
        assert!(id("10-2") < id("10-10"));
        assert!(StreamId::ZERO < id("0-1"));
    }

    #[test]
    fn an_id_tells_when_even_if_that_is_beyond_all_calendars() {
        let time = |milliseconds| StreamId { milliseconds, sequence: 0 }.time();
        assert_eq!(time(1_700_000_000_123).as_millisecond(), 1_700_000_000_123);
        assert_eq!(time(u64::MAX), Timestamp::MAX);
    }

    #[test]
    fn an_id_survives_text_and_json() {
        let id = StreamId { milliseconds: 1_700_000_000_000, sequence: 7 };
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(serde_json::to_string(&id).unwrap(), r#""1700000000000-7""#);
        assert!("1-".parse::<StreamId>().is_err() && "$".parse::<StreamId>().is_err());
    }
}
