//! The outside world of a shop, for development and tests: what the system would reach over the internet.
//!
//! | role | module | promise |
//! |---|---|---|
//! | payment provider | `provider` | charges a key once, keeps its books across a `kill -9` |
//! | user directory | `directory` | the same thousand users, always |
//! | bad days | `faults` | latency, declines, errors, lost answers and resets on demand, repeatable by seed |
//! | the wire | `network` | connections that can be broken on purpose |
//! | refusals | `extract` | every refused request is answered with `application/problem+json` |

mod config;
mod directory;
mod extract;
mod faults;
mod network;
mod provider;

use std::sync::Arc;

use anyhow::Context;
use axum::{Router, extract::DefaultBodyLimit, http::StatusCode};
use common::{
    health::Health,
    http::{self, HttpLimits, Mount},
    problem::Problem,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::info;

pub use config::{Config, World};
use faults::Faults;
pub use faults::{FaultSettings, Latency, Spell};
use provider::Books;

/// The service's name in logs and on the command line.
pub const NAME: &str = "sandbox";

/// Where it listens unless it is told another port.
pub const DEFAULT_PORT: u16 = 8090;

/// A charge is a few hundred bytes.
const LARGEST_BODY: usize = 16 * 1024;

/// Listens where `config` says and serves until `shutdown`.
///
/// Fails if the port is taken or the books cannot be read.
pub async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    let listener = config.http.bind(DEFAULT_PORT).await?;
    serve(listener, config.http.limits, config.world, shutdown).await
}

/// Serves `world` on `listener` until `shutdown`, then finishes what is in flight.
///
/// Until the books are read, `/readyz` and every public route answer 503.
pub async fn serve(
    listener: TcpListener,
    limits: HttpLimits,
    world: World,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let address = listener.local_addr().context("cannot tell the address of the listener")?;
    let (health, mount) = (Health::default(), Mount::default());
    let probes = http::routes(health.clone(), mount.clone());
    let server = network::serve(listener, probes, limits, shutdown.clone());
    let open = async {
        let books = Arc::new(provider::open_books(world.books).await?);
        let faults = Arc::new(Faults::new(world.faults, shutdown));
        let checked = Arc::clone(&books);
        health.add("books", move || checked.check());
        mount.open(routes(&books, &faults));
        info!(%address, "listening");
        anyhow::Ok(books)
    };
    let ((), books) = tokio::try_join!(async { server.await.context("cannot serve") }, open)?;
    books.sync().context("cannot write the books to disk")
}

fn routes(books: &Arc<Books>, faults: &Arc<Faults>) -> Router {
    provider::routes(Arc::clone(books), Arc::clone(faults))
        .merge(directory::routes(Arc::clone(faults)))
        .merge(faults::routes(Arc::clone(faults)))
        .fallback(|| async { Problem::new(StatusCode::NOT_FOUND, "there is no such route") })
        .method_not_allowed_fallback(|| async {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "the route exists, but not with this method")
        })
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
}
