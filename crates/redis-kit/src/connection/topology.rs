use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared, ready, select_ok},
};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, ErrorKind, RedisError, RedisResult, Value,
};

use super::{CONNECT_LIMIT, slots::SlotMap};

/// Where everything is: known to all connections of one [`Redis`](super::Redis), looked up by the first that needs it
/// and again after one of them was disappointed.
pub(super) struct Topology {
    seeds: Vec<ConnectionInfo>,
    follows: bool,
    lookup: Mutex<Lookup>,
}

/// All who wait for it get the same answer.
type Answer = Shared<BoxFuture<'static, RedisResult<Arc<SlotMap>>>>;

struct Lookup {
    answer: Answer,
    /// The nodes that were known before, and may answer where the seeds do not.
    known: Vec<ConnectionAddr>,
}

impl Topology {
    /// Finds out from the seeds, of which there is at least one, what they belong to.
    pub(super) fn of(seeds: Vec<ConnectionInfo>) -> Self {
        let lookup = Lookup { answer: ask_all(seeds.clone()), known: Vec::new() };
        Self { seeds, follows: true, lookup: Mutex::new(lookup) }
    }

    /// One server, whatever it belongs to.
    pub(super) fn single(server: ConnectionInfo) -> Self {
        let map = SlotMap::single(server.addr().clone());
        let lookup = Lookup { answer: known(map), known: Vec::new() };
        Self { seeds: vec![server], follows: false, lookup: Mutex::new(lookup) }
    }

    /// How to connect to any of the nodes, but for its address.
    pub(super) fn template(&self) -> &ConnectionInfo {
        &self.seeds[0]
    }

    /// The addresses that it was opened with.
    pub(super) fn seeds(&self) -> impl Iterator<Item = &ConnectionAddr> {
        self.seeds.iter().map(ConnectionInfo::addr)
    }

    /// Whether a command goes where a node says it should.
    pub(super) fn follows_redirects(&self) -> bool {
        self.follows
    }

    /// The map as last heard of; waits for it if there is none yet. No later than [`CONNECT_LIMIT`] twice.
    pub(super) async fn map(&self) -> RedisResult<Arc<SlotMap>> {
        let answer = self.lock().answer.clone();
        let map = answer.clone().await;
        if map.is_err() {
            let mut lookup = self.lock();
            if lookup.answer.ptr_eq(&answer) {
                self.look_again(&mut lookup);
            }
        }
        map
    }

    /// A node did not serve as promised: has the map looked up again, by the next who needs it.
    pub(super) fn doubt(&self) {
        let mut lookup = self.lock();
        if let Some(map) = lookup.map().filter(|_| self.follows) {
            lookup.known = map.nodes().to_vec();
            self.look_again(&mut lookup);
        }
    }

    /// The nodes of `map`, in the order in which a command that may go anywhere tries them: those that are `connected`, then
    /// those whose addresses were given, then the rest.
    pub(super) fn by_preference<'a>(
        &self,
        map: &'a SlotMap,
        connected: &[ConnectionAddr],
    ) -> Vec<&'a ConnectionAddr> {
        let mut nodes: Vec<_> = map.nodes().iter().collect();
        let seed = |node| self.seeds().position(|seed| seed == node).unwrap_or(usize::MAX);
        nodes.sort_by_key(|node| (!connected.contains(node), seed(*node)));
        nodes
    }

    /// A node said where a slot is now.
    pub(super) fn moved(&self, slot: u16, node: ConnectionAddr) {
        let mut lookup = self.lock();
        if let Some(map) = lookup.map() {
            lookup.answer = known(map.with(slot, node));
        }
    }

    fn look_again(&self, lookup: &mut Lookup) {
        let known = lookup.known.iter().filter(|node| self.seeds().all(|seed| seed != *node));
        let known = known.map(|node| self.template().clone().set_addr(node.clone()));
        lookup.answer = ask_all(self.seeds.iter().cloned().chain(known).collect());
    }

    fn lock(&self) -> MutexGuard<'_, Lookup> {
        self.lookup.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lookup {
    /// What was found, if the looking is over.
    fn map(&self) -> Option<Arc<SlotMap>> {
        self.answer.peek()?.as_ref().ok().cloned()
    }
}

fn known(map: SlotMap) -> Answer {
    let answer = ready(Ok(Arc::new(map))).boxed().shared();
    // A shared future knows its answer only once it has been asked.
    let _ = answer.clone().now_or_never();
    answer
}

/// Asks all at once and believes the first that answers: a node that is down or does not answer costs no time then.
fn ask_all(servers: Vec<ConnectionInfo>) -> Answer {
    async move {
        let is_alone = servers.len() == 1;
        let asked = servers.into_iter().map(|server| ask(server, is_alone).boxed());
        let (map, _) = select_ok(asked).await?;
        Ok(Arc::new(map))
    }
    .boxed()
    .shared()
}

/// Asks over a connection of its own: the others may be blocked, or be what the doubt is about.
async fn ask(server: ConnectionInfo, is_alone: bool) -> RedisResult<SlotMap> {
    let address = server.addr().clone();
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_LIMIT))
        .set_response_timeout(Some(CONNECT_LIMIT));
    let mut connection = Client::open(server)?.get_multiplexed_async_connection_with_config(&config).await?;
    // Unlike INFO and CLUSTER it is allowed to all users, and answered while the server loads its data.
    let about: HashMap<String, Value> = redis::cmd("HELLO").query_async(&mut connection).await?;
    let mode = about.get("mode").map(redis::from_redis_value_ref::<String>).transpose()?;
    if mode.as_deref() == Some("cluster") {
        let slots: Value = redis::cmd("CLUSTER").arg("SLOTS").query_async(&mut connection).await?;
        return SlotMap::read(&slots, &address);
    }
    if is_alone { Ok(SlotMap::single(address)) } else { Err(no_cluster(&address)) }
}

/// Of several single servers, nobody can say which one is meant.
fn no_cluster(server: &ConnectionAddr) -> RedisError {
    let found = format!("{server} is no node of a cluster");
    (ErrorKind::InvalidClientConfig, "several addresses were given, which only a cluster can have", found)
        .into()
}
