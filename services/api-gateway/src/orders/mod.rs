//! Orders: taking them, showing them, and keeping them.
//!
//! | to follow | open |
//! |---|---|
//! | what a client sends | `new_order.rs` |
//! | an order being accepted | `accept/` |
//! | what `GET /orders/{id}` shows while it is in Redis | `view.rs` |
//! | where every order is in the end | `archive/` |

pub(crate) mod accept;
pub(crate) mod archive;
pub(crate) mod new_order;
pub(crate) mod view;
