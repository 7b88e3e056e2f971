//! Chromium's own driver, in a process of its own.

use std::{process::Stdio, time::Duration};

use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

const READY_WITHIN: Duration = Duration::from_secs(30);

/// A driver that runs, and ends when it is dropped, and its browser with it.
pub(crate) struct Driver {
    _process: Child,
    url: String,
    /// What browsers keep.
    folder: TempDir,
}

impl Driver {
    /// Starts one; `None` if there is none to start, and none is required.
    pub(crate) async fn start() -> Option<Self> {
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = match command.spawn() {
            Ok(process) => process,
            Err(error) => {
                let required = std::env::var("BROWSER").is_ok_and(|wanted| wanted == "required");
                assert!(!required, "BROWSER=required, but chromedriver does not start: {error}");
                eprintln!("skipped: chromedriver does not start: {error}");
                return None;
            }
        };
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port =
            timeout(READY_WITHIN, port(lines)).await.expect("chromedriver does not say that it is ready");
        let folder = TempDir::with_prefix("orderly-browser-").unwrap();
        Some(Self { _process: process, url: format!("http://127.0.0.1:{port}"), folder })
    }

    /// A browser with nothing in it, which reaches nobody but whom the page names.
    pub(crate) async fn client(&self) -> Client {
        let folder = TempDir::new_in(self.folder.path()).unwrap().keep();
        let flags = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--window-size=1360,900",
            &format!("--user-data-dir={}", folder.display()),
        ];
        let wanted: Value = json!({
            "goog:chromeOptions": { "args": flags },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        });
        let Value::Object(wanted) = wanted else { unreachable!("it is an object") };
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(wanted);
        builder.connect(&self.url).await.expect("a browser")
    }
}

/// The port that the driver says it listens on.
async fn port(mut lines: tokio::io::Lines<BufReader<tokio::process::ChildStdout>>) -> u16 {
    while let Some(line) = lines.next_line().await.unwrap() {
        if let Some((_, port)) = line.rsplit_once("started successfully on port ") {
            // Whatever else it says is read, so that it never waits for a reader.
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return port.trim_end_matches('.').parse().unwrap();
        }
    }
    panic!("chromedriver has ended");
}
