//! What is told to all who watch. The system is looked at once a second and events are collected once, however many watch, and not at
//! all if nobody does; what one more viewer costs is writing the same text once more.
//!
//! | to follow | open |
//! |---|---|
//! | what is looked at | `look.rs`, and what it says in numbers: `figures.rs` |
//! | events, of which no more are told than can be seen | `moments.rs` |
//! | the one task that does it for all | `watch.rs` |
//! | one connection, also after it was lost | `viewer.rs` |

mod figures;
mod look;
mod moments;
mod viewer;
mod watch;

pub(super) use figures::{Now, age};
pub(super) use viewer::live;
pub(crate) use watch::Live;
