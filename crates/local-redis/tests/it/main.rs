//! The crate as its users see it, on real servers.

mod find;
mod lifecycle;
mod owner;
mod support;
mod wheel;
