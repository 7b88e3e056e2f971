use jiff::Timestamp;

use crate::stream::StreamId;

/// How many updates go in one script call at most, unless more of them share a position: while Redis runs it, everybody waits.
pub(super) const UPDATES_AT_ONCE: usize = 500;

/// Points that are brought to a board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// Whose they are.
    pub member: String,
    /// How many. On a board of what is trending less than 1 counts as nothing.
    pub points: i64,
    /// When that was: it decides in which periods they count, and who was first among those with equal scores.
    pub at: Timestamp,
    /// What is to be known of the member from now on, such as a name. As it was before, if `None`.
    pub metadata: Option<String>,
}

impl Update {
    /// Points of now.
    pub fn new(member: impl Into<String>, points: i64) -> Self {
        Self { member: member.into(), points, at: Timestamp::now(), metadata: None }
    }

    /// The same at another time.
    #[must_use]
    pub fn at(self, at: Timestamp) -> Self {
        Self { at, ..self }
    }

    /// The same, and something that is to be known of the member.
    #[must_use]
    pub fn with_metadata(self, metadata: impl Into<String>) -> Self {
        Self { metadata: Some(metadata.into()), ..self }
    }
}

/// What became of updates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// How many were taken. The others had been before.
    pub taken: u64,
    /// How many scores would have been beyond the board's, in all rankings together, and were cut to the lowest or the highest.
    pub cut: u64,
}

/// An update, and its position in its source.
pub(super) type Numbered = (StreamId, Update);

/// Updates without a source.
pub(super) fn unnumbered(updates: impl IntoIterator<Item = Update>) -> Vec<Numbered> {
    updates.into_iter().map(|update| (StreamId::ZERO, update)).collect()
}

/// Splits a source's updates into what goes in one call each. Those of one position stay together: the cursor passes them
/// all at once.
pub(super) fn parts(source: &str, mut updates: Vec<Numbered>) -> Vec<Vec<Numbered>> {
    updates.sort_by_key(|(position, _)| *position);
    let mut parts: Vec<Vec<Numbered>> = Vec::new();
    for update in updates {
        match parts.last_mut() {
            Some(part)
                if part.len() < UPDATES_AT_ONCE || (!source.is_empty() && is_beside(part, &update)) =>
            {
                part.push(update);
            }
            _ => parts.push(vec![update]),
        }
    }
    parts
}

fn is_beside(part: &[Numbered], (position, _): &Numbered) -> bool {
    part.last().is_some_and(|(last, _)| last == position)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn updates_of_one_position_stay_together() {
        let at = |milliseconds| {
            (StreamId { milliseconds, sequence: 0 }, Update::new("a", 1).at(Timestamp::UNIX_EPOCH))
        };
        let mut updates: Vec<Numbered> = (0..UPDATES_AT_ONCE as u64 - 1).map(at).collect();
        updates.extend((0..10).map(|_| at(1000)));
        updates.push(at(1001));
        let lengths = |source| parts(source, updates.clone()).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(lengths("stream"), [UPDATES_AT_ONCE + 9, 1]);
        assert_eq!(lengths(""), [UPDATES_AT_ONCE, 10]);
        assert_eq!(parts("stream", Vec::new()), Vec::<Vec<Numbered>>::new());
    }
}
