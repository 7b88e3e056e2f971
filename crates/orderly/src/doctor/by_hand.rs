//! What waits for a person.

use redis_kit::{RedisResult, cmd};

use super::finding::{Finding, counted};
use crate::{groups::Row, installation::Installation};

const DEAD: &str = "dead-letters";
const PARKED: &str = "parked-payments";

pub(super) async fn examine(rows: &[Row], installation: &Installation) -> RedisResult<Vec<Finding>> {
    let mut findings = dead_letters(rows);
    findings.push(parked(parked_payments(installation).await?));
    Ok(findings)
}

fn dead_letters(rows: &[Row]) -> Vec<Finding> {
    let given_up = rows.iter().filter(|row| row.service.is_some() && row.dead_letters > 0);
    let findings: Vec<Finding> = given_up
        .map(|Row { group, dead_letters, .. }| {
            let seen = format!("{group} has given up {dead_letters}: their work is not done");
            let fix = format!(
                "orderly dlq list --group {group} says why; then dlq replay, once the cause is mended, or dlq drop"
            );
            Finding::problem(DEAD, seen, fix)
        })
        .collect();
    if findings.is_empty() { vec![Finding::ok(DEAD, "none")] } else { findings }
}

async fn parked_payments(installation: &Installation) -> RedisResult<usize> {
    let mut parked = 0;
    for partition in installation.partitions.all() {
        let key = installation.names.parked_payments(partition);
        let here: usize = cmd("HLEN").arg(key).query_async(&mut installation.redis.clone()).await?;
        parked += here;
    }
    Ok(parked)
}

fn parked(count: usize) -> Finding {
    if count == 0 {
        return Finding::ok(PARKED, "none");
    }
    Finding::warning(
        PARKED,
        format!("{} without a definite answer", counted(count, "payment")),
        "orderly payments parked lists them; look each up at the provider, and orderly payments resolve",
    )
}
