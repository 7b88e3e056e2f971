//! What tests of the commands share that ask the services for something.

use std::process::Stdio;

use serde_json::Value;
use test_support::System;
use tokio::process::Command;

use crate::ORDERLY;

/// What a command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) errors: String,
}

impl Said {
    /// Every line, as JSON.
    pub(crate) fn json(&self) -> Vec<Value> {
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {self:#?}"));
        self.out.lines().map(parse).collect()
    }

    pub(crate) fn assert_tells(&self, code: i32, told: &[&str]) {
        assert_eq!(self.code, code, "{self:#?}");
        for told in told {
            assert!(self.out.contains(told) || self.errors.contains(told), "{told:?} is not in {self:#?}");
        }
    }
}

/// Runs the program under test on a system's Redis.
pub(crate) async fn orderly(system: &System, arguments: &[&str]) -> Said {
    ask(Command::new(ORDERLY).args(arguments).args(["--redis-url", system.redis_url()])).await
}

/// Runs a command, which what a developer's shell may hold does not reach.
pub(crate) async fn ask(command: &mut Command) -> Said {
    command.env_remove("ORDERLY_KEY_PREFIX").env("USER", "ann").stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code().unwrap(), out: text(output.stdout), errors: text(output.stderr) }
}
