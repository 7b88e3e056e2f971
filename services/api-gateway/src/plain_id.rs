//! Ids from outside are spelled with few characters, so that they are safe in keys, logs and URLs.

use uuid::Uuid;

pub(crate) const MAX_LENGTH: usize = 64;

/// Whether it is 1 to 64 letters, digits, `-`, `_` and `.`.
pub(crate) fn is_plain_id(text: &str) -> bool {
    (1..=MAX_LENGTH).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// Reads a UUID as `Location` spells it. There are other spellings (`{…}`, `urn:uuid:…`), but a thing has one address.
pub(crate) fn plain_uuid(text: &str) -> Option<Uuid> {
    text.parse().ok().filter(|id: &Uuid| id.to_string() == text)
}
