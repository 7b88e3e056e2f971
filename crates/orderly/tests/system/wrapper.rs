//! A Redis server under conditions: a program that does something before it becomes the real server.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use local_redis::{Finder, ServerBinary, ServerChoice};
use tempfile::TempDir;

/// The server that tests run on.
pub(crate) async fn real_server() -> ServerBinary {
    Finder::new(ServerChoice::from_env()).find(&|_| {}).await.expect("there is a server")
}

/// A program for `--redis-server`.
pub(crate) struct Wrapper {
    program: PathBuf,
    /// Holds the program, and whatever its steps read and write.
    folder: TempDir,
}

impl Wrapper {
    /// One that runs `steps` in sh whenever the server is to be started, inside its data folder; they find
    /// the server's program in `$server`, its arguments in `$@` and this wrapper's folder in `$folder`.
    /// Unless they become the server, or something around it, it is started behind them.
    pub(crate) async fn new(steps: &str) -> Self {
        let server = real_server().await;
        let folder = TempDir::with_prefix("orderly-wrapper-").expect("a temporary folder can be created");
        let program = folder.path().join("server");
        let script = format!(
            "#!/bin/sh\nset -eu\nserver='{}' folder='{}'\n\
             [ \"$1\" != --version ] || exec \"$server\" --version\n{steps}\nexec \"$server\" \"$@\"\n",
            server.path().display(),
            folder.path().display(),
        );
        write_program(&program, &script);
        Self { program, folder }
    }

    /// As an argument.
    pub(crate) fn program(&self) -> &str {
        self.program.to_str().expect("a temporary folder has a name in UTF-8")
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// Writes a script that can be run.
pub(crate) fn write_program(file: &Path, script: &str) {
    fs::write(file, script).expect("the program can be written");
    fs::set_permissions(file, fs::Permissions::from_mode(0o700)).expect("and made one");
}
