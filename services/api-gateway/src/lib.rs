//! The HTTP edge and query side: takes orders into the journal `orders-stream`, and shows what became of them.
//!
//! | to follow | open |
//! |---|---|
//! | a request | `routes.rs`, and what holds for all of them: `edge/` |
//! | who may log in | `accounts/` |
//! | an order | `orders/` |
//! | prices | `catalogue/` |
//! | who and what is ahead | `boards/` |
//! | the pages for people | `page/` |
//! | what operators see and ask for | `operator/` |
//! | how an id from outside is spelled | `plain_id.rs` |
//! | what is kept in SQL | `database.rs`, and the tables in `migrations/` |
//! | when Redis is good enough | `durability.rs` |

mod accounts;
mod app;
mod boards;
mod cached;
mod catalogue;
mod config;
mod cursor;
mod database;
mod docs;
mod durability;
mod edge;
mod error;
mod limits;
mod operator;
mod orders;
mod page;
mod plain_id;
mod routes;
mod users;

use std::time::Duration;

use common::{
    messages::OrderEvent,
    names::{groups, services},
    operations::Installation,
    service::Service,
    upkeep::Upkeep,
};
use futures_util::{FutureExt, future::join_all};
use redis_kit::{
    Redis,
    cache::{Cache, CacheOptions},
    session::{SessionCookie, SessionOptions, Sessions},
    stream::{Handler, Worker, WorkerOptions},
};
use tokio::{net::TcpListener, sync::Mutex};
use tokio_util::sync::CancellationToken;

use accounts::{AccountStore, Familiar, Passwords, seed_admin, seed_demo_customers};
pub use accounts::{FirstAdmin, first_admin};
use app::{App, Parts};
use boards::{Boards, BoardsProjection};
use catalogue::Catalogue;
pub use config::{Config, DEFAULT_ADMIN};
use database::Database;
use durability::DurabilityCheck;
use limits::Limits;
use orders::{
    Orders,
    accept::Acceptor,
    archive::{ArchiveProjection, ArchiveStore},
    events::Events,
    view::{OrderViewProjection, OrderViews},
};
use page::Live;
use users::Users;

/// The service's name.
pub const NAME: &str = services::API_GATEWAY;

/// Where it listens unless it is told another port.
pub const DEFAULT_PORT: u16 = 8080;

/// How many events of one partition a projection applies together at most: the more, the less each of them costs.
const TOGETHER: usize = 256;

/// For how long events gather for the view of an order, which people look at while it is on its way.
const VIEW_GATHER: Duration = Duration::from_millis(50);

/// For how long they gather for the archive and the boards. An order that is paid meanwhile is one row to insert.
const GATHER: Duration = Duration::from_millis(250);

/// How many times as long as that took a projection rests then. Taking orders comes first: a gateway that is busy leaves
/// most of its time to that.
const REST: u32 = 99;

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
    let app = App::new(parts(&service, &database, durability, &config).await?);
    let view = OrderViewProjection::new(service.names.clone(), service.partitions);
    let view = join(&service, groups::ORDER_VIEW, view, VIEW_GATHER, &config).await?;
    let archive = ArchiveProjection {
        store: ArchiveStore::new(&database),
        redis: service.commands.clone(),
        names: service.names.clone(),
        partitions: service.partitions,
        keep_settled: config.keep_settled,
        turn: Mutex::default(),
    };
    let archive = join(&service, groups::ORDER_ARCHIVE, archive, GATHER, &config).await?;
    let boards = BoardsProjection { app: app.clone(), names: service.names.clone() };
    let boards = join(&service, groups::ORDER_BOARDS, boards, GATHER, &config).await?;

    service.open(routes::all(&app, config.proxies));
    let upkeep = Upkeep::of_control(&service.commands, &service.names);
    let work = join_all([
        view.run(shutdown.clone()).boxed(),
        archive.run(shutdown.clone()).boxed(),
        boards.run(shutdown.clone()).boxed(),
        upkeep.run(shutdown).boxed(),
    ]);
    service.run(async { drop(work.await) }).await
}

/// Puts together what handlers work with.
async fn parts(
    service: &Service,
    database: &Database,
    durability: DurabilityCheck,
    config: &Config,
) -> anyhow::Result<Parts> {
    let names = || service.names.clone();
    let volatile = match &config.redis_cache_url {
        Some(url) => Redis::open(url)?,
        None => service.redis.clone(),
    };
    let cache = Cache::start(&volatile, CacheOptions::default())?;
    let accounts = AccountStore::new(database);
    let passwords = Passwords::default();
    let args = &config.accounts;
    if let Some(password) = args.admin_password.clone() {
        seed_admin(&accounts, &passwords, &args.admin_email, password).await?;
    }
    if args.seed_demo_customers {
        seed_demo_customers(&accounts, &passwords).await?;
    }
    let sessions = SessionOptions {
        prefix: config.service.installation.key_prefix.clone(),
        idle: args.session_idle,
        absolute: args.session_absolute,
        ..SessionOptions::default()
    };
    let (redis, commands) = (service.redis.clone(), service.commands.clone());
    Ok(Parts {
        acceptor: Acceptor::start(service, durability).await?,
        orders: Orders {
            views: OrderViews::new(service),
            archive: ArchiveStore::new(database),
            cache: cache.clone(),
            names: names(),
        },
        boards: Boards::new(&redis, &config.service.installation.key_prefix)?,
        live: Live::default(),
        events: Events::new(redis.clone(), commands.clone(), names(), service.partitions),
        catalogue: Catalogue::new(database, cache.clone(), names()),
        users: Users::new(cache, names(), &config.user_api_url)?,
        accounts,
        passwords,
        familiar: Familiar { redis: commands.clone(), names: names() },
        sessions: Sessions::new(&redis, sessions)?,
        cookie: SessionCookie::default(),
        installation: Installation { redis: commands, names: names(), partitions: service.partitions },
        limits: Limits::new(service, &volatile, &config.service.installation.key_prefix, &config.limits)?,
    })
}

/// Joins a group that follows the journal in its order.
async fn join<H: Handler<Message = OrderEvent>>(
    service: &Service,
    group: &'static str,
    projection: H,
    gather: Duration,
    config: &Config,
) -> anyhow::Result<Worker<H>> {
    let options = WorkerOptions {
        concurrency: TOGETHER,
        rest: REST,
        gather,
        skip_unknown: true,
        ..config.consumer.ordered()
    };
    let streams = service.names.orders_streams(service.partitions);
    service.join(&streams, group, projection, options).await
}
