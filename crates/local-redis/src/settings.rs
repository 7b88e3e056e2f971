//! How a server is to run, and the configuration file that says so to the server.

use std::path::PathBuf;
use std::time::Duration;

/// The configuration's name inside the data directory.
pub(crate) const CONFIG_FILE: &str = "redis.conf";

/// How a server is to run. [`Settings::new`] is what production-like use wants; the fields are there to change.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the server keeps its data, its configuration and its locks. Created if missing, for its owner's eyes only.
    pub directory: PathBuf,
    /// The port on 127.0.0.1; `None`, or 0, takes a free one.
    pub port: Option<u16>,
    /// What survives a crash.
    pub durability: Durability,
    /// How long the server outlives an owner that was killed, in whole seconds (rounded up), so that clients
    /// can finish what they have begun. It has no bearing on a server that is stopped or dropped.
    pub linger: Duration,
    /// How long to wait for the first answer. Replaying a large append-only file takes its time.
    pub ready_within: Duration,
    /// More configuration, as name and value the way `redis.conf` spells them. It comes last, so it wins.
    pub extra: Vec<(String, String)>,
}

/// What survives a crash of the server or of the machine.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Durability {
    /// Every write is on disk before it is acknowledged, also while the append-only file is being rewritten.
    #[default]
    Always,
    /// Nothing is ever written: for tests and benchmarks of what does not depend on it.
    Volatile,
}

impl Settings {
    /// A durable server in `directory`, on a free port, that goes when its owner goes and logs into its directory.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            port: None,
            durability: Durability::default(),
            linger: Duration::ZERO,
            ready_within: Duration::from_secs(30),
            extra: Vec::new(),
        }
    }

    /// The configuration file. It names no path: the server runs inside its directory, which may have any name.
    pub(crate) fn config_file(&self, port: u16) -> String {
        let mut lines = vec![
            format!("port {port}"),
            // Loopback only, and protected mode as a second bar should `extra` widen that.
            "bind 127.0.0.1".to_owned(),
            "protected-mode yes".to_owned(),
            // A daemon would leave the process its owner watches.
            "daemonize no".to_owned(),
            "supervised no".to_owned(),
            // To the standard output, which is a file in the directory.
            "logfile \"\"".to_owned(),
            // What is full must say so; it must never forget.
            "maxmemory-policy noeviction".to_owned(),
            // Snapshots are for neither mode: one has the append-only file, the other wants no disk at all.
            "save \"\"".to_owned(),
        ];
        lines.extend(self.durability.config().iter().map(ToString::to_string));
        lines.extend(self.extra.iter().map(|(name, value)| format!("{name} {value}")));
        lines.join("\n") + "\n"
    }

    /// The watching shell sleeps in whole seconds, as POSIX has it.
    pub(crate) fn linger_seconds(&self) -> u64 {
        self.linger.as_secs() + u64::from(self.linger.subsec_nanos() > 0)
    }

    /// The same settings with a directory that stays the same when the owner changes its own.
    pub(crate) fn with_absolute_directory(mut self) -> std::io::Result<Self> {
        self.directory = std::path::absolute(&self.directory)?;
        Ok(self)
    }
}

impl Durability {
    fn config(self) -> &'static [&'static str] {
        match self {
            Self::Always => &[
                "appendonly yes",
                "appendfsync always",
                "no-appendfsync-on-rewrite no",
                // A rewrite costs as much as thousands of orders: not after every 64 MB, and not to save room on the disk.
                "auto-aof-rewrite-min-size 256mb",
                "rdbcompression no",
            ],
            Self::Volatile => &["appendonly no"],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_caller_adds_comes_last_and_wins() {
        let mut settings = Settings::new("unused");
        settings.extra.push(("maxmemory".to_owned(), "64mb".to_owned()));
        assert!(settings.config_file(7000).ends_with("\nmaxmemory 64mb\n"));
    }

    #[test]
    fn a_part_of_a_second_lingers_a_whole_one() {
        let mut settings = Settings::new("unused");
        assert_eq!(settings.linger_seconds(), 0);
        settings.linger = Duration::from_millis(1200);
        assert_eq!(settings.linger_seconds(), 2);
    }
}
