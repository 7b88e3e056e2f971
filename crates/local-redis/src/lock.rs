//! One data directory, one server: two servers appending to the same files would ruin them.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::Error;

/// Held by a server's owner, and in part by the server itself.
///
/// Two files, because an owner that was killed leaves a server that lingers. `owner.lock` goes with the owner: busy, it
/// means that someone is using the directory. `server.lock` goes with the last of owner and server: busy
/// while the other is free, it means that the directory will be free in a moment, which is worth waiting for.
///
/// These are `flock`s: they belong to the open file, are inherited with it, and end with its last holder.
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    owner: File,
    server: File,
}

impl DirectoryLock {
    /// Takes both locks of `directory`, waiting at most `patience` for a server without an owner to leave.
    pub(crate) async fn take(directory: &Path, patience: Duration) -> Result<Self, Error> {
        let owner = open(directory.join("owner.lock"))?;
        if !try_lock(&owner, directory)? {
            return Err(Error::DirectoryInUse { directory: directory.to_owned() });
        }
        let server = open(directory.join("server.lock"))?;
        let lock = Self { owner, server };
        lock.wait_for_server(directory, patience).await?;
        Ok(lock)
    }

    async fn wait_for_server(&self, directory: &Path, patience: Duration) -> Result<(), Error> {
        if try_lock(&self.server, directory)? {
            return Ok(());
        }
        tracing::info!(directory = %directory.display(), "waiting for the server of a killed owner to end");
        let deadline = Instant::now() + patience;
        while !try_lock(&self.server, directory)? {
            if Instant::now() > deadline {
                return Err(Error::DirectoryInUse { directory: directory.to_owned() });
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// The server's share of the lock, as something a child process can be given.
    pub(crate) fn share(&self) -> std::io::Result<Stdio> {
        Ok(self.server.try_clone()?.into())
    }
}

/// Whether a server has this directory, or is about to get or to leave it. Whoever takes the locks meanwhile waits for this one,
/// but for no other.
pub(crate) fn is_taken(directory: &Path) -> bool {
    let file = File::options().read(true).write(true).open(directory.join("server.lock"));
    file.is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}

impl Drop for DirectoryLock {
    fn drop(&mut self) {
        // Closing is not enough: a child that another thread is just forking holds a copy for an instant longer.
        if let Err(error) = self.owner.unlock() {
            tracing::debug!(%error, "the directory's lock ends with its file");
        }
    }
}

fn open(path: PathBuf) -> Result<File, Error> {
    let file = File::options().read(true).write(true).create(true).truncate(false).open(&path);
    file.map_err(|source| Error::Directory { path, source })
}

fn try_lock(file: &File, directory: &Path) -> Result<bool, Error> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(source)) => Err(Error::Directory { path: directory.to_owned(), source }),
    }
}
