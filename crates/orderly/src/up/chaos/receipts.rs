use std::time::Duration;

use common::{
    messages::{ControlEvent, Receipt},
    names::services,
};
use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use redis_kit::{
    patiently,
    stream::{Producer, clock},
    trace::TraceContext,
};
use tokio::{
    sync::mpsc::UnboundedReceiver,
    time::{Instant, sleep},
};

use super::hands::Begun;
use crate::{
    installation::Installation,
    report::in_words,
    up::console::Console,
    verify::{self, Window},
};

/// Orders count that were accepted so long before it was asked for: those that a worker had in hand when it was killed were.
const BEFORE: Duration = Duration::from_secs(5);

/// How long orders may take to come to an end once all is whole again. Then those that have none are told as unsettled.
const SETTLED_WITHIN: Duration = Duration::from_mins(1);

/// The pauses between two looks whether they have: doubling, so that many orders are not counted again and again.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// Sees what was begun to its end, and tells what became of the orders meanwhile.
pub(super) struct Receipts {
    /// The provider's base URL, if it is known.
    pub(super) provider: Option<String>,
    pub(super) console: Console,
}

impl Receipts {
    /// For all that is begun, side by side. Dropped, what is frozen goes on.
    pub(super) async fn follow(&self, mut begun: UnboundedReceiver<Begun>) {
        let begun = stream::poll_fn(|context| begun.poll_recv(context));
        begun
            .for_each_concurrent(None, async |begun| {
                if let Err(error) = self.finish(begun).await {
                    self.console.say(&format!("warning: no receipt for chaos: {}", in_words(&error)));
                }
            })
            .await;
    }

    async fn finish(&self, begun: Begun) -> anyhow::Result<()> {
        let Begun { request, action, asked_at, effect, installation } = begun;
        effect.over(&installation).await;
        let (redis, stream) = (&installation.redis, installation.names.control_stream());
        let until = patiently(|| async { clock(&mut redis.clone(), &stream).await }).await?;
        let asked_at = Timestamp::from_millisecond(i64::try_from(asked_at)?)?;
        let receipt = self.count(&installation, Window::between(asked_at - BEFORE, until)).await?;
        let Receipt { orders, unsettled, lost, charged_twice, .. } = receipt;
        let instance = services::SUPERVISOR.to_owned();
        let told = ControlEvent::Receipt { request, action, instance, receipt };
        // Twice if an answer is lost, which changes nothing.
        let (producer, trace) = (Producer::new(redis.clone(), stream), TraceContext::root());
        patiently(|| producer.append(&told, &trace)).await?;
        self.console.say(&format!(
            "chaos is over: of {orders} orders in that time {lost} lost, {charged_twice} charged twice, {unsettled} not settled \
             yet"
        ));
        Ok(())
    }

    /// Counts when all have come to an end, or cannot be waited for any longer.
    async fn count(&self, installation: &Installation, window: Window) -> anyhow::Result<Receipt> {
        let (deadline, mut pause) = (Instant::now() + SETTLED_WITHIN, FIRST_PAUSE);
        loop {
            let is_settled =
                verify::count(installation, None, window).await.map(|receipt| receipt.unsettled == 0);
            let is_late = Instant::now() >= deadline;
            if is_late || is_settled.is_ok_and(|is_settled| is_settled) {
                match verify::count(installation, self.provider.as_deref(), window).await {
                    Ok(receipt) => return Ok(receipt),
                    Err(error) if is_late => {
                        let why = in_words(&error);
                        self.console.say(&format!("warning: chaos is counted without the books: {why}"));
                        return verify::count(installation, None, window).await;
                    }
                    Err(_) => {}
                }
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}
