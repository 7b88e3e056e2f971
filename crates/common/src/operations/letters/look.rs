//! What a person sees of dead letters, and later means by "these".

use std::collections::VecDeque;

use futures_util::future::try_join_all;
use jiff::Timestamp;
use redis_kit::{
    Error,
    stream::dead_letters::{DeadLetters, Filter},
};

use super::{
    cause::{Cause, Causes},
    each::{PAGE, Unreadable, besides},
};
use crate::{messages::LetterFilter, operations::Installation, steadily::steadily};

/// The letters that were there at one moment, by their causes.
#[derive(Debug)]
pub struct Look {
    /// Those with the most letters first.
    pub causes: Vec<Cause>,
    /// What means these letters and no others, whatever comes later.
    pub filter: LetterFilter,
    /// Whether all were looked at.
    pub complete: bool,
}

impl Look {
    /// Looks at the letters of some groups, and stops when about `most` were read, whether they fit or not. Each group and
    /// partition has its turn, so that many letters of one do not hide those of another.
    pub async fn take(
        installation: &Installation,
        groups: &[&str],
        filter: LetterFilter,
        most: usize,
    ) -> Result<Self, Unreadable> {
        let wanted = Filter::from(&filter);
        let (mut causes, mut left) = (Causes::default(), most);
        let besides = besides(groups, &installation.names, installation.partitions);
        let mut turns: VecDeque<_> = besides.map(|beside| (beside, None)).collect();
        while left > 0
            && let Some((beside, after)) = turns.pop_front()
        {
            let count = left.min(PAGE);
            let page = beside.page(&installation.redis, after, count, &wanted).await?;
            for letter in &page.letters {
                causes.add(&beside.group, letter, beside.place(letter));
            }
            if page.next.is_some() {
                left -= count;
                turns.push_back((beside, page.next));
            } else {
                left = left.saturating_sub(page.letters.len());
            }
        }
        Ok(Self { causes: causes.sorted(), filter, complete: turns.is_empty() })
    }

    /// How many letters were found.
    pub fn count(&self) -> u64 {
        self.causes.iter().map(|cause| cause.count).sum()
    }

    /// Groups that have such letters, each with how many.
    pub fn groups(&self) -> Vec<(&str, u64)> {
        let mut groups: Vec<(&str, u64)> = Vec::new();
        for cause in &self.causes {
            match groups.iter_mut().find(|(group, _)| *group == cause.group) {
                Some((_, count)) => *count += cause.count,
                None => groups.push((&cause.group, cause.count)),
            }
        }
        groups
    }
}

/// Until when letters count that are there now. Nodes of a cluster have a clock each; by the slowest, nothing that comes later is
/// meant on any.
pub async fn moment_of_look(installation: &Installation) -> Result<Timestamp, Error> {
    let Installation { redis, names, partitions } = installation;
    // What stands beside another stream of the partition is on the same node.
    let clocks = names.orders_streams(*partitions).into_iter().map(async |stream| {
        let letters = DeadLetters::new(redis.clone(), stream, "");
        steadily(Error::is_transient, || letters.complete_until()).await
    });
    let until = try_join_all(clocks).await?.into_iter().min();
    // There is at least one partition.
    Ok(until.unwrap_or(Timestamp::UNIX_EPOCH))
}
