use redis::{ErrorKind, RedisError, ServerErrorKind};

/// What can go wrong between this crate and Redis.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL cannot be used to connect.
    #[error("cannot use the Redis URL: {0}; expected redis://[user:password@]host:port[/db] or rediss://…")]
    Url(#[source] RedisError),
    /// Redis answered with an error, or did not answer.
    #[error("Redis: {0}")]
    Redis(#[from] RedisError),
    /// The server is too old.
    #[error("the Redis server is version {version}; Redis 7.0 or newer, or Valkey, is needed")]
    TooOld {
        /// What it says it is.
        version: String,
    },
    /// A payload could not be written as JSON.
    #[error("cannot write the payload as JSON: {0}")]
    Encode(#[from] serde_json::Error),
    /// A commit touches a key outside the delivery's hash slot, so no script can apply it atomically.
    #[error(
        "the key {key:?} does not carry the hash tag of {stream:?}; a commit is atomic within one tag only"
    )]
    ForeignKey {
        /// The key that was refused.
        key: String,
        /// The stream whose delivery the commit belongs to.
        stream: String,
    },
}

impl Error {
    /// Whether the same call may succeed later with nothing changed but time: Redis is away, starting, failing over,
    /// full, or its answer was lost. A call that got no answer may have been carried out.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Redis(error) => is_transient(error),
            Self::Url(_) | Self::TooOld { .. } | Self::Encode(_) | Self::ForeignKey { .. } => false,
        }
    }

    /// Whether the consumer group (or its stream) is gone, as after Redis lost its data.
    pub(crate) fn is_group_missing(&self) -> bool {
        matches!(self, Self::Redis(error) if error.code() == Some("NOGROUP"))
    }
}

fn is_transient(error: &RedisError) -> bool {
    match error.kind() {
        ErrorKind::Io | ErrorKind::ClusterConnectionNotFound => true,
        ErrorKind::Server(kind) => matches!(
            kind,
            ServerErrorKind::BusyLoading
                | ServerErrorKind::NoScript
                | ServerErrorKind::Moved
                | ServerErrorKind::Ask
                | ServerErrorKind::TryAgain
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::MasterDown
                | ServerErrorKind::ReadOnly
        ),
        // Codes that the client library does not know by kind.
        _ => {
            matches!(error.code(), Some("BUSY" | "MISCONF" | "NOGROUP" | "NOREPLICAS" | "OOM" | "UNBLOCKED"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server_says(code: &str) -> Error {
        redis::make_extension_error(code.into(), None).into()
    }

    #[test]
    fn a_full_or_read_only_or_starting_server_is_worth_waiting_for() {
        for code in ["OOM", "MISCONF", "NOREPLICAS", "BUSY", "NOGROUP"] {
            assert!(server_says(code).is_transient(), "{code}");
        }
        for kind in [ServerErrorKind::BusyLoading, ServerErrorKind::ReadOnly, ServerErrorKind::TryAgain] {
            assert!(Error::from(RedisError::from((ErrorKind::Server(kind), ""))).is_transient(), "{kind:?}");
        }
        assert!(Error::from(RedisError::from(std::io::Error::other("reset"))).is_transient());
    }

    #[test]
    fn a_wrong_type_or_a_missing_permission_is_not() {
        assert!(!server_says("WRONGTYPE").is_transient());
        assert!(
            !Error::from(RedisError::from((ErrorKind::Server(ServerErrorKind::NoPerm), ""))).is_transient()
        );
    }
}
