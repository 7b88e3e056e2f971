//! The HTTP edge and query side: takes orders into the journal `orders-stream`, and shows what became of them.
//!
//! | to follow | open |
//! |---|---|
//! | a request | `routes.rs`, and its body `body.rs` |
//! | an order | `orders/` |
//! | prices | `catalogue/` |
//! | what is kept in SQL | `database.rs`, and the tables in `migrations/` |
//! | when Redis is good enough | `durability.rs` |

mod accounts;
mod body;
mod catalogue;
mod config;
mod database;
mod durability;
mod error;
mod orders;

mod routes;

use std::time::Duration;

use common::{messages::OrderEvent, names::groups, service::Service};
use futures_util::{FutureExt, future::join_all};
use redis_kit::stream::{Handler, Mode, Worker, WorkerOptions};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use accounts::{FirstAdmin, first_admin};
use catalogue::Catalogue;
pub use config::{Config, Durability};
use database::Database;
use durability::DurabilityCheck;
use orders::{
    accept::Acceptor,
    archive::{ArchiveProjection, ArchiveStore},
    view::{OrderViewProjection, OrderViews},
};

/// The service's name.
pub const NAME: &str = "api-gateway";

const DEFAULT_PORT: u16 = 8080;

/// Events of one partition that are applied to the views by one call to Redis, at most.
const BATCH: usize = 256;

/// Listens where `config` says and runs the service until `shutdown`, then finishes the requests in flight and drains
/// the projection.
pub async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    let listener = config.service.http.bind(DEFAULT_PORT).await?;
    serve(listener, config, shutdown).await
}

/// The same on a listener that the caller has bound, and so knows the address of.
pub async fn serve(listener: TcpListener, config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    let Some(service) = Service::start_on(listener, NAME, &config.service, &shutdown).await? else {
        return Ok(());
    };
    let durability = DurabilityCheck::start(config.durability, service.commands.clone()).await;
    let durable = durability.clone();
    service.health.add("durability", move || durable.check());

    let Some(database) =
        shutdown.run_until_cancelled(Database::open(&config.database_url)).await.transpose()?
    else {
        return Ok(());
    };
    let view = OrderViewProjection::new(service.names.clone(), service.partitions);
    let view = join(&service, groups::ORDER_VIEW, view, &config).await?;
    let archive = ArchiveProjection {
        store: ArchiveStore::new(&database),
        redis: service.commands.clone(),
        names: service.names.clone(),
        partitions: service.partitions,
        keep_settled: Duration::from_secs_f64(config.keep_settled),
    };
    let archive = join(&service, groups::ORDER_ARCHIVE, archive, &config).await?;

    let acceptor = Acceptor::start(&service, durability).await?;
    service.open(routes::all(acceptor, Catalogue::new(&database), OrderViews::new(&service)));
    let projections = join_all([view.run(shutdown.clone()).boxed(), archive.run(shutdown).boxed()]);
    service.run(async { drop(projections.await) }).await
}

/// Joins a group that follows the journal in its order.
async fn join<H: Handler<Message = OrderEvent>>(
    service: &Service,
    group: &'static str,
    projection: H,
    config: &Config,
) -> anyhow::Result<Worker<H>> {
    let options = WorkerOptions {
        mode: Mode::Ordered,
        concurrency: BATCH,
        max_attempts: None,
        skip_unknown: true,
        ..config.consumer.options()
    };
    let streams = service.names.orders_streams(service.partitions);
    service.join(&streams, group, projection, options).await
}
