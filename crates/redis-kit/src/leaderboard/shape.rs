use super::{Operator, SortOrder, Ties, scale::Scale};

/// What its scripts must know of a board.
pub(super) struct Shape {
    pub(super) cursors: String,
    pub(super) operator: Operator,
    pub(super) sort_order: SortOrder,
    pub(super) ties: Ties,
    pub(super) scale: Scale,
}

impl Shape {
    pub(super) fn is_descending(&self) -> bool {
        self.sort_order == SortOrder::Descending
    }
}
