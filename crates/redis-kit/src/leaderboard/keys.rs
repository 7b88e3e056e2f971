//! The names of a board, spelled here and nowhere else. All of a board carry its name as their hash tag.

use super::{InvalidBoard, Period};
use crate::plain_name::is_plain_name;

/// The beginning of a board's keys.
#[derive(Clone, Debug)]
pub(super) struct BoardKeys {
    board: String,
}

impl BoardKeys {
    pub(super) fn new(prefix: &str, name: &str) -> Result<Self, InvalidBoard> {
        if prefix.contains(['{', '}']) {
            return Err(InvalidBoard::Prefix(prefix.into()));
        }
        if !is_plain_name(name) {
            return Err(InvalidBoard::Name(name.into()));
        }
        Ok(Self { board: format!("{prefix}leaderboard:{{{name}}}") })
    }

    /// A hash: how far the board has got with each source.
    pub(super) fn cursors(&self) -> String {
        format!("{}:cursors", self.board)
    }

    /// A sorted set: the members of one period's ranking.
    pub(super) fn ranking(&self, period: Period) -> String {
        format!("{}:{period}", self.board)
    }

    /// A sorted set: what is trending, by the logarithm of its weight.
    pub(super) fn trending(&self) -> String {
        format!("{}:trending", self.board)
    }

    /// A hash: how far a board of what is trending has got with each source. Its own, in case another board has the name.
    pub(super) fn trending_cursors(&self) -> String {
        format!("{}:trending:cursors", self.board)
    }
}

/// A sorted set: each score that there is in a ranking, once.
pub(super) fn scores(ranking: &str) -> String {
    format!("{ranking}:scores")
}

/// A hash: what is known of the members of a ranking, and of those that lie within it.
pub(super) fn metadata(ranking: &str) -> String {
    format!("{ranking}:metadata")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{connection::slot, leaderboard::Window};

    #[test]
    fn all_of_a_boards_keys_share_its_slot() {
        let keys = BoardKeys::new("shop:", "top-customers").unwrap();
        let day = keys.ranking(Window::Day.at("2026-11-27T13:00:00Z".parse().unwrap()));
        assert_eq!(day, "shop:leaderboard:{top-customers}:day:2026-11-27");
        assert_eq!(scores(&day), "shop:leaderboard:{top-customers}:day:2026-11-27:scores");
        for key in [keys.cursors(), keys.trending(), keys.trending_cursors(), metadata(&day)] {
            assert_eq!(slot(key.as_bytes()), slot(b"top-customers"), "{key}");
        }
    }

    #[test]
    fn what_could_not_be_a_hash_tag_is_no_name() {
        for name in ["", "a b", "{a}", "a}", "a:b", "ä", &"a".repeat(65)] {
            assert_eq!(BoardKeys::new("", name).unwrap_err(), InvalidBoard::Name(name.into()));
        }
        assert_eq!(BoardKeys::new("a{b}:", "a").unwrap_err(), InvalidBoard::Prefix("a{b}:".into()));
    }
}
