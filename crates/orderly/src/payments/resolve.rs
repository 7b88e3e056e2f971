use std::time::Duration;

use anyhow::{Context, bail};
use common::{
    messages::{OrderEvent, Resolution, Verdict},
    operations::parked,
    service::InstallationArgs,
};
use redis_kit::stream::{Entry, end};
use tokio::time::Instant;
use uuid::Uuid;

use crate::{awaited::find_behind, installation::Installation};

/// What `orderly payments resolve` is told.
#[derive(clap::Args)]
pub(crate) struct ResolveArgs {
    #[command(flatten)]
    installation: InstallationArgs,
    /// The payment, or the order that it is for
    payment: Uuid,
    /// The money was moved: the provider's id of the charge
    #[arg(long, value_name = "CHARGE_ID", required_unless_present = "declined", conflicts_with = "declined")]
    paid: Option<String>,
    /// The money was not moved and will not be. The provider is asked once more, and believed if it knows of a charge
    #[arg(long)]
    declined: bool,
    /// Who decides so
    #[arg(long, env = "USER", value_name = "NAME")]
    by: String,
    /// Why, for the journal
    #[arg(long, value_name = "REASON")]
    why: String,
    /// Seconds to wait for a payment-worker to carry it out
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    wait: u64,
}

pub(super) async fn run(args: &ResolveArgs) -> anyhow::Result<()> {
    let installation = Installation::reach(&args.installation).await?;
    let Some(parked) = parked::find(&installation, args.payment).await? else {
        bail!(
            "no parked payment has the id {} or is for that order; list them with `orderly payments parked`",
            args.payment
        );
    };
    let verdict = match &args.paid {
        Some(charge_id) => Verdict::Paid { charge_id: charge_id.clone() },
        None => Verdict::Declined,
    };
    let resolution = Resolution { verdict, by: args.by.clone(), why: args.why.clone() };
    let partition = installation.partitions.of_order(parked.order_id);
    let journal = installation.names.orders_stream(partition);
    let before = end(&mut installation.redis.clone(), &journal).await?;
    parked::decide(&installation, &parked, resolution.clone())
        .await
        .context(
            "it is not known whether the decision was written; see with `orderly payments parked` whether the payment is still \
             parked, and say it again if so: a second decision changes nothing",
        )?;
    let deadline = Instant::now() + Duration::from_secs(args.wait);
    // What the journal tells of the decision, or why it was refused.
    let told = find_behind(&installation.redis, &journal, before, deadline, |entry: &Entry<OrderEvent>| {
        let is_of_order = entry.message.order_id() == parked.order_id;
        is_of_order.then(|| tells(&entry.message, &resolution)).flatten()
    });
    match told.await? {
        Some(Ok(outcome)) => {
            anstream::println!("{outcome}");
            Ok(())
        }
        Some(Err(reason)) => bail!("refused: {reason}"),
        None => bail!(
            "the decision is written down, but no payment-worker has carried it out in {} s. It will be as soon as one runs and, \
             for a payment that is to be declined, can ask the provider",
            args.wait
        ),
    }
}

fn tells(event: &OrderEvent, decided: &Resolution) -> Option<Result<String, String>> {
    match event {
        OrderEvent::Paid { order_id, charge_id, resolution: Some(resolution), .. }
            if resolution == decided =>
        {
            let surprise = if decided.verdict == Verdict::Declined {
                ", and not declined: the provider has charged for it"
            } else {
                ""
            };
            Some(Ok(format!("Order {order_id} is paid by the charge {charge_id}{surprise}.")))
        }
        OrderEvent::PaymentDeclined { order_id, resolution: Some(resolution), .. }
            if resolution == decided =>
        {
            Some(Ok(format!("The payment of order {order_id} is declined.")))
        }
        OrderEvent::PaymentResolutionRefused { resolution, reason, .. } if resolution == decided => {
            Some(Err(reason.clone()))
        }
        _ => None,
    }
}
