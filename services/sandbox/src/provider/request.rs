//! What a client may ask, and what is wrong with what it asks.

use std::str::FromStr;

use axum::{
    extract::FromRequestParts,
    http::{StatusCode, request::Parts},
};
use common::problem::{FieldError, Problem};
use iso_currency::Currency;
use rust_decimal::Decimal;
use serde::Deserialize;

/// The most characters an idempotency key or a reference may have.
const LONGEST: usize = 255;

const DEFAULT_LIMIT: usize = 1000;
const LARGEST_LIMIT: usize = 10_000;

/// The body of `POST /charges`, as sent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChargeRequest {
    amount: String,
    currency: String,
    reference: String,
}

/// A charge that makes sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Order {
    /// Positive, with as many decimals as the currency has.
    pub(super) amount: Decimal,
    pub(super) currency: Currency,
    pub(super) reference: String,
}

impl ChargeRequest {
    pub(super) fn check(self) -> Result<Order, Vec<FieldError>> {
        let currency = Currency::from_code(&self.currency)
            .ok_or_else(|| wrong("/currency", "must be an ISO 4217 code such as EUR"));
        // Without a currency the number of decimals is unknown, and the currency is what is wrong.
        let decimals = currency.as_ref().map_or(Decimal::MAX_SCALE, |currency| decimals(*currency));
        let amount = amount(&self.amount, decimals).map_err(|detail| wrong("/amount", &detail));
        let reference = if self.reference.is_empty() || self.reference.chars().count() > LONGEST {
            Err(wrong("/reference", "must have 1 to 255 characters"))
        } else {
            Ok(self.reference)
        };
        match (amount, currency, reference) {
            (Ok(amount), Ok(currency), Ok(reference)) => Ok(Order { amount, currency, reference }),
            (amount, currency, reference) => {
                Err([amount.err(), currency.err(), reference.err()].into_iter().flatten().collect())
            }
        }
    }
}

/// Gold and the like have no minor unit.
fn decimals(currency: Currency) -> u32 {
    currency.exponent().unwrap_or_default().into()
}

/// `99`, `99.0` and `99.00` are the same amount of euros; signs, exponents and separators are none.
fn amount(text: &str, decimals: u32) -> Result<Decimal, String> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let well_formed = text.len() <= 20 && digits(whole) && digits(fraction);
    let amount = Decimal::from_str(text).ok().filter(|amount| well_formed && *amount > Decimal::ZERO);
    let mut amount = amount.ok_or("must be a positive decimal number in a string, such as \"99.00\"")?;
    if amount.normalize().scale() > decimals {
        return Err(format!("must have at most {decimals} decimals in this currency"));
    }
    amount.rescale(decimals);
    Ok(amount)
}

/// The header `Idempotency-Key`.
pub(super) struct IdempotencyKey(pub(super) String);

impl<S: Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let key = parts.headers.get("idempotency-key").map(axum::http::HeaderValue::as_bytes);
        let key =
            key.filter(|key| (1..=LONGEST).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic));
        key.and_then(|key| String::from_utf8(key.to_vec()).ok()).map(Self).ok_or_else(|| {
            let detail = "the header Idempotency-Key must have 1 to 255 visible ASCII characters";
            Problem::new(StatusCode::BAD_REQUEST, detail)
        })
    }
}

/// The query of `GET /charges`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PageRequest {
    cursor: Option<usize>,
    limit: Option<usize>,
}

impl PageRequest {
    /// Where the page starts, and how many charges it may have.
    pub(super) fn check(&self) -> Result<(usize, usize), Vec<FieldError>> {
        let limit = self.limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=LARGEST_LIMIT).contains(&limit) {
            return Err(vec![wrong("/limit", &format!("must be between 1 and {LARGEST_LIMIT}"))]);
        }
        Ok((self.cursor.unwrap_or_default(), limit))
    }
}

fn wrong(pointer: &str, detail: &str) -> FieldError {
    FieldError { pointer: pointer.to_owned(), detail: detail.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_brought_to_the_decimals_of_its_currency() {
        for (text, decimals, amount) in [
            ("99", 2, "99.00"),
            ("99.0", 2, "99.00"),
            ("0.01", 2, "0.01"),
            ("5.00", 0, "5"),
            ("007", 3, "7.000"),
        ] {
            assert_eq!(super::amount(text, decimals).unwrap().to_string(), amount, "{text}");
        }
    }

    #[test]
    fn what_is_no_positive_amount_is_refused() {
        let texts = ["", ".", "1.", ".5", "0", "0.00", "-1", "+1", "1e3", "1_000", "1,00", " 1", "NaN", "１"];
        for text in texts.into_iter().chain(["0.001", "123456789012345678901"]) {
            assert!(amount(text, 2).is_err(), "{text}");
        }
    }
}
