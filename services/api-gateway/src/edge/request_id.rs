//! `x-request-id`: what a client calls its request, or else a name made up for it, in every answer.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

pub(super) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// What a client may call a request has so many visible ASCII characters at most.
const MAX_LENGTH: usize = 128;

/// The client's name for its request; a new one if there is none, or none that fits.
pub(super) fn of(headers: &HeaderMap) -> HeaderValue {
    let fits = |id: &&HeaderValue| {
        (1..=MAX_LENGTH).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic)
    };
    headers.get(HEADER).filter(fits).cloned().unwrap_or_else(new)
}

fn new() -> HeaderValue {
    let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
    let id = Uuid::new_v4().hyphenated().encode_lower(&mut text);
    // Digits and dashes are visible ASCII.
    HeaderValue::from_str(id).unwrap_or(HeaderValue::from_static("none"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id_for(given: &str) -> HeaderValue {
        of(&HeaderMap::from_iter([(HEADER, HeaderValue::from_bytes(given.as_bytes()).unwrap())]))
    }

    #[test]
    fn a_name_that_fits_is_kept_and_any_other_replaced() {
        for fits in ["1", "mine-1", &"x".repeat(MAX_LENGTH)] {
            assert_eq!(id_for(fits), fits);
        }
        for other in ["", "a b", "\u{e4}", "a\tb", &"x".repeat(MAX_LENGTH + 1)] {
            assert_eq!(id_for(other).len(), 36, "{other:?}");
        }
        assert_ne!(of(&HeaderMap::new()), of(&HeaderMap::new()));
    }
}
