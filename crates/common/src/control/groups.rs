use std::num::NonZeroU32;

use redis_kit::{
    Connection, Error,
    stream::{
        Commit, Slot, StreamId,
        dead_letters::{DeadLetters, Filter},
        read_after,
    },
};

use super::{CarryOut, Outcome, Paused, Pauses, Request};
use crate::{
    messages::{Action, ControlEvent},
    names::Names,
    partition::Partitions,
};

/// Does what operators ask of one service's groups.
pub(crate) struct GroupActions {
    pub(crate) redis: Connection,
    pub(crate) names: Names,
    pub(crate) partitions: Partitions,
    pub(crate) pauses: Pauses,
}

impl CarryOut for GroupActions {
    async fn carry_out(&self, request: &Request<'_>) -> Result<Outcome, Error> {
        let Some(group) = request.action.group() else {
            return Ok(Outcome::refused("it is about no group"));
        };
        match request.action {
            Action::ReplayDeadLetters { filter, per_second, .. } => {
                self.replay(group, &filter.into(), *per_second).await
            }
            Action::DropDeadLetters { filter, .. } => self.drop_letters(group, &filter.into()).await,
            Action::PauseGroup { .. } | Action::ResumeGroup { .. } if !self.pauses.has(group) => {
                Ok(Outcome::refused(format!("nobody reads by {group}, so there is nothing to pause")))
            }
            Action::PauseGroup { .. } | Action::ResumeGroup { .. }
                if self.is_overtaken(group, request.stream_id).await? =>
            {
                Ok(Outcome::refused("a later request says what is to become of the group"))
            }
            Action::PauseGroup { .. } => Ok(self.pause(group, request)),
            Action::ResumeGroup { .. } => self.resume(group).await,
            _ => Ok(Outcome::refused("this version does not know how")),
        }
    }
}

impl GroupActions {
    /// May be begun again after a crash: a letter that is back in its stream is no letter any more. Then it tells of those
    /// that were left.
    async fn replay(&self, group: &str, filter: &Filter, per_second: NonZeroU32) -> Result<Outcome, Error> {
        let (mut replayed, mut refused) = (0, 0);
        for letters in self.dead_letters(group) {
            let done = letters.replay_all(filter, per_second).await?;
            replayed += done.count;
            refused += done.refused.len();
        }
        let told = match refused {
            0 => format!("replayed {replayed}"),
            _ => format!("replayed {replayed}, refused {refused} that do not hold their entry as it was"),
        };
        Ok(Outcome { succeeded: refused == 0, told, commit: Commit::new() })
    }

    /// May be begun again, as a replay may.
    async fn drop_letters(&self, group: &str, filter: &Filter) -> Result<Outcome, Error> {
        let mut dropped = 0;
        for letters in self.dead_letters(group) {
            dropped += letters.drop_all(filter).await?;
        }
        Ok(Outcome::done(format!("dropped {dropped}"), Commit::new()))
    }

    fn dead_letters(&self, group: &str) -> impl Iterator<Item = DeadLetters> {
        let streams = self.names.streams_of(group, self.partitions);
        streams.into_iter().map(move |stream| DeadLetters::new(self.redis.clone(), stream, group))
    }

    fn pause(&self, group: &str, request: &Request<'_>) -> Outcome {
        let Request { by, why, occurred_at, .. } = *request;
        let paused = Paused { by: by.to_owned(), at: occurred_at, why: why.map(str::to_owned) };
        Outcome::done("paused", paused.write(&self.names.pause(group)))
    }

    async fn resume(&self, group: &str) -> Result<Outcome, Error> {
        let key = self.names.pause(group);
        Ok(match Paused::read(&mut self.redis.clone(), &key).await? {
            Some(_) => Outcome::done("resumed", Paused::remove(&key)),
            None => Outcome::done("it was not paused", Commit::new()),
        })
    }

    /// Whether a request that came after this one pauses or resumes the same group. Two may be carried out at once, as after
    /// the service was away, and the later one counts.
    async fn is_overtaken(&self, group: &str, request: StreamId) -> Result<bool, Error> {
        let (mut redis, stream) = (self.redis.clone(), self.names.control_stream());
        let mut position = request;
        loop {
            let page = read_after::<ControlEvent>(&mut redis, &stream, position, 1000).await?;
            if page.slots.iter().any(|slot| decides_pause(slot, group)) {
                return Ok(true);
            }
            let Some(last) = page.slots.last() else { return Ok(false) };
            position = last.id();
        }
    }
}

fn decides_pause(slot: &Slot<ControlEvent>, group: &str) -> bool {
    let Slot::Entry(entry) = slot else { return false };
    let ControlEvent::Requested { action, .. } = &entry.message else { return false };
    matches!(action, Action::PauseGroup { .. } | Action::ResumeGroup { .. }) && action.group() == Some(group)
}
