//! The one timer that a connection's requests need.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

/// A timer for what is waited for again and again, and comes in time.
///
/// hyper waits for every head and we for every answer, one after the other, and nearly never for as long as is allowed.
/// Tokio's own timers would be put into its wheel and taken out again for each. This one stays there while its time is
/// put off, and when it goes off too early it is set anew. That made up for the three per cent that a small request took
/// longer with the others.
///
/// Clones are the same timer.
#[derive(Clone, Default)]
pub(super) struct LazyTimer(Arc<Mutex<Setting>>);

#[derive(Default)]
struct Setting {
    /// When it is to go off.
    due: Option<Instant>,
    /// Goes off then or earlier.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl LazyTimer {
    /// What `future` comes to, or `None` if that takes longer than `limit`.
    pub(super) async fn timeout<F: Future>(&self, limit: Duration, future: F) -> Option<F::Output> {
        let (mut future, mut is_set) = (pin!(future), false);
        poll_fn(|context| {
            if let Poll::Ready(output) = future.as_mut().poll(context) {
                return Poll::Ready(Some(output));
            }
            // What is there at once needs not even the time.
            if !is_set {
                self.setting().set(Instant::now() + limit);
                is_set = true;
            }
            self.setting().poll(context).map(|()| None)
        })
        .await
    }

    fn setting(&self) -> MutexGuard<'_, Setting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Setting {
    fn set(&mut self, due: Instant) {
        self.due = Some(due);
        if let Some(sleep) = &mut self.sleep
            && sleep.deadline() > due
        {
            sleep.as_mut().reset(due);
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(due) = self.due else { return Poll::Pending };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(due)));
        loop {
            ready!(sleep.as_mut().poll(context));
            if sleep.deadline() >= due {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(due);
        }
    }
}

/// hyper's side of it. It has one timer at a time.
impl hyper::rt::Timer for LazyTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn hyper::rt::Sleep>> {
        self.sleep_until(std::time::Instant::now() + duration)
    }

    fn sleep_until(&self, deadline: std::time::Instant) -> Pin<Box<dyn hyper::rt::Sleep>> {
        self.setting().set(Instant::from_std(deadline));
        Box::pin(self.clone())
    }
}

impl hyper::rt::Sleep for LazyTimer {}

impl Future for LazyTimer {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.setting().poll(context)
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_millis(50);
    const LATE: Duration = Duration::from_mins(10);

    async fn in_time<F: Future>(future: F) -> F::Output {
        timeout(Duration::from_secs(20), future).await.expect("the timer goes off")
    }

    #[tokio::test]
    async fn what_comes_is_returned_and_what_does_not_is_given_up_no_earlier_than_said() {
        let timer = LazyTimer::default();
        assert_eq!(timer.timeout(SOON, ready(1)).await, Some(1));
        for _ in 0..3 {
            let begun = Instant::now();
            assert_eq!(in_time(timer.timeout(SOON, pending::<()>())).await, None);
            assert!(begun.elapsed() >= SOON);
        }
    }

    #[tokio::test]
    async fn a_time_that_was_put_off_is_kept_and_so_is_one_that_was_put_forward() {
        let timer = LazyTimer::default();
        // Left in the wheel, to go off too early for the next.
        let _ = timeout(Duration::ZERO, timer.timeout(SOON, pending::<()>())).await;
        let begun = Instant::now();
        assert_eq!(in_time(timer.timeout(4 * SOON, pending::<()>())).await, None);
        assert!(begun.elapsed() >= 4 * SOON);
        // Left in the wheel, to go off too late.
        let _ = timeout(Duration::ZERO, timer.timeout(LATE, pending::<()>())).await;
        assert_eq!(in_time(timer.timeout(SOON, pending::<()>())).await, None);
    }
}
