//! Asking Redis for what one can do without: it answers soon, or is not waited for.
//!
//! Source: Michael Nygard, "Release It!", 2007: timeouts and the circuit breaker.

use std::{
    io,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use redis::{RedisError, RedisResult};
use tokio::time::timeout;
use tracing::{debug, info, warn};

/// Keeps everybody from waiting for a Redis that does not answer: after some failures in a row it is left alone for a
/// while, and then one question at a time finds out whether it is back.
pub(crate) struct Breaker {
    /// Who asks, for the log.
    asker: &'static str,
    patience: Patience,
    state: Mutex<State>,
}

/// How much of Redis's silence is borne.
#[derive(Clone, Copy)]
pub(crate) struct Patience {
    /// How long an answer is waited for. Failures within this time are one, because one hiccup fails all who wait.
    pub(crate) answer_limit: Duration,
    /// After how many failures in a row Redis is left alone.
    pub(crate) failures: u32,
    /// For how long.
    pub(crate) pause: Duration,
}

/// Why there is no answer. It has been told in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unanswered {
    /// Redis was not asked.
    Unasked,
    /// It did not answer, or not in time. What was asked of it may have been done all the same.
    Silent,
    /// It answered with an error.
    Refused,
}

#[derive(Default)]
struct State {
    failures: u32,
    counted: Option<Instant>,
    /// When somebody may try again, if it is open.
    again: Option<Instant>,
}

impl Breaker {
    pub(crate) fn new(asker: &'static str, patience: Patience) -> Self {
        Self { asker, patience, state: Mutex::default() }
    }

    /// Has a question answered soon, or not.
    pub(crate) async fn ask<T>(
        &self,
        question: impl Future<Output = RedisResult<T>>,
    ) -> Result<T, Unanswered> {
        if !self.lets_through(Instant::now()) {
            return Err(Unanswered::Unasked);
        }
        match within(self.patience.answer_limit, question).await {
            Ok(answer) => {
                self.answers();
                Ok(answer)
            }
            // A server that refuses something is there, and says so at once.
            Err(error) if error.code().is_some() => {
                self.answers();
                // As often as somebody asks, so it is for a metric to raise the alarm.
                debug!(asker = self.asker, %error, "Redis refuses what it is asked for");
                Err(Unanswered::Refused)
            }
            Err(error) => {
                self.fails(&error);
                Err(Unanswered::Silent)
            }
        }
    }

    fn answers(&self) {
        if self.with(State::succeed) {
            info!(asker = self.asker, "Redis answers again, and is asked");
        }
    }

    fn fails(&self, error: &RedisError) {
        if self.with(|state| state.fail(&self.patience, Instant::now())) {
            warn!(asker = self.asker, %error, "Redis is not asked until it answers again");
        } else {
            debug!(asker = self.asker, %error, "Redis did not answer");
        }
    }

    fn lets_through(&self, now: Instant) -> bool {
        self.with(|state| state.let_through(&self.patience, now))
    }

    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    /// Whether Redis is to be asked now.
    fn let_through(&mut self, patience: &Patience, now: Instant) -> bool {
        match self.again {
            None => true,
            Some(again) if now < again => false,
            // The next one only if this one is not heard of.
            Some(_) => {
                self.again = Some(now + patience.pause);
                true
            }
        }
    }

    /// True if that closed it.
    fn succeed(&mut self) -> bool {
        std::mem::take(self).again.is_some()
    }

    /// True if that opened it.
    fn fail(&mut self, patience: &Patience, now: Instant) -> bool {
        if self.counted.is_some_and(|counted| now.saturating_duration_since(counted) < patience.answer_limit)
        {
            return false;
        }
        self.counted = Some(now);
        self.failures = self.failures.saturating_add(1);
        self.failures >= patience.failures && self.again.replace(now + patience.pause).is_none()
    }
}

/// An answer, or an error if none came so soon.
pub(crate) async fn within<T>(
    limit: Duration,
    question: impl Future<Output = RedisResult<T>>,
) -> RedisResult<T> {
    let late = || io::Error::new(io::ErrorKind::TimedOut, "no answer came in time").into();
    timeout(limit, question).await.unwrap_or_else(|_late| Err(late()))
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use redis::ErrorKind;

    use super::*;

    const PATIENCE: Patience =
        Patience { answer_limit: Duration::from_millis(50), failures: 3, pause: Duration::from_secs(1) };

    /// One that was failed so often, the last time at the time that is returned.
    fn failed(times: u32) -> (State, Instant) {
        let (mut state, mut now) = (State::default(), Instant::now());
        for failures in 1..=times {
            now += PATIENCE.answer_limit;
            assert_eq!(state.fail(&PATIENCE, now), failures == PATIENCE.failures, "{failures}");
        }
        (state, now)
    }

    #[test]
    fn it_opens_after_failures_in_a_row() {
        let (mut state, now) = failed(2);
        assert!(state.let_through(&PATIENCE, now));
        assert!(!state.succeed(), "it was closed");
        let (mut state, now) = failed(3);
        assert!(!state.let_through(&PATIENCE, now));
    }

    #[test]
    fn failures_between_successes_do_not_add_up() {
        let (mut state, mut now) = failed(2);
        for _ in 0..30 {
            now += PATIENCE.answer_limit;
            state.succeed();
            state.fail(&PATIENCE, now);
        }
        assert!(state.let_through(&PATIENCE, now));
    }

    #[test]
    fn one_hiccup_is_one_failure_whoever_waits() {
        let (mut state, now) = failed(1);
        for _ in 0..100 {
            state.fail(&PATIENCE, now + PATIENCE.answer_limit / 2);
        }
        assert!(state.let_through(&PATIENCE, now));
    }

    #[test]
    fn after_the_pause_one_tries_and_its_success_lets_all_through() {
        let (mut state, now) = failed(3);
        let over = now + PATIENCE.pause;
        assert!(state.let_through(&PATIENCE, over));
        assert!(!state.let_through(&PATIENCE, over), "the first is not back yet");
        let later = over + PATIENCE.pause;
        assert!(state.let_through(&PATIENCE, later), "the first was never heard of");
        assert!(!state.fail(&PATIENCE, later + PATIENCE.pause / 2), "it is open already");
        assert!(!state.let_through(&PATIENCE, later + PATIENCE.pause), "the pause begins anew");
        assert!(state.let_through(&PATIENCE, later + PATIENCE.pause * 3 / 2));
        assert!(state.succeed(), "now it is closed");
        assert!(state.let_through(&PATIENCE, later) && state.let_through(&PATIENCE, later));
    }

    #[tokio::test]
    async fn a_refusal_is_an_answer_and_silence_is_none() {
        let breaker = Breaker::new("a test", Patience { failures: 1, ..PATIENCE });
        let refusal = || redis::make_extension_error("NOPERM".into(), None);
        assert_eq!(breaker.ask(ready(Err::<(), _>(refusal()))).await, Err(Unanswered::Refused));
        assert_eq!(breaker.ask(ready(Ok(7))).await, Ok(7));
        let gone = RedisError::from((ErrorKind::Io, "gone"));
        assert_eq!(breaker.ask(ready(Err::<(), _>(gone))).await, Err(Unanswered::Silent));
        assert_eq!(breaker.ask(ready(Ok(7))).await, Err(Unanswered::Unasked));
    }

    #[tokio::test]
    async fn who_does_not_answer_in_time_is_silent() {
        let breaker = Breaker::new("a test", PATIENCE);
        assert_eq!(breaker.ask(pending::<RedisResult<()>>()).await, Err(Unanswered::Silent));
    }
}
