//! Servers for tests: one each, many at once, gone with the value.

use tokio::sync::OnceCell;

use crate::{Durability, Error, Finder, Server, ServerBinary, ServerChoice, Settings};

/// Looked for once a process, however many tests it runs.
static BINARY: OnceCell<ServerBinary> = OnceCell::const_new();

impl Server {
    /// A server on a free port with a temporary directory; killed, and its directory removed, when dropped.
    ///
    /// It is the server that [`ServerChoice::from_env`] means, so one variable runs all tests on another server.
    ///
    /// # Errors
    /// As for [`Finder::find`] and [`Server::start`].
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// use local_redis::{Durability, Server};
    ///
    /// let redis = Server::ephemeral(Durability::Volatile).await?;
    /// let mut connection = redis::Client::open(redis.url())?.get_multiplexed_async_connection().await?;
    /// redis::cmd("SET").arg("key").arg("value").exec_async(&mut connection).await?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub async fn ephemeral(durability: Durability) -> Result<Self, Error> {
        Self::ephemeral_with(|settings| settings.durability = durability).await
    }

    /// The same, with settings to taste: `|settings| settings.extra.push(…)`. It is durable unless told otherwise.
    ///
    /// # Errors
    /// As for [`Server::ephemeral`].
    pub async fn ephemeral_with(adjust: impl FnOnce(&mut Settings)) -> Result<Self, Error> {
        let binary = BINARY.get_or_try_init(find).await?;
        let scratch = tempfile::Builder::new().prefix("local-redis-").tempdir();
        let scratch = scratch.map_err(|source| Error::Directory { path: std::env::temp_dir(), source })?;
        let mut settings = Settings::new(scratch.path());
        adjust(&mut settings);
        Ok(Self::start(binary, settings).await?.keeping(scratch))
    }
}

async fn find() -> Result<ServerBinary, Error> {
    Finder::new(ServerChoice::from_env()).find(&|_| ()).await
}
