//! Ids from outside are spelled with few characters, so that they are safe in keys, logs and URLs.

pub(crate) const MAX_LENGTH: usize = 64;

/// Whether it is 1 to 64 letters, digits, `-`, `_` and `.`.
pub(crate) fn is_plain_id(text: &str) -> bool {
    (1..=MAX_LENGTH).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}
