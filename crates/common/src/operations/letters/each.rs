//! Reading letters, a page at a time.

use redis_kit::{
    Connection, Error,
    stream::{
        StreamId,
        dead_letters::{DeadLetter, DeadLetters, Filter, Page},
    },
};

use super::Place;
use crate::{
    messages::LetterFilter, names::Names, operations::Installation, partition::Partitions, steadily::steadily,
};

/// Letters that are in memory at a time.
pub(super) const PAGE: usize = 500;

/// The letters of a group beside a stream cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the dead letters of {group} beside {stream}")]
pub struct Unreadable {
    /// The group.
    pub group: String,
    /// The stream.
    pub stream: String,
    /// Why.
    pub source: Error,
}

/// Tells every dead letter of some groups that fits, with its group and where it is: those of one partition after those of
/// another, the oldest first.
pub async fn each(
    installation: &Installation,
    groups: &[&str],
    filter: &LetterFilter,
    mut tell: impl FnMut(&str, Place, &DeadLetter),
) -> Result<(), Unreadable> {
    let filter = Filter::from(filter);
    for beside in besides(groups, &installation.names, installation.partitions) {
        let tell = |letter: &DeadLetter| tell(&beside.group, beside.place(letter), letter);
        each_of(&installation.redis, &beside.stream, &beside.group, &filter, tell)
            .await
            .map_err(|source| beside.unreadable(source))?;
    }
    Ok(())
}

/// Tells every dead letter of `group` on a stream that fits, oldest first.
pub async fn each_of(
    redis: &Connection,
    stream: &str,
    group: &str,
    filter: &Filter,
    mut tell: impl FnMut(&DeadLetter),
) -> Result<(), Error> {
    let letters = DeadLetters::new(redis.clone(), stream, group);
    let mut after = None;
    loop {
        let page = steadily(Error::is_transient, || letters.page(after, PAGE, filter)).await?;
        page.letters.iter().for_each(&mut tell);
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

/// Where letters are: beside the stream of one partition.
pub(super) struct Beside {
    pub(super) group: String,
    partition: u16,
    stream: String,
}

/// Everywhere that these groups have letters.
pub(super) fn besides(
    groups: &[&str],
    names: &Names,
    partitions: Partitions,
) -> impl Iterator<Item = Beside> {
    groups.iter().flat_map(move |group| {
        let streams = partitions.all().zip(names.streams_of(group, partitions));
        streams.map(|(partition, stream)| Beside { group: (*group).into(), partition, stream })
    })
}

impl Beside {
    /// Those of the next `count` letters that fit.
    pub(super) async fn page(
        &self,
        redis: &Connection,
        after: Option<StreamId>,
        count: usize,
        filter: &Filter,
    ) -> Result<Page, Unreadable> {
        let letters = DeadLetters::new(redis.clone(), &*self.stream, &*self.group);
        let page = steadily(Error::is_transient, || letters.page(after, count, filter)).await;
        page.map_err(|source| self.unreadable(source))
    }

    pub(super) fn place(&self, letter: &DeadLetter) -> Place {
        Place { group: Some(self.group.clone()), partition: self.partition, id: letter.id }
    }

    fn unreadable(&self, source: Error) -> Unreadable {
        Unreadable { group: self.group.clone(), stream: self.stream.clone(), source }
    }
}
