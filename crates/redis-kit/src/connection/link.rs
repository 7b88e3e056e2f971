use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use futures_util::{FutureExt, future::BoxFuture, future::Shared};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, Pipeline, PushInfo,
    PushKind, RedisError, RedisResult, Value, aio::MultiplexedConnection,
};

/// The connections to each node, made when first used and made anew when lost.
pub(super) struct Links {
    /// How to log in and what to speak, on every node.
    template: ConnectionInfo,
    config: AsyncConnectionConfig,
    open: Mutex<Vec<Arc<Link>>>,
}

impl Links {
    pub(super) fn new(template: ConnectionInfo, config: AsyncConnectionConfig) -> Self {
        Self { template, config, open: Mutex::new(Vec::new()) }
    }

    /// The link to a node: the one that stands, or a new one.
    pub(super) fn to(&self, node: &ConnectionAddr) -> Arc<Link> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|link| !link.is_lost());
        if let Some(link) = open.iter().find(|link| link.node == *node) {
            return Arc::clone(link);
        }
        let link = Arc::new(Link::open(self.template.clone().set_addr(node.clone()), self.config.clone()));
        open.push(Arc::clone(&link));
        link
    }

    /// The nodes to which a connection stands.
    pub(super) fn standing(&self) -> Vec<ConnectionAddr> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.iter().filter(|link| link.stands()).map(|link| link.node.clone()).collect()
    }
}

/// One connection to one node. All who use it wait for the same attempt to connect, and fail with it.
pub(super) struct Link {
    pub(super) node: ConnectionAddr,
    connecting: Shared<BoxFuture<'static, RedisResult<MultiplexedConnection>>>,
    /// Nobody is to use it any more. What is in flight on it may still be answered.
    lost: Arc<AtomicBool>,
    /// Somebody has been told that it is lost.
    told: AtomicBool,
}

impl Link {
    fn open(info: ConnectionInfo, config: AsyncConnectionConfig) -> Self {
        let lost = Arc::new(AtomicBool::new(false));
        let (node, config) = (info.addr().clone(), config.set_push_sender(on_end(Arc::clone(&lost))));
        let connect =
            async move { Client::open(info)?.get_multiplexed_async_connection_with_config(&config).await };
        Self { node, connecting: connect.boxed().shared(), lost, told: AtomicBool::new(false) }
    }

    /// Waits until it is connected. Nothing has been sent if this fails.
    pub(super) async fn connect(&self) -> RedisResult<MultiplexedConnection> {
        let connected = self.connecting.clone().await;
        if connected.is_err() {
            self.lose();
        }
        connected
    }

    pub(super) async fn send(&self, command: &Cmd) -> RedisResult<Value> {
        let answer = self.connect().await?.send_packed_command(command).await;
        self.check(answer.as_ref().map(std::slice::from_ref));
        answer
    }

    /// Sends a command to a node that is still receiving the command's slot.
    pub(super) async fn send_asking(&self, command: &Cmd) -> RedisResult<Value> {
        // In one piece, because ASKING holds for the next command on the connection, whoever sent that.
        let mut asking = redis::pipe();
        asking.cmd("ASKING").add_command(command.clone());
        let mut answers = self.send_all(&asking, 0, 2).await?;
        answers.pop().ok_or_else(|| (ErrorKind::Parse, "no answer came after that to ASKING").into())
    }

    pub(super) async fn send_all(
        &self,
        pipeline: &Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisResult<Vec<Value>> {
        let answers = self.connect().await?.send_packed_commands(pipeline, offset, count).await;
        self.check(answers.as_ref().map(Vec::as_slice));
        answers
    }

    /// True for the first who asks after it was lost: of all who were waiting for answers, one need care.
    pub(super) fn is_news_of_its_loss(&self) -> bool {
        self.is_lost() && !self.told.swap(true, Ordering::Relaxed)
    }

    fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    fn stands(&self) -> bool {
        !self.is_lost() && self.connecting.peek().is_some()
    }

    fn lose(&self) {
        self.lost.store(true, Ordering::Relaxed);
    }

    fn check(&self, answers: Result<&[Value], &RedisError>) {
        let is_useless = match answers {
            Err(error) => is_of_no_use(error),
            Ok(values) => values.iter().any(|value| match value {
                Value::ServerError(error) => is_of_no_use(&error.clone().into()),
                _ => false,
            }),
        };
        if is_useless {
            self.lose();
        }
    }
}

/// Notices the end of a connection that nobody is using, so that the next command need not fail to find it out.
fn on_end(lost: Arc<AtomicBool>) -> impl Fn(PushInfo) -> Result<(), redis::aio::SendError> {
    move |push| {
        if push.kind == PushKind::Disconnection {
            lost.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Whether a new connection may fare better than the one that failed so:
/// - it ended, or no answer came: the network or a balancer forgot it, which the system's TCP may not notice for a
///   quarter of an hour;
/// - its login was refused;
/// - it leads to a server that is no master any more, where the address may lead to another one by now.
fn is_of_no_use(error: &RedisError) -> bool {
    let refused = matches!(error.kind(), ErrorKind::AuthenticationFailed | ErrorKind::RESP3NotSupported);
    let code = matches!(error.code(), Some("WRONGPASS" | "NOAUTH" | "READONLY" | "DENIED"));
    error.is_io_error() || refused || code
}
