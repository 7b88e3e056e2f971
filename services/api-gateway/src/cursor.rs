//! Where a list of orders goes on.

use std::{fmt, str::FromStr};

use common::messages::OrderId;
use jiff::Timestamp;

use crate::orders::view::OrderView;

/// Behind this order, in the order of a list: newest first, and of one time by their ids. For clients it is a text that they
/// send back as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(super) placed_at: Timestamp,
    pub(super) order_id: OrderId,
}

/// The text is none that this gateway has given out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoCursor;

impl Cursor {
    pub(crate) fn behind(order: &OrderView) -> Self {
        Self { placed_at: order.placed_at, order_id: order.id }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.placed_at.as_microsecond(), self.order_id.simple())
    }
}

impl FromStr for Cursor {
    type Err = NoCursor;

    fn from_str(text: &str) -> Result<Self, NoCursor> {
        let (at, id) = text.split_once('.').ok_or(NoCursor)?;
        let placed_at =
            at.parse().ok().and_then(|at| Timestamp::from_microsecond(at).ok()).ok_or(NoCursor)?;
        let order_id = id.parse().map_err(|_| NoCursor)?;
        let cursor = Self { placed_at, order_id };
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
        let cursor = Cursor { placed_at: "2026-11-26T12:00:00.000001Z".parse().unwrap(), order_id };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for text in
            ["", "1", "x.6f0c1c7e58a44e0b9f3c0d4e0f5a6b7c", "1.6f0c", "+1.6f0c1c7e58a44e0b9f3c0d4e0f5a6b7c"]
        {
            assert_eq!(text.parse::<Cursor>(), Err(NoCursor), "{text}");
        }
    }
}
