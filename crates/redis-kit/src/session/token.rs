//! What a client holds, and what is known of it here.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::plain_name::is_plain_name;

/// The bytes of a token's secret part.
const SECRET: usize = 32;

/// What the client of a session holds: `<user tag>.<256 random bits in lowercase hex>`. Whoever has it is logged in, so
/// it belongs into a [cookie](super::SessionCookie) and nowhere else. Redis knows only its hash, and [`Debug`](fmt::Debug)
/// shows only that.
#[derive(Clone)]
pub struct Token {
    text: String,
    tag: String,
    id: SessionId,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("tag", &self.tag).field("id", &self.id).finish_non_exhaustive()
    }
}

impl Token {
    /// Draws one from the operating system's randomness.
    #[expect(clippy::expect_used, reason = "a system without randomness can keep no secret")]
    pub(super) fn draw(tag: &str) -> Self {
        let mut secret = [0; SECRET];
        getrandom::fill(&mut secret).expect("the operating system's randomness");
        Self::of(tag, format!("{tag}.{}", hex::encode(secret)))
    }

    /// Reads what a client sent. `None` if it cannot be a token; whether there is such a session only Redis knows.
    pub fn parse(text: &str) -> Option<Self> {
        // A tag may contain dots, and the secret does not.
        let (tag, secret) = text.rsplit_once('.')?;
        (is_plain_name(tag) && is_lowercase_hex(secret)).then(|| Self::of(tag, text.to_owned()))
    }

    fn of(tag: &str, text: String) -> Self {
        let id = SessionId(hex::encode(Sha256::digest(&text)));
        Self { tag: tag.to_owned(), id, text }
    }

    /// The secret itself, to be given to the client.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The user's tag.
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// The id of its session.
    pub fn id(&self) -> &SessionId {
        &self.id
    }
}

/// The public id of a session: the SHA-256 hash of its token in lowercase hex, under which it stands in Redis. It may be shown: nobody
/// finds the token to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionId(String);

impl SessionId {
    /// Reads an id. `None` if it cannot be one.
    pub fn parse(text: &str) -> Option<Self> {
        is_lowercase_hex(text).then(|| Self(text.to_owned()))
    }

    /// As it was shown.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether this is 256 bits, written in the only way there is.
fn is_lowercase_hex(text: &str) -> bool {
    text.len() == 2 * SECRET && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_written() {
        let token = Token::draw("u.4-2");
        let read = Token::parse(token.as_str()).unwrap();
        assert_eq!((read.as_str(), read.tag(), read.id()), (token.as_str(), "u.4-2", token.id()));
        assert_ne!(Token::draw("u.4-2").as_str(), token.as_str());
        assert_eq!(SessionId::parse(token.id().as_str()).as_ref(), Some(token.id()));
    }

    #[test]
    fn what_is_no_token_is_not_read() {
        let token = Token::draw("ann");
        let text = token.as_str();
        let secret = text.strip_prefix("ann.").unwrap();
        let odd = [
            String::new(),
            ".".into(),
            secret.into(),
            format!(".{secret}"),
            text[..text.len() - 1].into(),
            format!("{text}0"),
            format!("{text}\r\nX: y"),
            format!(" {text}"),
            format!("{{ann}}.{secret}"),
            format!("a:b.{secret}"),
            format!("{}.{secret}", "a".repeat(65)),
            format!("ann.{}", "G".repeat(64)),
            // Another way to write the same bits.
            format!("ann.{}", "A".repeat(64)),
            format!("ann.{}", "ä".repeat(32)),
        ];
        for text in odd {
            assert!(Token::parse(&text).is_none(), "{text:?}");
        }
        assert!(SessionId::parse("..").is_none());
    }

    #[test]
    fn the_secret_is_not_shown() {
        let token = Token::draw("ann");
        let secret = token.as_str().strip_prefix("ann.").unwrap();
        let shown = format!("{token:?}");
        assert!(!shown.contains(secret) && shown.contains(token.id().as_str()), "{shown}");
    }
}
