//! The HTTP edge and query side: takes orders into the journal `orders-stream`, and shows what became of them.
//!
//! | to follow | open |
//! |---|---|
//! | a request | `routes.rs`, and its body `body.rs` |
//! | an order being accepted | `accept/` |
//! | what `GET /orders/{id}` shows | `order_view.rs` |
//! | prices | `catalogue.rs` |
//! | when Redis is good enough | `durability.rs` |

mod accept;
mod body;
mod catalogue;
mod config;
mod durability;
mod error;
mod new_order;
mod order_view;
mod routes;

use common::{names::groups, service::Service};
use redis_kit::stream::{Mode, WorkerOptions};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use accept::Acceptor;
pub use config::{Config, Durability};
use durability::DurabilityCheck;
use order_view::{OrderViewProjection, OrderViews};

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

    let projection = OrderViewProjection::new(service.names.clone(), service.partitions);
    let options = WorkerOptions {
        mode: Mode::Ordered,
        concurrency: BATCH,
        max_attempts: None,
        skip_unknown: true,
        ..config.consumer.options()
    };
    let streams = service.names.orders_streams(service.partitions);
    let worker = service.join(&streams, groups::ORDER_VIEW, projection, options).await?;

    let acceptor = Acceptor::start(&service, durability).await?;
    service.open(routes::all(acceptor, OrderViews::new(&service)));
    service.run(worker.run(shutdown)).await
}
