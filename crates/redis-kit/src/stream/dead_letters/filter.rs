use jiff::Timestamp;

use super::DeadLetter;
use crate::stream::StreamId;

/// Which dead letters are meant: those that fit everything that is given. The default fits all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The message's type is this one.
    pub message_type: Option<String>,
    /// The reason contains this text. Upper and lower case differ.
    pub reason_contains: Option<String>,
    /// At least so many attempts were made.
    pub min_attempts: Option<u32>,
    /// It became a dead letter then or later.
    pub since: Option<Timestamp>,
    /// It became a dead letter then or earlier.
    pub until: Option<Timestamp>,
    /// Its entry was first appended then or later.
    pub appended_since: Option<Timestamp>,
    /// Its entry was first appended then or earlier.
    pub appended_until: Option<Timestamp>,
}

impl Filter {
    pub(super) fn fits(&self, letter: &DeadLetter) -> bool {
        let message_type =
            self.message_type.as_deref().is_none_or(|wanted| letter.message_type() == Some(wanted));
        let reason = self.reason_contains.as_deref().is_none_or(|text| letter.reason.contains(text));
        let attempts = self.min_attempts.is_none_or(|least| letter.attempts >= least);
        message_type && reason && attempts && self.fits_times(letter)
    }

    fn fits_times(&self, letter: &DeadLetter) -> bool {
        let died = is_within(letter.id, self.since, self.until);
        let appended = match letter.origin {
            Some(origin) => is_within(origin, self.appended_since, self.appended_until),
            None => self.appended_since.is_none() && self.appended_until.is_none(),
        };
        died && appended
    }

    /// The ids between which `XRANGE` finds all letters that can fit.
    pub(super) fn range(&self) -> (String, String) {
        let bound = |time: Option<Timestamp>, open: &str| {
            time.map_or_else(|| open.to_owned(), |time| milliseconds(time).to_string())
        };
        (bound(self.since, "-"), bound(self.until, "+"))
    }
}

fn is_within(id: StreamId, since: Option<Timestamp>, until: Option<Timestamp>) -> bool {
    since.is_none_or(|since| id.milliseconds >= milliseconds(since))
        && until.is_none_or(|until| id.milliseconds <= milliseconds(until))
}

/// Stream ids know nothing before 1970.
fn milliseconds(time: Timestamp) -> u64 {
    u64::try_from(time.as_millisecond()).unwrap_or(0)
}
