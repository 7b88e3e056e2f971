//! Why letters were given up, as far as that is the same of many.

use jiff::Timestamp;
use redis_kit::stream::dead_letters::DeadLetter;
use serde::Serialize;

use super::place::Place;
use crate::{moment, printable::printable};

/// Letters of one group and one type that were given up for the same reason.
#[derive(Serialize)]
pub(super) struct Cause {
    pub(super) group: String,
    #[serde(rename = "type")]
    pub(super) message_type: Option<String>,
    /// The reason; what differs from letter to letter is `…`.
    pub(super) reason: String,
    pub(super) count: u64,
    oldest: Timestamp,
    newest: Timestamp,
    example: Place,
}

impl Cause {
    pub(super) fn of(group: &str, letter: &DeadLetter, place: Place) -> Self {
        let at = moment::of(letter.id);
        Self {
            group: group.into(),
            message_type: letter.message_type().map(str::to_owned),
            reason: shape(&letter.reason),
            count: 1,
            oldest: at,
            newest: at,
            example: place,
        }
    }

    /// Whether that is the same cause.
    pub(super) fn is(&self, other: &Self) -> bool {
        (&self.group, &self.message_type, &self.reason) == (&other.group, &other.message_type, &other.reason)
    }

    /// Takes in the letters of the same cause. The example becomes the newest.
    pub(super) fn add(&mut self, other: Self) {
        self.count += other.count;
        self.oldest = self.oldest.min(other.oldest);
        if other.newest >= self.newest {
            (self.newest, self.example) = (other.newest, other.example);
        }
    }

    /// What people read of it.
    pub(super) fn text(&self) -> String {
        let Self { group, message_type, reason, count, oldest, newest, example } = self;
        let message_type = message_type.as_deref().map_or_else(|| "without a type".into(), printable);
        format!(
            "{count} × {message_type}, given up by {group}\n  because  {}\n  between  {oldest:.3} and {newest:.3}\n  such as  {example}\n",
            printable(reason)
        )
    }
}

/// What of a reason is the same for many letters: words that hold a digit, such as ids and numbers, are left out.
fn shape(reason: &str) -> String {
    let mut shape = String::new();
    let mut rest = reason;
    while !rest.is_empty() {
        let (word, behind) = split_where(rest, |char| !is_of_word(char));
        shape.push_str(if word.chars().any(|char| char.is_ascii_digit()) { "…" } else { word });
        let (between, next) = split_where(behind, is_of_word);
        shape.push_str(between);
        rest = next;
    }
    shape
}

fn split_where(text: &str, end: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(end).unwrap_or(text.len()))
}

/// Of ids, numbers, times and addresses too.
fn is_of_word(char: char) -> bool {
    char.is_alphanumeric() || matches!(char, '-' | '_' | '.' | ':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_that_differ_in_ids_and_numbers_have_one_shape() {
        for (reason, expected) in [
            ("no order 5b1c4f0e-8f0e-4bb5-9a51-0d8a1f0e2c11 there", "no order … there"),
            ("the provider answered 500", "the provider answered …"),
            ("expected `,` at line 1 column 13", "expected `,` at line … column …"),
            ("127.0.0.1:8080 refused, at 2026-01-31T12:00:00.123Z", "… refused, at …"),
            (
                "the type \"order.refunded\" is unknown to this version",
                "the type \"order.refunded\" is unknown to this version",
            ),
            ("99.00 EUR (1700000000000-0)", "… EUR (…)"),
            ("", ""),
            ("5", "…"),
            ("größer als 3 Bücher", "größer als … Bücher"),
        ] {
            assert_eq!(shape(reason), expected);
        }
    }
}
