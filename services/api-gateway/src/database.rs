//! The gateway's own SQL database: SQLite in a file, or PostgreSQL where several gateways share one.
//!
//! Statements are written in what both have in common, so that there is one text for each (but see
//! [`Database::rows_of_json`]); parameters are `$1`, `$2`, …
//! Who needs rows has a file `store.rs` or `archive.rs` with the statements in it.

use std::time::Duration;

use anyhow::Context;
use common::{money::Money, problem::Problem};
use redis_kit::Backoff;
use sqlx::{
    AnyConnection, AnyPool, Executor, Row,
    any::{AnyPoolOptions, AnyRow, install_default_drivers},
    migrate::{MigrateError, Migrator},
};
use tracing::{error, warn};

use crate::error::internal;

static MIGRATIONS: Migrator = sqlx::migrate!();

/// How many statements may run at once. The rest wait.
const CONNECTIONS: u32 = 8;

/// How long a statement may wait for its turn, and for a database that does not answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// SQLite writes ahead, so that who reads waits for nobody; a writer waits for another one. It syncs at each commit,
/// since the journal's reader takes what is committed for stored. What it would undo a statement by stays in memory: in a file,
/// which nobody could read after a crash, it would be a third of the archive's work.
const SQLITE: &str = "PRAGMA journal_mode = WAL; PRAGMA busy_timeout = 5000; PRAGMA synchronous = FULL; \
    PRAGMA temp_store = MEMORY;";

/// Between attempts to reach a database that is away.
const RETRY: Backoff = Backoff { base: Duration::from_millis(100), limit: Duration::from_secs(2) };

/// How often in a row making the schema may fail because others are making it. There are two steps to it.
const RACES: u32 = 5;

/// Connections to the database, of the current schema. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Database {
    pub(crate) pool: AnyPool,
    is_sqlite: bool,
}

impl Database {
    /// Opens the database and brings its schema up to date; waits for as long as it is away.
    ///
    /// Fails if the URL is none, if the database refuses this user, or if a newer gateway has made its schema.
    pub(crate) async fn open(url: &str) -> anyhow::Result<Self> {
        install_default_drivers();
        let (is_sqlite, url) = (url.starts_with("sqlite:"), with_mode(url));
        let options = AnyPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(PATIENCE);
        let options = options.after_connect(move |connection, _| Box::pin(prepare(connection, is_sqlite)));
        let pool = options.connect_lazy(&url).context(
            "cannot use DATABASE_URL; expected sqlite:FILE or postgres://user:password@host:port/database",
        )?;
        let database = Self { pool, is_sqlite };
        let mut failures = 0;
        loop {
            match MIGRATIONS.run(&database.pool).await {
                Ok(()) => return Ok(database),
                // SQLite lets several make one schema at the same moment. All but one fail, and then it is there.
                Err(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _))
                    if is_transient(&error) || (is_sqlite && failures < RACES) =>
                {
                    failures += 1;
                    if failures == 1 {
                        warn!(%error, "the database cannot do this now; waiting for it");
                    }
                    tokio::time::sleep(RETRY.ceiling(failures)).await;
                }
                Err(error) => return Err(error).context("cannot bring the database's schema up to date"),
            }
        }
    }

    /// The elements of the JSON array in `$1`, as a table with a column `value`: the one thing that the two spell differently.
    /// (Of `json_each`, SQLite would write each element down as text again, and parse that for each of its fields.)
    pub(crate) fn rows_of_json(&self) -> &'static str {
        if self.is_sqlite { "jsonb_each($1)" } else { "json_array_elements(CAST($1 AS json))" }
    }

    /// Waits until nothing runs any more, and ends every connection.
    pub(crate) async fn close(self) {
        self.pool.close().await;
    }
}

async fn prepare(connection: &mut AnyConnection, is_sqlite: bool) -> sqlx::Result<()> {
    if is_sqlite {
        connection.execute(SQLITE).await?;
    }
    Ok(())
}

/// A file that is not there yet is made.
fn with_mode(url: &str) -> String {
    match url.strip_prefix("sqlite:") {
        Some(rest) if !rest.contains("mode=") => {
            let separator = if rest.contains('?') { '&' } else { '?' };
            format!("{url}{separator}mode=rwc")
        }
        _ => url.into(),
    }
}

/// Whether the same statement may succeed later with nothing changed but time.
fn is_transient(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed => true,
        // PostgreSQL: 08 connection lost, 40 serialization or deadlock, 53 out of resources, 57 shutting down or starting.
        // SQLite: 5 and 6, busy and locked, in their extended forms.
        sqlx::Error::Database(error) => error.code().is_some_and(|code| match code.parse::<u32>() {
            Ok(number) if code.len() < 5 => matches!(number & 0xff, 5 | 6),
            _ => ["08", "40", "53", "57"].iter().any(|class| code.starts_with(class)),
        }),
        _ => false,
    }
}

/// What the database's failure means to a client.
#[expect(clippy::needless_pass_by_value, reason = "it is given to map_err")]
pub(crate) fn database_failed(error: sqlx::Error) -> Problem {
    if is_transient(&error) {
        warn!(%error, "the database did not carry out a request");
        Problem::unavailable("the database does not answer; try again")
    } else {
        error!(%error, "the database refuses what this gateway needs");
        internal()
    }
}

/// For what a column holds and no gateway would have written.
pub(crate) fn decode(error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(error))
}

/// The amount in a column, of the currency in the row's column `currency`.
pub(crate) fn money(row: &AnyRow, column: &str) -> sqlx::Result<Money> {
    let currency: String = row.try_get("currency")?;
    Money::from_minor(row.try_get(column)?, &currency).map_err(decode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn several_may_make_one_file_at_the_same_moment() {
        for _ in 0..5 {
            let folder = tempfile::TempDir::new().unwrap();
            let url = format!("sqlite:{}", folder.path().join("a.db").display());
            let all = futures_util::future::join_all((0..6).map(|_| {
                let url = url.clone();
                tokio::spawn(async move { Database::open(&url).await.map(|_| ()) })
            }));
            for opened in all.await {
                opened.unwrap().unwrap();
            }
        }
    }

    #[test]
    fn a_file_is_made_unless_the_url_says_otherwise() {
        assert_eq!(with_mode("sqlite:orderly.db"), "sqlite:orderly.db?mode=rwc");
        assert_eq!(with_mode("sqlite:a?cache=shared"), "sqlite:a?cache=shared&mode=rwc");
        assert_eq!(with_mode("sqlite:a?mode=ro"), "sqlite:a?mode=ro");
        assert_eq!(with_mode("postgres://localhost/orderly"), "postgres://localhost/orderly");
    }
}
