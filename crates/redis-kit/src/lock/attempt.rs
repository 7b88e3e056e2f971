//! One attempt to take a lock, by a majority of its servers.

use std::{sync::Arc, time::Duration};

use redis::RedisResult;
use tokio::time::Instant;

use super::{
    claim::{Claim, Subject, took_nothing},
    options::validity,
    quorum::{Tally, majority, too_late},
    scripts::Answer,
};
use crate::Error;

/// What became of an attempt that Redis answered.
#[derive(Debug)]
pub(super) enum Outcome {
    Held(Holding),
    Busy(Busy),
}

/// A lock that was taken.
#[derive(Debug)]
pub(super) struct Holding {
    pub(super) claim: Claim,
    pub(super) token: u64,
    /// From before it was asked for, so that no server began to count the time to live earlier.
    pub(super) since: Instant,
}

/// A lock that was not to be had.
#[derive(Clone, Debug)]
pub(super) struct Busy {
    /// For each server, when the lock is free there at the latest, unless it is renewed. `None` if that is not known.
    pub(super) free_at: Vec<Option<Instant>>,
    /// Several who asked at once got a part each, and none a majority.
    pub(super) is_split: bool,
}

impl Busy {
    fn new(answers: &[RedisResult<Answer>]) -> Self {
        let now = Instant::now();
        let free_at = |answer: &RedisResult<Answer>| match answer {
            Ok(Answer::Taken { .. }) => Some(now),
            // Redis counts whole milliseconds, and expires a key in the one after its last.
            Ok(Answer::Busy { expires_in }) => now.checked_add((*expires_in)? + Duration::from_millis(1)),
            Err(_) => None,
        };
        Self {
            free_at: answers.iter().map(free_at).collect(),
            is_split: answers.iter().any(|answer| matches!(answer, Ok(Answer::Taken { .. }))),
        }
    }

    /// When a majority is free at the latest. `None` if that is not known.
    pub(super) fn free_by(&self) -> Option<Instant> {
        soonest_majority(&self.free_at)
    }
}

/// When as many servers as are a majority will be free.
pub(super) fn soonest_majority(free_at: &[Option<Instant>]) -> Option<Instant> {
    let mut known: Vec<Instant> = free_at.iter().copied().flatten().collect();
    known.sort_unstable();
    known.get(majority(free_at.len()) - 1).copied()
}

/// Asks every server for the lock. Whatever is not held in the end is given back in the background, also when this is
/// dropped midway or no answer came.
///
/// # Errors
/// If too few servers answered to know, or too late.
pub(super) async fn attempt(subject: &Arc<Subject>, waits: bool) -> Result<Outcome, Error> {
    let claim = Claim::new(subject);
    let since = Instant::now();
    let answers = claim.acquire(waits).await;
    if answers.iter().all(took_nothing) {
        claim.settle();
    }
    let highest = highest_token(&answers);
    let busy = Busy::new(&answers);
    let took = |answer: RedisResult<Answer>| answer.map(|answer| matches!(answer, Answer::Taken { .. }));
    if !Tally::of(answers.into_iter().map(took)).verdict()? {
        return Ok(Outcome::Busy(busy));
    }
    // The next majority shares a server with the one that agrees here, and so gives a higher token.
    if busy.free_at.len() > 1 && !claim.raise(highest).await.verdict()? {
        return Err(too_late("the lock was lost while it was being taken").into());
    }
    if Instant::now() >= since + validity(claim.options().ttl) {
        return Err(too_late("the lock was taken, but so late that nothing is left of it").into());
    }
    Ok(Outcome::Held(Holding { claim, token: highest, since }))
}

/// The token of the acquisition: of those that a majority gave, the highest.
pub(super) fn highest_token(answers: &[RedisResult<Answer>]) -> u64 {
    let token = |answer: &RedisResult<Answer>| match answer {
        Ok(Answer::Taken { token }) => Some(*token),
        _ => None,
    };
    answers.iter().filter_map(token).max().unwrap_or_default()
}
