use super::Position;
use crate::stream::StreamId;

/// How far one partition has been followed, and what that makes of a live message. Knows no Redis.
#[derive(Debug)]
pub(super) struct Track {
    /// Everything up to here has been passed on.
    reached: StreamId,
    /// The journal is being read, and until that is through nothing is taken live.
    reading: bool,
    /// The furthest id heard since the reading began, which it may have come too early for.
    heard: StreamId,
}

/// What to do with a live message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is the next one.
    Take,
    /// It is known, or will be read from the journal.
    Drop,
    /// Something is missing before it: read the journal.
    Look,
}

/// What a page of the journal means for those who follow.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Turned {
    /// Where it would have begun if nothing were missing, if it does not.
    pub(super) reset_from: Option<StreamId>,
    /// Whether there may be more to read.
    pub(super) go_on: bool,
}

impl Track {
    pub(super) fn new(reached: StreamId) -> Self {
        Self { reached, reading: false, heard: StreamId::ZERO }
    }

    /// Judges a live message: with `last` as what has been reached, it is known if `id ≤ last`, and the next one if
    /// `prev = last`. `prev < last < id` would be without a gap too, but the publisher stands where this follower has
    /// never stood: either an entry in between was not announced, or it is not the journal that it was, which only
    /// reading can tell.
    pub(super) fn hear(&mut self, message: Position) -> Verdict {
        if message.id <= self.reached {
            Verdict::Drop
        } else if self.reading {
            self.heard = self.heard.max(message.id);
            Verdict::Drop
        } else if message.prev == self.reached {
            Verdict::Take
        } else {
            Verdict::Look
        }
    }

    /// Passes on a live message that was to be taken; returns the place before it.
    pub(super) fn take(&mut self, id: StreamId) -> StreamId {
        std::mem::replace(&mut self.reached, id)
    }

    /// Begins to read the journal: after which entry? `None` if that is under way; it will go on then.
    pub(super) fn look(&mut self) -> Option<StreamId> {
        if self.reading {
            self.heard = StreamId { milliseconds: u64::MAX, sequence: u64::MAX };
            return None;
        }
        (self.reading, self.heard) = (true, StreamId::ZERO);
        Some(self.reached)
    }

    /// Passes on what was read: the entries after `after` up to `last`, which is `after` if there was none. `full` if
    /// there may be more behind it.
    pub(super) fn turn(&mut self, after: StreamId, last: StreamId, full: bool) -> Turned {
        let reset_from = (after != self.reached).then_some(self.reached);
        (self.reading, self.reached) = (false, last);
        // What was heard and did not stand in the page was appended after it was read. It is looked for once: there may
        // be no such entry, and each message heard is worth one look and no more.
        Turned { reset_from, go_on: full || self.heard > last }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn id(n: u64) -> StreamId {
        StreamId { milliseconds: n, sequence: 0 }
    }

    fn message(prev: u64, own: u64) -> Position {
        Position { partition: 0, prev: id(prev), id: id(own) }
    }

    #[test]
    fn a_message_is_taken_dropped_or_shows_a_gap_by_where_it_stands() {
        use Verdict::{Drop, Look, Take};
        for (prev, own, verdict) in [
            (5, 7, Take),
            (3, 5, Drop),
            (1, 3, Drop),
            (7, 9, Look),
            // Not where the publisher stood last: perhaps another journal.
            (3, 7, Look),
            (0, 7, Look),
            // Tips.
            (3, 3, Drop),
            (5, 5, Drop),
            (7, 7, Look),
            // Nonsense.
            (9, 7, Look),
            (9, 2, Drop),
        ] {
            assert_eq!(Track::new(id(5)).hear(message(prev, own)), verdict, "{prev} {own}");
        }
    }

    #[test]
    fn what_is_heard_while_reading_is_looked_for_once_more_and_not_for_ever() {
        let mut track = Track::new(id(5));
        assert_eq!(track.look(), Some(id(5)));
        assert_eq!(track.hear(message(5, 9)), Verdict::Drop);
        assert_eq!(track.turn(id(5), id(7), false), Turned { reset_from: None, go_on: true });
        // There is no such entry.
        assert_eq!(track.look(), Some(id(7)));
        assert_eq!(track.turn(id(7), id(7), false), Turned { reset_from: None, go_on: false });
    }

    #[test]
    fn a_subscription_that_is_renewed_while_reading_is_reason_to_read_on() {
        let mut track = Track::new(id(5));
        assert_eq!((track.look(), track.look()), (Some(id(5)), None));
        assert!(track.turn(id(5), id(5), false).go_on);
    }

    #[test]
    fn a_page_that_begins_elsewhere_is_a_reset() {
        for elsewhere in [0, 3, 9] {
            let mut track = Track::new(id(5));
            track.look();
            let turned = track.turn(id(elsewhere), id(elsewhere), false);
            assert_eq!(turned, Turned { reset_from: Some(id(5)), go_on: false });
            assert_eq!(track.hear(message(elsewhere, 10)), Verdict::Take);
        }
    }

    /// What can happen around a follower.
    #[derive(Clone, Debug)]
    enum Step {
        /// The publisher announces the next entry, if there is one.
        Announce,
        /// A live message arrives, whichever of those announced so far: late, twice, or never.
        Arrive(prop::sample::Index),
        /// So does a tip of what was announced last.
        Tip,
        /// Redis reads the page that was asked for.
        Read,
        /// What was read arrives.
        Turn,
        /// The connection was lost and is there again.
        Resubscribed,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => Just(Step::Announce),
            8 => any::<prop::sample::Index>().prop_map(Step::Arrive),
            1 => Just(Step::Tip),
            2 => Just(Step::Read),
            2 => Just(Step::Turn),
            1 => Just(Step::Resubscribed),
        ]
    }

    /// One partition: entries 1 to `announced` of the journal, and one who follows it.
    struct World {
        announced: u64,
        track: Track,
        asked: Option<StreamId>,
        read: Option<(StreamId, Vec<u64>)>,
        passed_on: Vec<u64>,
    }

    impl World {
        const PAGE: usize = 3;

        fn look(&mut self) {
            self.asked = self.asked.or(self.track.look());
        }

        fn hear(&mut self, position: Position) {
            match self.track.hear(position) {
                Verdict::Take => {
                    self.track.take(position.id);
                    self.passed_on.push(position.id.milliseconds);
                }
                Verdict::Look => self.look(),
                Verdict::Drop => {}
            }
        }

        fn read(&mut self) {
            if let Some(after) = self.asked.take() {
                let page = (after.milliseconds + 1..=self.announced).take(Self::PAGE).collect();
                self.read = Some((after, page));
            }
        }

        fn turn(&mut self) {
            if let Some((after, page)) = self.read.take() {
                let last = page.last().map_or(after, |last| id(*last));
                let turned = self.track.turn(after, last, page.len() == Self::PAGE);
                assert_eq!(turned.reset_from, None);
                self.passed_on.extend(page);
                if turned.go_on {
                    self.look();
                }
            }
        }

        fn step(&mut self, step: &Step) {
            match step {
                Step::Announce => self.announced += 1,
                Step::Arrive(which) if self.announced > 0 => {
                    let own = which.index(usize::try_from(self.announced).unwrap()) as u64 + 1;
                    self.hear(message(own - 1, own));
                }
                Step::Arrive(_) => {}
                Step::Tip => self.hear(message(self.announced, self.announced)),
                Step::Read => self.read(),
                Step::Turn => self.turn(),
                Step::Resubscribed => self.look(),
            }
        }
    }

    proptest! {
        #[test]
        fn whatever_is_lost_doubled_or_late_the_journal_is_passed_on_in_order_and_whole(
            steps in vec(step(), 0..200),
        ) {
            let mut world = World {
                announced: 0,
                track: Track::new(StreamId::ZERO),
                asked: None,
                read: None,
                passed_on: Vec::new(),
            };
            for step in &steps {
                world.step(step);
                let so_far: Vec<u64> = (1..=world.passed_on.len() as u64).collect();
                prop_assert_eq!(&world.passed_on, &so_far);
            }
            // One tip, and time to read, is all it takes.
            world.step(&Step::Tip);
            while world.asked.is_some() || world.read.is_some() {
                world.read();
                world.turn();
            }
            prop_assert_eq!(world.passed_on.len() as u64, world.announced);
        }
    }
}
