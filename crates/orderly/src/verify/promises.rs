//! `--promised FILE`: what clients were promised, one JSON object a line.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use anyhow::{Context, anyhow};
use common::{messages::OrderId, money::Money, partition::Partitions};
use jiff::Timestamp;
use serde::Deserialize;

use super::ledger::Promise;

/// A line. What else stands there is ignored.
#[derive(Deserialize)]
struct Line {
    order_id: OrderId,
    amount: Option<String>,
    currency: Option<String>,
    placed_at: Option<Timestamp>,
}

/// How many promises each partition has. Reads all, so that a bad line is found before anything else is.
pub(super) fn count(file: &Path, partitions: Partitions) -> anyhow::Result<Vec<u64>> {
    let mut counts = vec![0; partitions.count().into()];
    each(file, |promise| counts[usize::from(partitions.of_order(promise.order_id))] += 1)?;
    Ok(counts)
}

/// Reads every promise. Fails at the first line that is none, and names it.
pub(super) fn each(file: &Path, mut tell: impl FnMut(Promise)) -> anyhow::Result<()> {
    let name = file.display();
    let mut lines = BufReader::new(File::open(file).with_context(|| format!("cannot open {name}"))?);
    let (mut number, mut line) = (0_u64, String::new());
    while lines.read_line(&mut line).with_context(|| format!("cannot read {name} after line {number}"))? > 0 {
        number += 1;
        if !line.trim().is_empty() {
            let promise = parse(&line).with_context(|| {
                format!(
                    r#"{name}, line {number} is no promise like {{"order_id": "…", "amount": "49.80", "currency": "EUR"}}"#
                )
            })?;
            tell(promise);
        }
        line.clear();
    }
    Ok(())
}

fn parse(line: &str) -> anyhow::Result<Promise> {
    let Line { order_id, amount, currency, placed_at } = serde_json::from_str(line)?;
    let amount = match (amount, currency) {
        (Some(amount), Some(currency)) => Some(Money::parse(&amount, &currency)?),
        (None, _) => None,
        (Some(_), None) => return Err(anyhow!("an amount needs a currency")),
    };
    Ok(Promise { order_id, amount, placed_at })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "67e55044-10b1-426f-9247-bb680e5fe0c8";

    #[test]
    fn an_amount_is_optional_and_further_fields_are_ignored() {
        let promise = parse(&format!(r#"{{"order_id":"{ID}","status":201}}"#)).unwrap();
        assert_eq!((promise.order_id.to_string().as_str(), promise.amount), (ID, None));
        let promise = parse(&format!(r#"{{"order_id":"{ID}","amount":"49.80","currency":"EUR"}}"#)).unwrap();
        assert_eq!(promise.amount.unwrap().to_string(), "49.80 EUR");
    }

    #[test]
    fn what_is_no_promise_is_refused() {
        for line in [
            "{",
            r#"{"order_id":"1"}"#,
            &format!(r#"{{"order_id":"{ID}","amount":"49.80"}}"#),
            &format!(r#"{{"order_id":"{ID}","amount":"49.801","currency":"EUR"}}"#),
            &format!(r#"{{"order_id":"{ID}","amount":49.8,"currency":"EUR"}}"#),
            &format!(r#"{{"order_id":"{ID}","placed_at":"yesterday"}}"#),
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn a_bad_line_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), format!("{{\"order_id\":\"{ID}\"}}\n\nnonsense\n")).unwrap();
        let error = format!("{:#}", count(file.path(), Partitions::new(4)).unwrap_err());
        assert!(error.contains("line 3") && error.contains("order_id"), "{error}");
    }
}
