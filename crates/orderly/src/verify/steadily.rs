//! Asking Redis or the provider, either of which may be away for a moment.

use std::time::Duration;

/// How often a question is asked again after a failure that may pass, and the first pause, which doubles.
const TRIES: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Asks again, a few times, where that may help. For questions only: an answer that is lost may have been given.
pub(super) async fn steadily<T, E, Asking>(
    may_pass: impl Fn(&E) -> bool,
    mut ask: impl FnMut() -> Asking,
) -> Result<T, E>
where
    Asking: Future<Output = Result<T, E>>,
{
    let mut pause = FIRST_PAUSE;
    for _ in 1..TRIES {
        match ask().await {
            Err(error) if may_pass(&error) => tokio::time::sleep(pause).await,
            answer => return answer,
        }
        pause *= 2;
    }
    ask().await
}
