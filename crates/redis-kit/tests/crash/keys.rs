//! Every key of a run.

pub(crate) const GROUP: &str = "workers";
pub(crate) const PARTITIONS: u64 = 4;

/// The entries to be handled.
pub(crate) fn entries(partition: u64) -> String {
    format!("entries:{{{partition}}}")
}

/// What handlers append to.
pub(crate) fn done(partition: u64) -> String {
    format!("done:{{{partition}}}")
}

/// A hash that the same commits write: which attempt at an entry it was that was applied.
pub(crate) fn applied(partition: u64) -> String {
    format!("applied:{{{partition}}}")
}

/// What the group itself keeps beside a stream; `kind` as in the engine's documentation.
pub(crate) fn of_group(partition: u64, kind: &str) -> String {
    format!("{}:{kind}:{GROUP}", entries(partition))
}
