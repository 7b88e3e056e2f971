//! A real PostgreSQL for tests.

use std::{
    env, fs,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use nix::unistd::{Uid, User};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, postgres::PgConnectOptions};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::eventually;

/// How long a server may take to start.
const PATIENCE: Duration = Duration::from_secs(30);

/// Starts the server, and ends it as soon as nobody holds the other end of its standard input: when the test's process is
/// gone, however it went. The folder goes too.
const RUN: &str = r#"
"$1/postgres" -D "$2/data" -k "$2" -c listen_addresses= -c fsync=off -c max_connections=200 >"$2/log" 2>&1 & server=$!
cat >/dev/null
kill -INT $server
wait $server
rm -rf "$2""#;

static SERVER: OnceCell<Server> = OnceCell::const_new();

/// The server that all tests of this process share.
struct Server {
    folder: PathBuf,
    _process: Child,
}

/// The URL of an empty schema of its own on a PostgreSQL server that lives as long as this process: Debian's package
/// `postgresql`, or whatever has its programs on the PATH.
///
/// # Errors
/// If there is none, or it does not start.
pub async fn postgres() -> anyhow::Result<String> {
    let server = SERVER.get_or_try_init(Server::start).await?;
    let schema = format!("test_{}", uuid::Uuid::new_v4().simple());
    let mut connection = server.options().connect().await?;
    connection.execute(AssertSqlSafe(format!("CREATE SCHEMA {schema}"))).await?;
    connection.close().await?;
    let folder = server.folder.display();
    Ok(format!("postgres://postgres@localhost/postgres?host={folder}&options=-c%20search_path%3D{schema}"))
}

impl Server {
    async fn start() -> anyhow::Result<Self> {
        let programs = programs()?;
        let owner = owner()?;
        let folder = TempDir::with_prefix("orderly-postgres-")?.keep();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755))?;
        if let Some(owner) = &owner {
            chown(&folder, Some(owner.uid.as_raw()), Some(owner.gid.as_raw()))?;
        }
        let data = folder.join("data");
        let mut initdb = as_owner(&programs.join("initdb"), owner.as_ref());
        initdb
            .args([
                "--auth=trust",
                "--username=postgres",
                "--no-sync",
                "--encoding=UTF8",
                "--no-locale",
                "-D",
            ])
            .arg(&data);
        let made = initdb.output().context("cannot run initdb")?;
        ensure!(made.status.success(), "initdb failed: {}", String::from_utf8_lossy(&made.stderr));
        let mut run = as_owner(Path::new("sh"), owner.as_ref());
        run.args(["-c", RUN, "sh"]).arg(&programs).arg(&folder).stdin(Stdio::piped());
        let server = Self { _process: run.spawn().context("cannot run sh")?, folder };
        eventually("PostgreSQL to answer", PATIENCE, || async {
            server.options().connect().await?.close().await
        })
        .await;
        Ok(server)
    }

    fn options(&self) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass().socket(&self.folder).username("postgres").database("postgres")
    }
}

/// The folder with `initdb` and `postgres`, which Debian keeps off the PATH.
fn programs() -> anyhow::Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let folders = env::split_paths(&path).chain(debian.map(|version| version.path().join("bin")));
    let mut found =
        folders.filter(|folder| folder.join("initdb").exists() && folder.join("postgres").exists());
    found.next().context("there is no PostgreSQL (initdb, postgres); Debian's package is called postgresql")
}

/// Who the server is to run as: it refuses to be root's.
fn owner() -> anyhow::Result<Option<User>> {
    if !Uid::effective().is_root() {
        return Ok(None);
    }
    for name in ["postgres", "nobody"] {
        if let Some(user) = User::from_name(name)? {
            return Ok(Some(user));
        }
    }
    bail!("PostgreSQL does not run as root, and there is neither a user postgres nor nobody")
}

fn as_owner(program: &Path, owner: Option<&User>) -> Command {
    use std::os::unix::process::CommandExt;
    let mut command = Command::new(program);
    if let Some(owner) = owner {
        command.uid(owner.uid.as_raw()).gid(owner.gid.as_raw()).current_dir("/");
    }
    command
}
