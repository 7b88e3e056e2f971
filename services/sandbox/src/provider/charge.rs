//! A charge, as it is answered and as it stands in the books.

use std::fmt;

use iso_currency::Currency;
use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// One decision about one idempotency key, final from the start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Charge {
    pub(crate) id: ChargeId,
    /// The idempotency key it was asked for with.
    pub(crate) key: Box<str>,
    pub(crate) status: Status,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) decline_code: Option<DeclineCode>,
    /// With as many decimals as the currency has.
    #[serde(with = "rust_decimal::serde::str")]
    pub(crate) amount: Decimal,
    pub(crate) currency: Currency,
    pub(crate) reference: Box<str>,
    /// In whole milliseconds.
    pub(crate) created_at: Timestamp,
}

/// The place of a charge in the books, from 1; written `ch_000000000001`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChargeId(pub(crate) usize);

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    Succeeded,
    Declined,
}

/// Why it was declined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DeclineCode {
    /// A million or more, in any currency. Always declined, so that a decline can be shown by hand.
    AmountTooLarge,
    /// Drawn by `decline_rate`.
    CardDeclined,
}

impl Status {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Declined => "declined",
        }
    }
}

impl fmt::Display for ChargeId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ch_{:012}", self.0)
    }
}

impl Serialize for ChargeId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ChargeId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let place = text.strip_prefix("ch_").and_then(|digits| digits.parse().ok());
        place.map(Self).ok_or_else(|| D::Error::custom(format!("{text:?} is no charge id")))
    }
}
