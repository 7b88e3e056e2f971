//! What waits for a person.

use common::operations::{groups::Group, parked};
use redis_kit::Error;

use super::finding::{Finding, counted};
use crate::installation::Installation;

const DEAD: &str = "dead-letters";
const PARKED: &str = "parked-payments";

pub(super) async fn examine(rows: &[Group], installation: &Installation) -> Result<Vec<Finding>, Error> {
    let mut findings = dead_letters(rows);
    findings.push(parked_payments(parked::count(installation).await?));
    Ok(findings)
}

fn dead_letters(rows: &[Group]) -> Vec<Finding> {
    let given_up = rows.iter().filter(|row| row.service.is_some() && row.dead_letters > 0);
    let findings: Vec<Finding> = given_up
        .map(|Group { group, dead_letters, .. }| {
            let seen = format!("{group} has given up {dead_letters}: their work is not done");
            let fix = format!(
                "orderly dlq list --group {group} says why; then dlq replay, once the cause is mended, or dlq drop"
            );
            Finding::problem(DEAD, seen, fix)
        })
        .collect();
    if findings.is_empty() { vec![Finding::ok(DEAD, "none")] } else { findings }
}

fn parked_payments(count: u64) -> Finding {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    if count == 0 {
        return Finding::ok(PARKED, "none");
    }
    Finding::warning(
        PARKED,
        format!("{} without a definite answer", counted(count, "payment")),
        "orderly payments parked lists them; look each up at the provider, and orderly payments resolve",
    )
}
