//! Distributed locks.

mod attempt;
mod claim;
mod ears;
mod guard;
mod keeper;
mod keys;
mod locks;
mod options;
mod quorum;
mod scripts;
mod waiting;

pub use guard::{Guard, Lost};
pub use keys::LockKeys;
pub use locks::{Attempt, Lock, Locks};
pub use options::LockOptions;
