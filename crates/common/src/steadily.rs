//! Asking Redis, the provider or the gateway, each of which may be away for a moment.

use std::time::Duration;

use redis_kit::Backoff;

/// How often a question is asked at most, and how long the pauses are.
const TRIES: u32 = 4;
const PAUSE: Backoff = Backoff { base: Duration::from_millis(100), limit: Duration::from_millis(400) };

/// Asks again, a few times, where that may help. Only for what may be carried out twice: what was asked may have been done, and the answer lost.
pub async fn steadily<T, E, Asking>(
    may_pass: impl Fn(&E) -> bool,
    mut ask: impl FnMut() -> Asking,
) -> Result<T, E>
where
    Asking: Future<Output = Result<T, E>>,
{
    for attempt in 1..TRIES {
        match ask().await {
            Err(error) if may_pass(&error) => tokio::time::sleep(PAUSE.ceiling(attempt)).await,
            answer => return answer,
        }
    }
    ask().await
}
