//! The books on disk: one charge a line, as JSON, only ever appended to.
//!
//! A charge is handed to the operating system by one `write` before its answer is sent. That is what it takes to
//! survive the end of the process, `kill -9` included, and costs a microsecond. It is synced to disk only at a clean
//! stop: surviving a power cut is no part of the play, and a sync here would compete for the disk with the very
//! Redis whose durability is being tried.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, BufRead, BufReader, Write},
    path::Path,
};

use thiserror::Error;
use tracing::warn;

use super::charge::Charge;

/// Why the books cannot be opened.
#[derive(Debug, Error)]
pub(crate) enum OpenError {
    #[error("the file cannot be read and written")]
    File(#[from] io::Error),
    #[error("another process is writing them")]
    InUse,
    #[error("line {line} is no charge")]
    Undecodable { line: usize, source: serde_json::Error },
    #[error("line {line} does not follow from those before it: {reason}")]
    Inconsistent { line: usize, reason: &'static str },
}

pub(super) struct BookFile {
    file: File,
    /// Where the last whole line ends.
    length: u64,
    /// Set when half a line could not be taken back, as whatever follows would be glued to it.
    broken: bool,
    line: Vec<u8>,
}

impl BookFile {
    /// Opens or creates the books for this process alone and hands each charge in them to `load`, which says what is
    /// wrong with it. A last line without an end is cut off: whoever wrote it was killed before it could answer.
    pub(super) fn open(
        path: &Path,
        mut load: impl FnMut(Charge) -> Result<(), &'static str>,
    ) -> Result<Self, OpenError> {
        let file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => OpenError::InUse,
            TryLockError::Error(error) => OpenError::File(error),
        })?;
        let mut reader = BufReader::with_capacity(1 << 16, &file);
        let (mut length, mut number, mut line) = (0, 0, Vec::new());
        while reader.read_until(b'\n', &mut line)? > 0 {
            number += 1;
            if line.last() != Some(&b'\n') {
                warn!(line = number, bytes = line.len(), "the last line of the books is torn: it is cut off");
                file.set_len(length)?;
                break;
            }
            let charge = serde_json::from_slice(&line)
                .map_err(|source| OpenError::Undecodable { line: number, source })?;
            load(charge).map_err(|reason| OpenError::Inconsistent { line: number, reason })?;
            length += line.len() as u64;
            line.clear();
        }
        Ok(Self { file, length, broken: false, line: Vec::new() })
    }

    /// Writes one charge. After an error it is not in the books.
    pub(super) fn append(&mut self, charge: &Charge) -> io::Result<()> {
        self.check()?;
        self.line.clear();
        serde_json::to_writer(&mut self.line, charge)?;
        self.line.push(b'\n');
        if let Err(error) = self.file.write_all(&self.line) {
            self.broken = self.file.set_len(self.length).is_err();
            return Err(error);
        }
        self.length += self.line.len() as u64;
        Ok(())
    }

    /// Fails if nothing can be written any more.
    pub(super) fn check(&self) -> io::Result<()> {
        if self.broken { Err(io::Error::other("half a line could not be taken back")) } else { Ok(()) }
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

#[cfg(test)]
impl BookFile {
    /// Books that every write fails on.
    pub(super) fn read_only() -> Self {
        let file = File::open("/dev/null").unwrap();
        Self { file, length: 0, broken: false, line: Vec::new() }
    }
}
