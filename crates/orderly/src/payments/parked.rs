use std::collections::HashMap;

use anyhow::Context;
use common::{messages::ParkedPayment, service::InstallationArgs};
use redis_kit::cmd;

use crate::installation::Installation;

/// What `orderly payments parked` is told.
#[derive(clap::Args)]
pub(crate) struct ParkedArgs {
    #[command(flatten)]
    installation: InstallationArgs,
    /// Print each as one line of JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &ParkedArgs) -> anyhow::Result<()> {
    let parked = list(&Installation::reach(&args.installation).await?).await?;
    if args.json {
        for payment in &parked {
            anstream::println!("{}", serde_json::to_string(payment)?);
        }
        return Ok(());
    }
    for payment in &parked {
        print(payment);
    }
    match parked.len() {
        0 => anstream::println!("No payment is parked."),
        count => anstream::println!(
            "{count} parked. Look each up at the provider by its payment id, which is its idempotency key; then\n  \
             orderly payments resolve PAYMENT --paid CHARGE_ID --why …\n  \
             orderly payments resolve PAYMENT --declined --why …"
        ),
    }
    Ok(())
}

fn print(payment: &ParkedPayment) {
    let ParkedPayment { payment_id, order_id, customer_id, amount, reason, attempts, .. } = payment;
    anstream::println!("payment   {payment_id}");
    anstream::println!("order     {order_id} of customer {customer_id:?}");
    anstream::println!("amount    {amount}");
    anstream::println!("tried     {attempts} times since {}", payment.first_attempt_at);
    anstream::println!("parked    {}", payment.parked_at);
    // What the provider said may hold anything.
    anstream::println!("because   {}\n", reason.escape_debug());
}

/// Every parked payment; whoever waits longest comes first.
async fn list(installation: &Installation) -> anyhow::Result<Vec<ParkedPayment>> {
    let mut parked = Vec::new();
    for partition in installation.partitions.all() {
        let key = installation.names.parked_payments(partition);
        let mut cursor: u64 = 0;
        loop {
            let mut scan = cmd("HSCAN");
            scan.arg(&key).arg(cursor).arg("COUNT").arg(1000);
            let (next, page): (u64, HashMap<String, String>) =
                scan.query_async(&mut installation.redis.clone()).await?;
            for (id, json) in page {
                let payment = serde_json::from_str(&json).with_context(|| {
                    format!("what {key} holds of the payment {id} is not what payment-worker writes")
                })?;
                parked.push(payment);
            }
            cursor = next;
            if cursor == 0 {
                break;
            }
        }
    }
    parked.sort_by_key(|payment: &ParkedPayment| (payment.parked_at, payment.order_id));
    // A scan may tell of one more than once.
    parked.dedup();
    Ok(parked)
}
