use std::sync::Arc;

/// Why there is no value. Redis is no reason.
#[derive(Debug, thiserror::Error)]
pub enum CacheError<E> {
    /// The loader failed, and there was nothing stale to serve. All who waited for the same load share its error.
    #[error("cannot load the value: {0}")]
    Load(#[source] Arc<E>),
    /// The loader took longer than [`Policy::load_limit`](super::Policy::load_limit).
    #[error("loading the value took too long")]
    TimedOut,
    /// The loader panicked, or the runtime ended on which it ran.
    #[error("loading the value was broken off")]
    BrokenOff,
    /// Redis does not answer, and as many loads as may go past it are under way: see
    /// [`CacheOptions::direct_loads`](super::CacheOptions::direct_loads).
    #[error("too many loads are under way while Redis does not answer")]
    Overloaded,
}

// By hand, because a derived one would ask for an `E` that can be cloned.
impl<E> Clone for CacheError<E> {
    fn clone(&self) -> Self {
        match self {
            Self::Load(error) => Self::Load(Arc::clone(error)),
            Self::TimedOut => Self::TimedOut,
            Self::BrokenOff => Self::BrokenOff,
            Self::Overloaded => Self::Overloaded,
        }
    }
}

impl<E> CacheError<E> {
    /// In a word, also where the loader's own error cannot be printed.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Load(_) => "the loader failed",
            Self::TimedOut => "it took too long",
            Self::BrokenOff => "the loader panicked",
            Self::Overloaded => "too many are under way",
        }
    }
}
