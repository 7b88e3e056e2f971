use redis::{ErrorKind, RedisError};

use crate::{leaderboard::InvalidBoard, rate_limit::InvalidLimit, stream::StreamId};

/// What can go wrong between this crate and Redis.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL cannot be used to connect.
    #[error(
        "cannot use the Redis URL: {0}; expected redis://[user:password@]host:port[/db] or rediss://…, and for a cluster more host:port behind commas"
    )]
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
    /// What stands in Redis could not be read as what it should be.
    #[error("cannot read what is stored as JSON: {0}")]
    Decode(#[source] serde_json::Error),
    /// A user's tag would not be safe in a key.
    #[error("{tag:?} cannot be a user's tag: 1 to 64 ASCII letters, digits, `_`, `.` and `-` can")]
    InvalidUserTag {
        /// The tag that was refused.
        tag: String,
    },
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
    /// A dead letter does not hold its entry as it was, so it cannot be replayed.
    #[error("the dead letter {letter} cannot be replayed: {reason}")]
    Unreplayable {
        /// Which one.
        letter: StreamId,
        /// Why not.
        reason: String,
    },
    /// A rate limit cannot be.
    #[error("{0}")]
    InvalidLimit(#[from] InvalidLimit),
    /// A leaderboard cannot be, or not be asked so.
    #[error("{0}")]
    InvalidBoard(#[from] InvalidBoard),
}

impl Error {
    /// Whether the same call may succeed later with nothing changed but time: Redis is away, starting, failing over,
    /// full, or its answer was lost. A call that got no answer may have been carried out.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Redis(error) => is_transient(error),
            Self::Url(_)
            | Self::TooOld { .. }
            | Self::Encode(_)
            | Self::Decode(_)
            | Self::InvalidUserTag { .. }
            | Self::ForeignKey { .. }
            | Self::Unreplayable { .. }
            | Self::InvalidLimit(_)
            | Self::InvalidBoard(_) => false,
        }
    }

    /// Whether the consumer group (or its stream) is gone, as after Redis lost its data.
    pub(crate) fn is_group_missing(&self) -> bool {
        matches!(self, Self::Redis(error) if error.code() == Some("NOGROUP"))
    }
}

/// What a server says, by its code, that it may not say again:
/// it is starting, busy or full, it has no replica or may not write to its disk, it is no master or its master is away,
/// a slot has moved, is moving or is not served, a script or a group is to be made again, or a blocked read was ended.
const TRANSIENT: [&str; 14] = [
    "LOADING",
    "BUSY",
    "OOM",
    "NOREPLICAS",
    "MISCONF",
    "READONLY",
    "MASTERDOWN",
    "MOVED",
    "ASK",
    "TRYAGAIN",
    "CLUSTERDOWN",
    "NOSCRIPT",
    "NOGROUP",
    "UNBLOCKED",
];

fn is_transient(error: &RedisError) -> bool {
    if matches!(error.kind(), ErrorKind::Io | ErrorKind::ClusterConnectionNotFound) {
        return true;
    }
    match error.clone().into_server_errors() {
        // Of a pipeline or a transaction: one that stays makes it all fail again.
        Some(errors) => errors.iter().all(|(_, error)| TRANSIENT.contains(&error.code())),
        None => error.code().is_some_and(|code| TRANSIENT.contains(&code)),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use redis::ServerErrorKind;

    use super::*;

    /// An error as it comes from a server, read by the client library.
    fn server_says(code: &str) -> Error {
        let answer = redis::parse_redis_value(format!("-{code} and some words\r\n").as_bytes()).unwrap();
        answer.extract_error().unwrap_err().into()
    }

    #[test]
    fn what_a_server_may_not_say_again_is_worth_waiting_for() {
        for code in TRANSIENT {
            assert!(server_says(code).is_transient(), "{code}");
        }
    }

    #[test]
    fn what_it_will_say_again_is_not() {
        for code in
            ["ERR", "WRONGTYPE", "NOPERM", "NOAUTH", "WRONGPASS", "CROSSSLOT", "BUSYGROUP", "EXECABORT"]
        {
            assert!(!server_says(code).is_transient(), "{code}");
        }
        // As the client library words it itself.
        let refused = RedisError::from((ErrorKind::Server(ServerErrorKind::NoPerm), ""));
        assert!(!Error::from(refused).is_transient());
    }

    #[test]
    fn a_connection_that_fails_in_any_way_is_worth_another_try() {
        for kind in [
            io::ErrorKind::ConnectionRefused,
            io::ErrorKind::ConnectionReset,
            io::ErrorKind::BrokenPipe,
            io::ErrorKind::UnexpectedEof,
            io::ErrorKind::TimedOut,
        ] {
            assert!(Error::from(RedisError::from(io::Error::from(kind))).is_transient(), "{kind:?}");
        }
        let nobody = RedisError::from((ErrorKind::ClusterConnectionNotFound, ""));
        assert!(Error::from(nobody).is_transient());
    }

    #[test]
    fn what_the_client_refuses_to_send_it_refuses_again() {
        for kind in [ErrorKind::Client, ErrorKind::InvalidClientConfig, ErrorKind::Parse] {
            assert!(!Error::from(RedisError::from((kind, ""))).is_transient(), "{kind:?}");
        }
    }
}
