//! Ordered delivery: one instance at a time holds a partition and passes its entries one after the other.
//!
//! | role | file |
//! |---|---|
//! | contending for a partition, and giving it away | `lane.rs` |
//! | passing entries while it is held | `passage.rs` |
//! | keeping the lease | `hold.rs` |
//! | how far the group has come | `cursor.rs` |
//! | leaving time to others | `rest.rs` |
//! | each script as a function | `scripts.rs`, over `lua/` |
//!
//! There is no pending list. The group's last-delivered id is the cursor: each commit checks that the lease is still the
//! one by which this instance holds the partition and that the cursor stands where this instance thinks, applies, and moves
//! the cursor. So whatever a former holder still sends is refused, and the next one goes on exactly behind what was applied.

mod cursor;
mod hold;
mod lane;
mod passage;
mod rest;
mod scripts;

pub(super) use lane::OrderedLane;
