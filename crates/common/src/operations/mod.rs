//! What people who operate the system see of it, and what they ask for: by the command and by the gateway alike.
//!
//! | to see or do | open |
//! |---|---|
//! | how the consumer groups are doing | `groups.rs` |
//! | what they gave up, and why | `letters/` |
//! | asking a service for something, and what came of all that was asked for | `requests.rs` |
//! | payments that wait for a person, and deciding about one | `parked.rs` |
//!
//! Everything but asking and deciding only reads. What is asked for is carried out elsewhere: see [`control`](crate::control).

pub mod groups;
pub mod letters;
pub mod parked;
pub mod requests;

use std::fmt;

use redis_kit::Connection;

use crate::{names::Names, partition::Partitions};

/// Where the data of the system is that somebody operates. Cheap to clone.
#[derive(Clone)]
pub struct Installation {
    /// The durable Redis.
    pub redis: Connection,
    /// Every name in it.
    pub names: Names,
    /// How many partitions the data is in.
    pub partitions: Partitions,
}

impl fmt::Debug for Installation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Installation").field("names", &self.names).finish_non_exhaustive()
    }
}
