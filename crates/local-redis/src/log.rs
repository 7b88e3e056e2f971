//! The server's own log, and the end of it for error messages.

use std::fs::File;
use std::path::{Path, PathBuf};

use tokio::io::{AsyncReadExt, AsyncSeekExt};

use crate::Error;

/// How much of the log an error shows.
const LINES_SHOWN: usize = 12;

/// What one server says: `server.log` in its data directory, after what earlier ones said.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    start: u64,
}

impl Log {
    /// With the file for the server to write to.
    pub(crate) fn open(directory: &Path) -> Result<(File, Self), Error> {
        let path = directory.join("server.log");
        let opened = File::options().append(true).create(true).open(&path);
        let sized = opened.and_then(|file| Ok((file.metadata()?.len(), file)));
        let (start, file) = sized.map_err(|source| Error::Directory { path: path.clone(), source })?;
        Ok((file, Self { path, start }))
    }

    /// The last lines of a server that has ended, or that is being given up.
    pub(crate) async fn last_lines(&self) -> String {
        let text = read_from(&self.path, self.start).await.unwrap_or_else(|error| error.to_string());
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LINES_SHOWN)..].join("\n")
    }
}

async fn read_from(path: &Path, start: u64) -> std::io::Result<String> {
    let mut file = tokio::fs::File::open(path).await?;
    file.seek(std::io::SeekFrom::Start(start)).await?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
