//! Where a list goes on.

use std::{fmt, str::FromStr};

use common::{messages::OrderId, problem::Problem};
use jiff::Timestamp;

use crate::edge::query::bad_request;

/// Behind this order, in a list by a time, and of one time by the orders' ids. For clients it is a text that they send back as it
/// is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) at: Timestamp,
    pub(crate) order_id: OrderId,
}

/// The text is none that this gateway has given out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoCursor;

impl Cursor {
    /// Where the client says that the list is to go on; 400 for what no list gave out.
    pub(crate) fn read(text: Option<String>) -> Result<Option<Self>, Problem> {
        let unknown = |_| bad_request("cursor is none that this list gave out");
        text.map(|text| text.parse().map_err(unknown)).transpose()
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.at.as_microsecond(), self.order_id.simple())
    }
}

impl FromStr for Cursor {
    type Err = NoCursor;

    fn from_str(text: &str) -> Result<Self, NoCursor> {
        let (at, id) = text.split_once('.').ok_or(NoCursor)?;
        let at = at.parse().ok().and_then(|at| Timestamp::from_microsecond(at).ok()).ok_or(NoCursor)?;
        let order_id = id.parse().map_err(|_| NoCursor)?;
        let cursor = Self { at, order_id };
        // It has one spelling.
        if cursor.to_string() == text { Ok(cursor) } else { Err(NoCursor) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_it_was_given_out() {
        let order_id = "6f0c1c7e-58a4-4e0b-9f3c-0d4e0f5a6b7c".parse().unwrap();
        let cursor = Cursor { at: "2026-11-26T12:00:00.000001Z".parse().unwrap(), order_id };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for text in
            ["", "1", "x.6f0c1c7e58a44e0b9f3c0d4e0f5a6b7c", "1.6f0c", "+1.6f0c1c7e58a44e0b9f3c0d4e0f5a6b7c"]
        {
            assert_eq!(text.parse::<Cursor>(), Err(NoCursor), "{text}");
        }
    }
}
