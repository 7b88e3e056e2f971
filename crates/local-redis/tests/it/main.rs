//! The crate as its users see it, on real servers.

mod cluster;
mod find;
mod lifecycle;
mod owner;
mod support;
mod wheel;
