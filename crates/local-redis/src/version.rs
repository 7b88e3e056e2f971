//! What a server binary says about itself.

use std::fmt;

/// The project a server comes from. Orderly works the same on both.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Flavour {
    /// Redis.
    Redis,
    /// Valkey, the fork of Redis 7.2.
    Valkey,
}

impl fmt::Display for Flavour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Redis => "Redis",
            Self::Valkey => "Valkey",
        })
    }
}

/// A server's version, ordered as one expects.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Version {
    /// `7` of 7.0.15.
    pub major: u32,
    /// `0` of 7.0.15.
    pub minor: u32,
    /// `15` of 7.0.15.
    pub patch: u32,
}

impl Version {
    /// The oldest server Orderly runs on: it brought the flags in a script's header (`#!lua flags=…`).
    pub const OLDEST: Self = Self { major: 7, minor: 0, patch: 0 };

    fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.splitn(3, '.').map(leading_number);
        Some(Self { major: numbers.next()??, minor: numbers.next()??, patch: numbers.next()?? })
    }
}

/// A release candidate's version goes on after its last number (`8.0.0-rc1`).
fn leading_number(text: &str) -> Option<u32> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok()
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// Reads what `--version` prints: `Redis server v=7.0.15 sha=…` or `Valkey server v=9.1.2 sha=…`.
///
/// Only the words are looked at, not the file's name: distributions ship `redis-server` as a link to Valkey.
pub(crate) fn parse_banner(banner: &str) -> Option<(Flavour, Version)> {
    let mut words = banner.split_whitespace();
    let flavour = match (words.next()?, words.next()?) {
        ("Redis", "server") => Flavour::Redis,
        ("Valkey", "server") => Flavour::Valkey,
        _ => return None,
    };
    let version = words.find_map(|word| word.strip_prefix("v="))?;
    Some((flavour, Version::parse(version)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(major: u32, minor: u32, patch: u32) -> Version {
        Version { major, minor, patch }
    }

    #[test]
    fn both_projects_banners_are_understood() {
        let redis =
            "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=ae4d7c971a948f0\n";
        assert_eq!(parse_banner(redis), Some((Flavour::Redis, version(7, 0, 15))));
        let valkey = "Valkey server v=9.1.2 sha=00000000:1 malloc=libc bits=64 build=1536df31c0395150\n";
        assert_eq!(parse_banner(valkey), Some((Flavour::Valkey, version(9, 1, 2))));
    }

    #[test]
    fn a_release_candidate_counts_as_its_version() {
        let banner = "Valkey server v=8.0.0-rc1 sha=0";
        assert_eq!(parse_banner(banner), Some((Flavour::Valkey, version(8, 0, 0))));
    }

    #[test]
    fn other_programs_banners_are_not_taken_for_a_server() {
        for banner in ["", "cat (GNU coreutils) 9.1", "redis-cli 7.0.15", "Redis server v=new"] {
            assert_eq!(parse_banner(banner), None, "{banner}");
        }
    }

    #[test]
    fn versions_compare_by_number_not_by_letter() {
        assert!(version(10, 0, 0) > version(9, 1, 2));
        assert!(version(6, 2, 14) < Version::OLDEST);
        assert!(version(7, 0, 0) >= Version::OLDEST);
    }
}
