use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::shape::shape;
use crate::{stream::StreamId, trace::TraceContext};

/// A field's name and value, as they were: anybody may append anything to a stream.
pub type Field = (Vec<u8>, Vec<u8>);

/// An entry that a group gave up, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The letter's own id. Its time is when the entry was given up.
    pub id: StreamId,
    /// Where the entry first stood in its stream; a replay does not change it. `None` if the letter does not say, so
    /// that no worker wrote it.
    pub origin: Option<StreamId>,
    /// Why it was given up.
    pub reason: String,
    /// How many attempts were made.
    pub attempts: u32,
    /// The last of the attempts that failed, oldest first.
    pub history: Vec<FailedAttempt>,
    /// The entry's fields, in their order.
    pub fields: Vec<Field>,
}

/// One attempt that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedAttempt {
    /// When it failed; in Unix milliseconds as JSON.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub at: Timestamp,
    /// Which consumer had it.
    pub consumer: String,
    /// What failed.
    pub reason: String,
}

impl DeadLetter {
    /// The type of the message, if it says one.
    pub fn message_type(&self) -> Option<&str> {
        self.text("type")
    }

    /// The trace that the message belongs to, if it says one.
    pub fn trace(&self) -> Option<TraceContext> {
        self.text("traceparent")?.parse().ok()
    }

    /// What of its reason is the same for many letters: words that hold a digit, such as ids and numbers, are `…`.
    pub fn reason_shape(&self) -> String {
        shape(&self.reason)
    }

    /// The first field of that name, if there is one and it is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        let (_, value) = self.fields.iter().find(|(field, _)| field == name.as_bytes())?;
        str::from_utf8(value).ok()
    }

    /// Takes a letter as it was read. What is no letter is shown all the same, with all its fields, because whoever looks for
    /// it wants to see what is there.
    pub(super) fn parse(id: StreamId, mut fields: Vec<Field>) -> Self {
        let Some((origin, reason, attempts)) = head(&fields) else {
            let reason = "this is no dead letter: it does not begin as one does".into();
            return Self { id, origin: None, reason, attempts: 0, history: Vec::new(), fields };
        };
        fields.drain(..3);
        let history = take_history(&mut fields);
        let origin = take_first_origin(&mut fields).unwrap_or(origin);
        Self { id, origin: Some(origin), reason, attempts, history, fields }
    }
}

/// What every letter begins with: origin, reason, attempts.
fn head(fields: &[Field]) -> Option<(StreamId, String, u32)> {
    let [(origin, origin_id), (reason, why), (attempts, count), ..] = fields else { return None };
    let names = [origin, reason, attempts].map(Vec::as_slice);
    if names != [b"origin".as_slice(), b"reason", b"attempts"] {
        return None;
    }
    Some((parsed(origin_id)?, String::from_utf8_lossy(why).into_owned(), parsed(count)?))
}

/// A history that cannot be read is none: the letter is worth more than the list of its attempts.
fn take_history(fields: &mut Vec<Field>) -> Vec<FailedAttempt> {
    match fields.first() {
        Some((name, json)) if name == b"history" => {
            let history = serde_json::from_slice(json).unwrap_or_default();
            fields.remove(0);
            history
        }
        _ => Vec::new(),
    }
}

/// An entry that had been replayed before ends with the marks of that, which are not its own.
fn take_first_origin(fields: &mut Vec<Field>) -> Option<StreamId> {
    let [.., (mark, _), (name, origin)] = fields.as_slice() else { return None };
    if mark != b"replay_for" || name != b"origin" {
        return None;
    }
    let origin = parsed(origin)?;
    fields.truncate(fields.len() - 2);
    Some(origin)
}

fn parsed<T: std::str::FromStr>(bytes: &[u8]) -> Option<T> {
    str::from_utf8(bytes).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(fields: &[&str]) -> DeadLetter {
        let id = StreamId { milliseconds: 9, sequence: 0 };
        let pair = |pair: &[&str]| (pair[0].into(), pair[1].into());
        DeadLetter::parse(id, fields.chunks(2).map(pair).collect())
    }

    const HEAD: [&str; 6] = ["origin", "5-1", "reason", "no", "attempts", "3"];

    #[test]
    fn a_letter_tells_its_head_apart_from_the_fields_of_its_entry() {
        let history = r#"[{"at":1700000000123,"consumer":"c","reason":"no"}]"#;
        let letter = letter(&[HEAD.as_slice(), &["history", history, "type", "job", "reason", "x"]].concat());
        assert_eq!(letter.origin, Some(StreamId { milliseconds: 5, sequence: 1 }));
        assert_eq!((letter.reason.as_str(), letter.attempts), ("no", 3));
        assert_eq!(letter.history[0].at.as_millisecond(), 1_700_000_000_123);
        assert_eq!((letter.message_type(), letter.text("reason")), (Some("job"), Some("x")));
    }

    #[test]
    fn a_history_that_is_missing_empty_or_broken_is_none() {
        // Lua's JSON writes an empty list as an empty object.
        for history in [vec![], vec!["history", "[]"], vec!["history", "{}"], vec!["history", "["]] {
            let letter = letter(&[HEAD.as_slice(), &history, &["type", "job"]].concat());
            assert_eq!((letter.history.len(), letter.message_type()), (0, Some("job")), "{history:?}");
        }
    }

    #[test]
    fn a_letter_of_a_replayed_entry_tells_where_that_first_stood() {
        let marks = ["type", "job", "replay_for", "workers", "origin", "1-0"];
        let letter = letter(&[HEAD.as_slice(), &marks].concat());
        assert_eq!(letter.origin, Some(StreamId { milliseconds: 1, sequence: 0 }));
        assert_eq!(letter.fields.len(), 1);
    }

    #[test]
    fn what_is_no_letter_is_shown_with_all_its_fields() {
        for fields in [
            ["type", "job", "reason", "no", "attempts", "3"],
            ["origin", "here", "reason", "no", "attempts", "3"],
        ] {
            let letter = letter(&fields);
            assert_eq!((letter.origin, letter.fields.len()), (None, 3), "{letter:?}");
        }
    }
}
