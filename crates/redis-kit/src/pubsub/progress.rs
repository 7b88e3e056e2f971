use crate::stream::StreamId;

/// How far the caller of a subscription is in one partition.
#[derive(Debug)]
pub(super) struct Progress {
    /// Where it stands: after the last thing it was given, or that was passed over since.
    passed: StreamId,
    /// The last thing it was given.
    given: StreamId,
    /// The last thing it has done.
    done: StreamId,
}

impl Progress {
    pub(super) fn new(position: StreamId) -> Self {
        Self { passed: position, given: position, done: position }
    }

    pub(super) fn passed(&self) -> StreamId {
        self.passed
    }

    /// An entry that is nothing to the caller was passed over.
    pub(super) fn pass(&mut self, id: StreamId) {
        self.passed = id;
    }

    pub(super) fn give(&mut self, id: StreamId) {
        self.done = self.settled();
        (self.passed, self.given) = (id, id);
    }

    /// The caller is done with everything up to `id`. What it was not given it cannot be done with.
    pub(super) fn done(&mut self, id: StreamId) {
        if id <= self.given {
            self.done = self.done.max(id);
        }
    }

    /// Up to where nothing must be repeated.
    pub(super) fn settled(&self) -> StreamId {
        // What was passed over behind the last thing done is done too.
        if self.done >= self.given { self.passed } else { self.done }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u64) -> StreamId {
        StreamId { milliseconds: n, sequence: 0 }
    }

    #[test]
    fn what_was_given_and_not_done_is_not_settled() {
        let mut progress = Progress::new(id(1));
        progress.give(id(2));
        progress.give(id(3));
        assert_eq!(progress.settled(), id(1));
        progress.done(id(2));
        assert_eq!(progress.settled(), id(2));
        // One word for several.
        progress.give(id(4));
        progress.done(id(4));
        assert_eq!(progress.settled(), id(4));
    }

    #[test]
    fn what_was_passed_over_is_settled_with_what_came_before() {
        let mut progress = Progress::new(id(1));
        progress.pass(id(2));
        assert_eq!(progress.settled(), id(2));
        progress.give(id(3));
        progress.pass(id(4));
        assert_eq!((progress.passed(), progress.settled()), (id(4), id(2)));
        progress.done(id(3));
        assert_eq!(progress.settled(), id(4));
    }

    #[test]
    fn after_a_step_back_only_what_is_given_again_can_be_done() {
        let mut progress = Progress::new(id(9));
        progress.give(id(10));
        progress.give(id(0));
        progress.done(id(10));
        assert_eq!(progress.settled(), id(0));
    }
}
