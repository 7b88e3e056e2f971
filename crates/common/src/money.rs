//! Money: whole minor units and a currency, never a float.

use std::fmt;

use iso_currency::Currency;
use rust_decimal::{Decimal, prelude::ToPrimitive};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An amount of one currency in its minor units (cents, for most). As JSON `{"amount":"99.00","currency":"EUR"}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Money {
    minor: i64,
    currency: Currency,
}

/// Why a sum or a text is no [`Money`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// The result does not fit.
    #[error("the amount is too large")]
    TooLarge,
    /// The amounts are of different currencies.
    #[error("cannot add {1} to {0}")]
    Currencies(&'static str, &'static str),
    /// The amount is not a decimal number with as many places as the currency has.
    #[error("{0:?} is no amount of {1}")]
    Amount(String, &'static str),
    /// The currency is not in ISO 4217.
    #[error("{0:?} is no ISO 4217 currency")]
    Currency(String),
}

impl Money {
    /// An amount in minor units: `Money::new(9_900, Currency::EUR)` is 99 euros.
    pub const fn new(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    /// Reads a decimal amount, such as `99.00`, and a currency's ISO 4217 code.
    pub fn parse(amount: &str, currency: &str) -> Result<Self, MoneyError> {
        let Self { currency, .. } = Self::from_minor(0, currency)?;
        let refused = || MoneyError::Amount(amount.into(), currency.code());
        let mut decimal = Decimal::from_str_exact(amount).map_err(|_| refused())?;
        if decimal.scale() > places(currency) {
            return Err(refused());
        }
        decimal.rescale(places(currency));
        let minor = decimal.mantissa().to_i64().ok_or(MoneyError::TooLarge)?;
        Ok(Self { minor, currency })
    }

    /// The same with the currency as its ISO 4217 code.
    pub fn from_minor(minor: i64, currency: &str) -> Result<Self, MoneyError> {
        let currency = Currency::from_code(currency).ok_or_else(|| MoneyError::Currency(currency.into()))?;
        Ok(Self { minor, currency })
    }

    /// The amount in minor units.
    pub fn minor(&self) -> i64 {
        self.minor
    }

    /// The amount as a decimal, such as `99.00`.
    pub fn amount(&self) -> Decimal {
        Decimal::new(self.minor, places(self.currency))
    }

    /// The currency's ISO 4217 code.
    pub fn currency(&self) -> &'static str {
        self.currency.code()
    }

    /// This amount so many times.
    pub fn times(&self, count: u32) -> Result<Self, MoneyError> {
        let minor = self.minor.checked_mul(count.into()).ok_or(MoneyError::TooLarge)?;
        Ok(Self { minor, ..*self })
    }

    /// The sum of two amounts of one currency.
    pub fn plus(&self, other: &Self) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::Currencies(self.currency(), other.currency()));
        }
        let minor = self.minor.checked_add(other.minor).ok_or(MoneyError::TooLarge)?;
        Ok(Self { minor, ..*self })
    }
}

/// Decimal places of a currency: 2 for euros, 0 for yen, 3 for dinars.
fn places(currency: Currency) -> u32 {
    currency.exponent().unwrap_or(0).into()
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.amount(), self.currency())
    }
}

#[derive(Serialize, Deserialize)]
struct Json<'a> {
    #[serde(borrow)]
    amount: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    currency: std::borrow::Cow<'a, str>,
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Json { amount: self.amount().to_string().into(), currency: self.currency().into() }
            .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Json { amount, currency } = Json::deserialize(deserializer)?;
        Self::parse(&amount, &currency).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_a_decimal_string_and_a_code_both_ways() {
        let price = Money::new(9_900, Currency::EUR);
        let json = serde_json::to_string(&price).unwrap();
        assert_eq!(json, r#"{"amount":"99.00","currency":"EUR"}"#);
        assert_eq!(serde_json::from_str::<Money>(&json).unwrap(), price);
    }

    #[test]
    fn each_currency_has_its_own_places() {
        assert_eq!(Money::new(500, Currency::JPY).to_string(), "500 JPY");
        assert_eq!(Money::parse("1.234", "KWD").unwrap().minor(), 1234);
        assert_eq!(Money::parse("7", "EUR").unwrap().minor(), 700);
        assert!(matches!(Money::parse("1.234", "EUR"), Err(MoneyError::Amount(..))));
        assert!(matches!(Money::parse("1e3", "EUR"), Err(MoneyError::Amount(..))));
        assert!(matches!(Money::parse("1", "XQQ"), Err(MoneyError::Currency(_))));
    }

    #[test]
    fn sums_that_do_not_fit_or_mix_currencies_are_errors() {
        let most = Money::new(i64::MAX, Currency::EUR);
        assert_eq!(most.plus(&Money::new(1, Currency::EUR)), Err(MoneyError::TooLarge));
        assert_eq!(most.times(2), Err(MoneyError::TooLarge));
        let (euro, dollar) = (Money::new(1, Currency::EUR), Money::new(1, Currency::USD));
        assert_eq!(euro.plus(&dollar), Err(MoneyError::Currencies("EUR", "USD")));
    }
}
