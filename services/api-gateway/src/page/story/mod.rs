//! What the streams tell of one order.
//!
//! | to follow | open |
//! |---|---|
//! | finding its entries | `read.rs` |
//! | what they say of waiting and working | `hops.rs` |

mod hops;
mod read;

pub(super) use hops::{Hop, What};
pub(super) use read::{Story, order_at};
