//! Where sessions stand in Redis, spelled here and nowhere else.

use super::token::SessionId;
use crate::{Error, plain_name::is_plain_name};

/// The keys of one user's sessions, all in one slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserKeys {
    /// `<prefix>session:{<tag>}`, a sorted set: the ids of the user's sessions by when they expire, in Unix
    /// milliseconds.
    pub index: String,
}

impl UserKeys {
    /// The keys of the user of this tag.
    ///
    /// # Errors
    /// [`Error::InvalidUserTag`].
    pub fn new(prefix: &str, tag: &str) -> Result<Self, Error> {
        if !is_plain_name(tag) {
            return Err(Error::InvalidUserTag { tag: tag.to_owned() });
        }
        Ok(Self { index: format!("{prefix}session:{{{tag}}}") })
    }

    /// `<prefix>session:{<tag>}:<id>`, a hash: one session.
    pub fn session(&self, id: &SessionId) -> String {
        format!("{}:{id}", self.index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_users_keys_share_a_slot() {
        let keys = UserKeys::new("shop:", "u-42").unwrap();
        assert_eq!(keys.index, "shop:session:{u-42}");
        let id = SessionId::parse(&"0a".repeat(32)).unwrap();
        assert_eq!(keys.session(&id), format!("shop:session:{{u-42}}:{}", "0a".repeat(32)));
    }

    #[test]
    fn only_a_plain_tag_gets_into_a_key() {
        for tag in ["a", "Z.9_-", &"x".repeat(64)] {
            assert!(UserKeys::new("", tag).is_ok(), "{tag}");
        }
        for tag in ["", &"x".repeat(65), "a}", "{a}", "a:b", "a b", "a\r\nb", "a\0", "ä"] {
            let error = UserKeys::new("", tag).unwrap_err();
            assert!(matches!(error, Error::InvalidUserTag { .. }) && !error.is_transient(), "{tag}");
        }
    }
}
