//! What consumer groups gave up.
//!
//! | to see | open |
//! |---|---|
//! | where a letter is | `place.rs` |
//! | each of them | `each.rs` |
//! | those with the same cause together | `cause.rs`, `look.rs` |
//! | all of one | `letter.rs` |

mod cause;
mod each;
mod letter;
mod look;
mod place;

pub use cause::Cause;
pub use each::{Unreadable, each, each_of};
pub use letter::{Field, Letter};
pub use look::{Look, moment_of_look};
pub use place::Place;
