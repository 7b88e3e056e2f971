//! From when on events are told.

use anyhow::ensure;
use common::{messages::OrderEvent, positions::Positions};
use jiff::Timestamp;
use redis_kit::{
    pubsub,
    stream::{StreamId, read_after},
};

use crate::{installation::Installation, moment};

/// What `--since` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Since {
    Now,
    Beginning,
    At(Timestamp),
}

impl Since {
    /// Reads `now`, `beginning`, a time, or how long ago.
    pub(super) fn parse(text: &str, now: Timestamp) -> Result<Self, String> {
        match text {
            "now" => return Ok(Self::Now),
            "beginning" => return Ok(Self::Beginning),
            _ => {}
        }
        moment::parse(text, now).map(Self::At).ok_or_else(|| {
            "expected `now`, `beginning`, how long ago (such as 10m, 2h or 1d), or a time (such as 2026-01-31T12:00:00Z)".into()
        })
    }

    /// Where that is in each journal.
    pub(super) async fn find(self, source: &Installation) -> anyhow::Result<pubsub::Since> {
        Ok(match self {
            Self::Now => pubsub::Since::Now,
            Self::Beginning => pubsub::Since::Positions(Vec::new()),
            Self::At(time) => {
                let mut positions = Vec::new();
                for journal in source.names.orders_streams(source.partitions) {
                    positions.push(find(source, &journal, last_before(time)).await?);
                }
                pubsub::Since::Positions(positions)
            }
        })
    }
}

/// Where `--after` is, if that is a position in as many journals as there are.
pub(super) fn behind(positions: &Positions, source: &Installation) -> anyhow::Result<pubsub::Since> {
    let (given, partitions) = (positions.0.len(), source.partitions.count());
    ensure!(
        given == usize::from(partitions),
        "--after names a position in {given} journals, but this installation has {partitions}"
    );
    Ok(pubsub::Since::Positions(positions.0.clone()))
}

/// The last place up to `wanted` where an entry stands; or `wanted` itself, if what follows it is gone: whoever
/// begins there is told so.
async fn find(source: &Installation, journal: &str, wanted: StreamId) -> anyhow::Result<StreamId> {
    let page = read_after::<OrderEvent>(&mut source.redis.clone(), journal, wanted, 1).await?;
    Ok(page.after.min(wanted))
}

/// The greatest id that an entry can have which was appended before `time`.
fn last_before(time: Timestamp) -> StreamId {
    match u64::try_from(time.as_millisecond()) {
        Ok(milliseconds @ 1..) => StreamId { milliseconds: milliseconds - 1, sequence: u64::MAX },
        _ => StreamId::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn it_is_a_time_or_how_long_ago_or_a_word() {
        let now = time("2026-01-31T12:00:00Z");
        for (text, expected) in [
            ("now", Since::Now),
            ("beginning", Since::Beginning),
            ("10m", Since::At(time("2026-01-31T11:50:00Z"))),
            ("2h 30m", Since::At(time("2026-01-31T09:30:00Z"))),
            ("1d", Since::At(time("2026-01-30T12:00:00Z"))),
            ("90s", Since::At(time("2026-01-31T11:58:30Z"))),
            ("2026-01-31T13:00:00+02:00", Since::At(time("2026-01-31T11:00:00Z"))),
        ] {
            assert_eq!(Since::parse(text, now), Ok(expected), "{text}");
        }
        for refused in ["", "yesterday", "10", "-10m", "1mo", "9999999999h"] {
            assert!(Since::parse(refused, now).is_err(), "{refused}");
        }
    }

    #[test]
    fn what_was_appended_at_that_very_millisecond_is_told() {
        let position = last_before(time("1970-01-01T00:00:00.005Z"));
        assert!(position < StreamId { milliseconds: 5, sequence: 0 });
        assert!(position >= StreamId { milliseconds: 4, sequence: 9 });
        assert_eq!(last_before(Timestamp::UNIX_EPOCH), StreamId::ZERO);
    }
}
