use common::{messages::ParkedPayment, operations::parked, service::InstallationArgs};

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
    let installation = Installation::reach(&args.installation).await?;
    let parked = parked::oldest(&installation, None, usize::MAX).await?;
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
