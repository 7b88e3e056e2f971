//! What a person sees of dead letters, and later means by "these".

use std::cmp::Reverse;

use anyhow::Context;
use common::messages::LetterFilter;
use redis_kit::stream::dead_letters::{DeadLetter, DeadLetters, Filter};

use super::{cause::Cause, place::Place, which::WhichArgs};
use crate::{installation::Installation, letters, report};

/// The letters that were there at one moment, by their causes.
pub(super) struct Look {
    /// Those with the most letters first.
    pub(super) causes: Vec<Cause>,
    /// What means these letters and no others, whatever comes later.
    pub(super) filter: LetterFilter,
}

impl Look {
    pub(super) async fn take(installation: &Installation, which: &WhichArgs) -> anyhow::Result<Self> {
        let filter = moment_of_look(installation, which).await?;
        let mut causes: Vec<Cause> = Vec::new();
        each(installation, which, &filter, |group, place, letter| {
            let cause = Cause::of(group, letter, place);
            match causes.iter_mut().find(|known| known.is(&cause)) {
                Some(known) => known.add(cause),
                None => causes.push(cause),
            }
        })
        .await?;
        causes.sort_by_key(|cause| Reverse(cause.count));
        Ok(Self { causes, filter })
    }

    pub(super) fn count(&self) -> u64 {
        self.causes.iter().map(|cause| cause.count).sum()
    }

    /// Groups that have such letters, each with how many.
    pub(super) fn groups(&self) -> Vec<(&str, u64)> {
        let mut groups: Vec<(&str, u64)> = Vec::new();
        for cause in &self.causes {
            match groups.iter_mut().find(|(group, _)| *group == cause.group) {
                Some((_, count)) => *count += cause.count,
                None => groups.push((&cause.group, cause.count)),
            }
        }
        groups
    }

    /// Prints each cause.
    pub(super) fn print(&self, json: bool) -> anyhow::Result<()> {
        for cause in &self.causes {
            let text = if json { serde_json::to_string(cause)? } else { cause.text() };
            report::print(&text)?;
        }
        Ok(())
    }
}

/// The filter for letters that are there now. Nodes of a cluster have a clock each; by the slowest, nothing that comes later is
/// meant on any.
pub(super) async fn moment_of_look(
    installation: &Installation,
    which: &WhichArgs,
) -> anyhow::Result<LetterFilter> {
    let mut until = None;
    for stream in installation.names.orders_streams(installation.partitions) {
        // What stands beside another stream of the partition is on the same node.
        let there = DeadLetters::new(installation.redis.clone(), stream, "").complete_until().await?;
        until = Some(until.map_or(there, |until| there.min(until)));
    }
    Ok(which.filter(until.context("there is at least one partition")?))
}

/// Tells every letter that is meant, with its group and where it is.
pub(super) async fn each(
    installation: &Installation,
    which: &WhichArgs,
    filter: &LetterFilter,
    mut tell: impl FnMut(&str, Place, &DeadLetter),
) -> anyhow::Result<()> {
    let filter = Filter::from(filter);
    for group in which.groups() {
        let streams = installation.names.streams_of(group, installation.partitions);
        for (partition, stream) in installation.partitions.all().zip(streams) {
            let place = |id| Place { group: Some(group.into()), partition, id };
            let tell = |letter: &DeadLetter| tell(group, place(letter.id), letter);
            letters::each(&installation.redis, &stream, group, &filter, tell)
                .await
                .with_context(|| format!("cannot read the dead letters of {group} beside {stream}"))?;
        }
    }
    Ok(())
}
