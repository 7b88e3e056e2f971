use std::time::Duration;

use tokio::{sync::watch, time::timeout};

/// A switch by which workers are told to take nothing for a while. Cheap to clone; clones are the same switch. Off at first.
///
/// While it is on, a worker takes nothing from its streams, neither what is new nor what waits for a retry. What it has in hand is
/// finished and committed; in ordered mode that is the one entry that is being handled. It stays a member of its group: it
/// keeps its lease, its [`WorkerStatus`](super::WorkerStatus) is well, delayed messages and tips go out, and consumers
/// that are gone are ended, so that what they left waits for whoever is not paused. Nobody takes a paused worker for dead.
///
/// Turned on, it holds from the next read on: one that is under way may still bring entries, for
/// [`WorkerOptions::block`](super::WorkerOptions::block) at most. Turned off, it ends at once.
#[derive(Clone, Debug, Default)]
pub struct Pause(watch::Sender<bool>);

impl Pause {
    /// Turns it on or off. Whether that changed anything.
    pub fn set(&self, on: bool) -> bool {
        self.0.send_if_modified(|is_on| std::mem::replace(is_on, on) != on)
    }

    /// Whether it is on.
    pub fn is_on(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is off, but no longer than so long.
    pub(super) async fn end_within(&self, patience: Duration) {
        let mut switch = self.0.subscribe();
        let _ = timeout(patience, switch.wait_for(|is_on| !is_on)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_clone_is_the_same_switch_and_who_waits_is_told_at_once() {
        let pause = Pause::default();
        let clone = pause.clone();
        assert!(!clone.is_on() && pause.set(true) && !pause.set(true) && clone.is_on());
        let waiting = tokio::spawn(async move { clone.end_within(Duration::MAX).await });
        tokio::task::yield_now().await;
        assert!(pause.set(false));
        waiting.await.unwrap();
        // Off, there is nothing to wait for.
        pause.end_within(Duration::MAX).await;
    }
}
