//! What became of the entries, against what should have.

use std::collections::{BTreeSet, HashMap};

use redis::RedisResult;
use redis_kit::stream::Mode;

use crate::{
    fate::{End, Fate},
    keys::{self, PARTITIONS},
    view::{Fields, View, number},
    witness::Witness,
};

/// The numbers of the entries with which something is wrong.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Verdict {
    /// Without the effect they should have had.
    pub(crate) lost: Vec<u64>,
    /// With an effect too many.
    pub(crate) doubled: Vec<u64>,
    /// With an effect after that of a later entry of their partition; only in ordered mode. As the order of a partition
    /// holds, so does that of every key in it.
    pub(crate) reordered: Vec<u64>,
    /// With a part of their effect.
    pub(crate) torn: Vec<u64>,
    /// With another number of failed attempts on record than have failed.
    pub(crate) miscounted: Vec<u64>,
}

/// What a run was.
pub(crate) struct Run<'a> {
    pub(crate) view: &'a View,
    pub(crate) witness: &'a Witness,
    pub(crate) seed: u64,
    pub(crate) mode: Mode,
    /// How many entries were appended.
    pub(crate) entries: u64,
}

impl Run<'_> {
    pub(crate) async fn judge(&self) -> RedisResult<Verdict> {
        let mut verdict = Verdict::default();
        for partition in 0..PARTITIONS {
            self.check_the_producer(partition).await?;
            self.judge_writes(partition, &mut verdict).await?;
            self.judge_letters(partition, &mut verdict).await?;
            self.judge_acknowledgements(partition, &mut verdict);
        }
        Ok(verdict)
    }

    /// What was appended twice, or never, is not the engine's doing.
    async fn check_the_producer(&self, partition: u64) -> RedisResult<()> {
        let entries = self.view.all(&keys::entries(partition)).await?;
        let appended: Vec<u64> = entries.iter().map(number).collect();
        assert!(appended.iter().copied().eq(self.numbers(partition)), "the producer is at fault");
        Ok(())
    }

    async fn judge_writes(&self, partition: u64, verdict: &mut Verdict) -> RedisResult<()> {
        let done = self.view.all(&keys::done(partition)).await?;
        let done: Vec<u64> = done.iter().map(number).collect();
        self.compare(partition, End::Write, &done, verdict);
        let applied: HashMap<u64, u32> = self.view.ask(&["HGETALL", &keys::applied(partition)]).await?;
        let (appended, set): (BTreeSet<u64>, BTreeSet<u64>) =
            (done.into_iter().collect(), applied.keys().copied().collect());
        verdict.torn.extend(appended.symmetric_difference(&set));
        let wrong = applied.iter().filter(|(number, attempt)| **attempt != self.fate(**number).failures + 1);
        verdict.miscounted.extend(wrong.map(|(number, _)| number));
        Ok(())
    }

    async fn judge_letters(&self, partition: u64, verdict: &mut Verdict) -> RedisResult<()> {
        let letters = self.view.all(&keys::of_group(partition, "dead")).await?;
        let dead: Vec<u64> = letters.iter().map(number).collect();
        self.compare(partition, End::Reject, &dead, verdict);
        let is_wrong =
            |letter: &&Fields| letter["attempts"].parse() != Ok(self.fate(number(letter)).failures + 1);
        verdict.miscounted.extend(letters.iter().filter(is_wrong).map(number));
        Ok(())
    }

    /// That a handler has said of each entry whose commit is empty that it was done with it. (That it is not pending any
    /// more has been seen.)
    fn judge_acknowledgements(&self, partition: u64, verdict: &mut Verdict) {
        let expected = self.numbers(partition).filter(|number| self.fate(*number).end == End::Nothing);
        verdict
            .lost
            .extend(expected.filter(|number| !self.witness.saw(*number, self.fate(*number).failures + 1)));
    }

    /// Compares effects of one kind with those that should be there.
    fn compare(&self, partition: u64, end: End, found: &[u64], verdict: &mut Verdict) {
        let mut missing: BTreeSet<u64> =
            self.numbers(partition).filter(|number| self.fate(*number).end == end).collect();
        let mut last = 0;
        for number in found {
            if !missing.remove(number) {
                verdict.doubled.push(*number);
            } else if self.mode == Mode::Ordered && *number < last {
                verdict.reordered.push(*number);
            }
            last = last.max(*number);
        }
        verdict.lost.extend(missing);
    }

    fn numbers(&self, partition: u64) -> impl Iterator<Item = u64> + use<> {
        (0..self.entries).filter(move |number| number % PARTITIONS == partition)
    }

    fn fate(&self, number: u64) -> Fate {
        Fate::of(number, self.seed, self.mode)
    }
}
