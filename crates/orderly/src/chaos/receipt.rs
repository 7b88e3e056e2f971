use anyhow::bail;
use common::messages::Receipt;

/// What people read of a receipt.
pub(super) fn table(receipt: &Receipt) -> String {
    let Receipt { from, until, orders, paid, declined, parked, dead, unsettled, lost, charged_twice, .. } =
        receipt;
    let mut text = format!("\norders accepted from {from:.3} until {until:.3}\n\n");
    for (name, figure) in [
        ("orders", orders),
        ("  paid", paid),
        ("  declined", declined),
        ("  parked", parked),
        ("  dead", dead),
        ("  not settled yet", unsettled),
        ("  lost", lost),
        ("charged twice", charged_twice),
    ] {
        text += &format!("{name:<28}{figure:>12}\n");
    }
    if !receipt.provider_checked {
        text += "\nnote: the provider's books could not be read: nothing is known of charges\n";
    }
    let verdict = if receipt.is_clean() { "all agrees" } else { "not all agrees" };
    text + "\nverdict: " + verdict
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
        let text = table(&clean);
        assert!(
            text.contains("orders") && text.contains("12") && text.ends_with("verdict: all agrees"),
            "{text}"
        );
        assert!(check(&clean).is_ok());
        let red = Receipt { charged_twice: 1, agreed: false, provider_checked: false, ..clean };
        assert!(table(&red).contains("books could not be read"));
        let error = check(&red).unwrap_err().to_string();
        assert!(error.contains("0 lost, 1 charged twice"), "{error}");
    }
}
