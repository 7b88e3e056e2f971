//! The archive: every order as it last was, in SQL. It is read for lists, and for orders that have left Redis.

mod projection;
mod store;

pub(crate) use projection::ArchiveProjection;
pub(crate) use store::ArchiveStore;
