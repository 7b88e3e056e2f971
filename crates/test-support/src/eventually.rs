use std::{fmt::Display, future::Future, time::Duration};

use tokio::time::{Instant, sleep};

/// How long between two looks.
const POLL: Duration = Duration::from_millis(10);

/// Looks again and again until `probe` succeeds, and returns what it found.
///
/// # Panics
/// If that takes longer than `limit`: with what was waited for, and why the last look failed.
#[track_caller]
pub fn eventually<T, E, Probing>(
    what: &str,
    limit: Duration,
    mut probe: impl FnMut() -> Probing,
) -> impl Future<Output = T>
where
    E: Display,
    Probing: Future<Output = Result<T, E>>,
{
    let caller = std::panic::Location::caller();
    async move {
        let deadline = Instant::now() + limit;
        loop {
            match probe().await {
                Ok(found) => return found,
                Err(reason) if Instant::now() >= deadline => {
                    panic!("{caller}: waited {limit:?} for {what}, but {reason}")
                }
                Err(_) => sleep(POLL).await,
            }
        }
    }
}
