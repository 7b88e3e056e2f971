use std::sync::Arc;

use super::{cached::Source, entry::Entry, error::CacheError};

/// What a flight came back with; nothing as long as it is under way. What lands first counts: a refresh that follows is not
/// waited for.
pub(super) type Landing<T, E> = Option<Result<Landed<T>, CacheError<E>>>;

/// An entry, and where it is from.
pub(super) struct Landed<T> {
    pub(super) entry: Arc<Entry<T>>,
    pub(super) source: Source,
}

// By hand, because a derived one would ask for a `T` that can be cloned.
impl<T> Clone for Landed<T> {
    fn clone(&self) -> Self {
        Self { entry: Arc::clone(&self.entry), source: self.source }
    }
}
