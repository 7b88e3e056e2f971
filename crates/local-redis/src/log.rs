//! Where a server's own log goes, and the end of it for error messages.

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncSeekExt, BufReader};
use tokio::process::ChildStdout;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::Error;

/// How much of the log an error shows.
const LINES_SHOWN: usize = 12;

/// Where the server's own log goes.
#[derive(Clone, Default)]
pub enum Log {
    /// Into `server.log` in the data directory, after what is there.
    #[default]
    InDirectory,
    /// To a function, line by line without the line's end, from a task of the runtime that started the server.
    Lines(Arc<dyn Fn(&str) + Send + Sync>),
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InDirectory => "InDirectory",
            Self::Lines(_) => "Lines(…)",
        })
    }
}

impl Log {
    /// The server's standard output, and what can be told of it later.
    pub(crate) fn open(&self, directory: &Path) -> Result<(Stdio, LogEnd), Error> {
        match self {
            Self::InDirectory => {
                let path = directory.join("server.log");
                let opened = File::options().append(true).create(true).open(&path);
                let sized = opened.and_then(|file| Ok((file.metadata()?.len(), file)));
                let (start, file) =
                    sized.map_err(|source| Error::Directory { path: path.clone(), source })?;
                Ok((file.into(), LogEnd::File { path, start }))
            }
            Self::Lines(_) => Ok((Stdio::piped(), LogEnd::Nothing)),
        }
    }

    /// Passes on what the server prints, if that is wanted, and remembers the last lines.
    pub(crate) fn follow(&self, end: LogEnd, stdout: Option<ChildStdout>) -> LogEnd {
        match (self, stdout) {
            (Self::Lines(heard), Some(stdout)) => {
                let last = Arc::new(Mutex::new(VecDeque::new()));
                let reader = tokio::spawn(read_lines(stdout, Arc::clone(heard), Arc::clone(&last)));
                LogEnd::Lines { last, reader }
            }
            _ => end,
        }
    }
}

/// The end of one server's log.
#[derive(Debug)]
pub(crate) enum LogEnd {
    Nothing,
    File { path: PathBuf, start: u64 },
    Lines { last: Arc<Mutex<VecDeque<String>>>, reader: JoinHandle<()> },
}

impl LogEnd {
    /// The last lines of a server that has ended, or that is being given up.
    pub(crate) async fn last_lines(&mut self) -> String {
        match self {
            Self::Nothing => String::new(),
            Self::File { path, start } => {
                let text = read_from(path, *start).await.unwrap_or_else(|error| error.to_string());
                let lines: Vec<&str> = text.lines().collect();
                lines[lines.len().saturating_sub(LINES_SHOWN)..].join("\n")
            }
            Self::Lines { last, reader } => {
                // A dead server's last words may still be in the pipe; a living one's pipe has no end.
                if !reader.is_finished() {
                    let _ = timeout(Duration::from_millis(500), reader).await;
                }
                let last = last.lock().unwrap_or_else(PoisonError::into_inner);
                last.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
            }
        }
    }
}

async fn read_from(path: &Path, start: u64) -> std::io::Result<String> {
    let mut file = tokio::fs::File::open(path).await?;
    file.seek(std::io::SeekFrom::Start(start)).await?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Reads bytes, not text: one odd character must not close the pipe under the server.
async fn read_lines(
    stdout: ChildStdout,
    heard: Arc<dyn Fn(&str) + Send + Sync>,
    last: Arc<Mutex<VecDeque<String>>>,
) {
    let mut stdout = BufReader::new(stdout);
    let mut bytes = Vec::new();
    while stdout.read_until(b'\n', &mut bytes).await.is_ok_and(|length| length > 0) {
        let line = String::from_utf8_lossy(&bytes);
        let line = line.trim_end();
        heard(line);
        remember(&last, line);
        bytes.clear();
    }
}

fn remember(last: &Mutex<VecDeque<String>>, line: &str) {
    let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
    if last.len() == LINES_SHOWN {
        last.pop_front();
    }
    last.push_back(line.to_owned());
}
