use std::{sync::Arc, time::Duration};

use tokio::task::JoinSet;

use super::{gateway::Setback, run::Run};

/// A connection's pause after a request that nobody answered, so that an absent gateway is not asked in a hot loop.
const AFTER_NO_ANSWER: Duration = Duration::from_millis(100);

/// Sends every order over so many connections, and returns when all have their answers. Dropped, it ends them.
pub(super) async fn place_all(run: &Arc<Run>, connections: u16) {
    let mut tasks: JoinSet<()> = (0..connections).map(|_| connection(Arc::clone(run))).collect();
    while tasks.join_next().await.is_some() {}
}

/// Sends one order after the other.
async fn connection(run: Arc<Run>) {
    while let Some(request) = run.next_request().await {
        run.tally().sent(request);
        let answer = run.gateway.place(&run.order(request)).await;
        let now = run.now();
        match answer {
            Ok(order_id) => run.tally().accepted(request, order_id, now),
            Err(setback) => {
                let is_unanswered = matches!(setback, Setback::Unanswered(_));
                run.tally().failed(request, setback, now);
                if is_unanswered {
                    tokio::time::sleep(AFTER_NO_ANSWER).await;
                }
            }
        }
    }
}
