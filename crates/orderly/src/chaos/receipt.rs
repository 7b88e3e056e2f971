use std::fmt::{self, Display, Formatter};

use anyhow::bail;
use common::messages::Receipt;

use crate::report::row;

/// A receipt, as people read it.
pub(super) struct Table<'a>(pub(super) &'a Receipt);

impl Display for Table<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let receipt = self.0;
        writeln!(f, "\norders accepted from {:.3} until {:.3}\n", receipt.from, receipt.until)?;
        row(f, "orders", receipt.orders)?;
        row(f, "  paid", receipt.paid)?;
        row(f, "  declined", receipt.declined)?;
        row(f, "  parked", receipt.parked)?;
        row(f, "  dead", receipt.dead)?;
        row(f, "  not settled yet", receipt.unsettled)?;
        row(f, "  lost", receipt.lost)?;
        row(f, "charged twice", receipt.charged_twice)?;
        if !receipt.provider_checked {
            writeln!(f, "\nnote: the provider's books could not be read: nothing is known of charges")?;
        }
        write!(f, "\nverdict: {}", if receipt.is_clean() { "all agrees" } else { "not all agrees" })
    }
}

/// Fails if what was promised was not kept.
pub(super) fn check(receipt: &Receipt) -> anyhow::Result<()> {
    let Receipt { lost, charged_twice, .. } = receipt;
    if receipt.is_clean() {
        return Ok(());
    }
    bail!(
        "{lost} lost, {charged_twice} charged twice; `orderly verify` names every order that something is wrong with"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_tells_all_figures_and_fails_where_something_was_charged_twice() {
        let clean = Receipt {
            orders: 12,
            paid: 11,
            parked: 1,
            provider_checked: true,
            agreed: true,
            ..Receipt::default()
        };
        let text = Table(&clean).to_string();
        assert!(text.contains("orders                                12"), "{text}");
        assert!(text.ends_with("verdict: all agrees") && check(&clean).is_ok(), "{text}");
        let red = Receipt { charged_twice: 1, agreed: false, provider_checked: false, ..clean };
        assert!(Table(&red).to_string().contains("books could not be read"));
        let error = check(&red).unwrap_err().to_string();
        assert!(error.contains("0 lost, 1 charged twice"), "{error}");
    }
}
