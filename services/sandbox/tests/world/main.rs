//! The sandbox as its clients see it: over HTTP, on a port of its own.

mod books;
mod charges;
mod directory;
mod faults;
mod harness;
mod problems;
