use std::sync::Arc;

use futures_util::future::join_all;
use redis::{AsyncConnectionConfig, Cmd, ErrorKind, Pipeline, RedisError, RedisResult, Value};

use super::{
    keys::Place,
    link::{Link, Links},
    slots::{Redirect, slot},
    topology::Topology,
};

/// How often a command follows what nodes say of where it belongs. Twice is what a slot on its way can need.
const REDIRECTS: u32 = 5;

/// Sends each command to the node that holds its first key.
///
/// It sends a command again only if a node said that it did not carry it out (`MOVED`, `ASK`). Whatever else fails is
/// its sender's to repeat; then the connection is replaced and the slots are looked up again before the next command.
pub(super) struct Router {
    topology: Arc<Topology>,
    links: Links,
}

impl Router {
    pub(super) fn new(topology: Arc<Topology>, config: AsyncConnectionConfig) -> Self {
        let links = Links::new(topology.template().clone(), config);
        Self { topology, links }
    }

    pub(super) fn database(&self) -> i64 {
        self.topology.template().redis_settings().db()
    }

    pub(super) async fn run(&self, command: &Cmd) -> RedisResult<Value> {
        match Place::of(command) {
            Place::Key(key) => self.run_at(slot(key), command).await,
            Place::Anywhere => {
                let link = self.any_node().await?;
                let answer = link.send(command).await;
                self.note(&link);
                answer
            }
            Place::Everywhere => self.run_everywhere(command).await,
        }
    }

    /// The commands of a pipeline go to one node, in one piece. Those that it did not carry out are then sent one by one
    /// to where it says they belong.
    pub(super) async fn run_all(
        &self,
        pipeline: &Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisResult<Vec<Value>> {
        let link = match slot_of_all(pipeline)? {
            Some(slot) => self.owner(slot).await?,
            None => self.any_node().await?,
        };
        let answers = link.send_all(pipeline, offset, count).await;
        self.note(&link);
        if pipeline.is_transaction() {
            return self.finish_transaction(answers, &link);
        }
        let mut answers = answers?;
        for (answer, command) in answers.iter_mut().zip(pipeline.cmd_iter()) {
            if self.redirect(answer, &link).is_some() {
                *answer = self.run(command).await?;
            }
        }
        Ok(answers)
    }

    /// A transaction that a node refused was not carried out. It is not sent again, because it may be half-way between
    /// two nodes; the next one finds its way.
    fn finish_transaction(&self, answers: RedisResult<Vec<Value>>, link: &Link) -> RedisResult<Vec<Value>> {
        let errors = match &answers {
            Err(error) => error.clone().into_server_errors(),
            Ok(_) => None,
        };
        for (_, error) in errors.iter().flat_map(|errors| errors.iter()) {
            self.redirect(&Value::ServerError(error.clone()), link);
        }
        answers?.into_iter().map(Value::extract_error).collect()
    }

    async fn run_at(&self, slot: u16, command: &Cmd) -> RedisResult<Value> {
        let mut link = self.owner(slot).await?;
        let mut answer = link.send(command).await;
        self.note(&link);
        for _ in 0..REDIRECTS {
            let Some(redirect) = answer.as_ref().ok().and_then(|answer| self.redirect(answer, &link)) else {
                break;
            };
            (link, answer) = match redirect {
                Redirect::Moved { node, .. } => {
                    let link = self.links.to(&node);
                    let answer = link.send(command).await;
                    (link, answer)
                }
                Redirect::Ask { node } => {
                    let link = self.links.to(&node);
                    let answer = link.send_asking(command).await;
                    (link, answer)
                }
            };
            self.note(&link);
        }
        answer
    }

    /// Succeeds if any node does. One that is down cannot be asked, and says later that it lacks what it missed.
    async fn run_everywhere(&self, command: &Cmd) -> RedisResult<Value> {
        let map = self.topology.map().await?;
        let mut nodes = map.nodes().to_vec();
        // A node that is only just receiving its first slot is in no map yet.
        nodes.extend(self.links.standing().into_iter().filter(|node| !map.nodes().contains(node)));
        let answers = join_all(nodes.iter().map(async |node| {
            let link = self.links.to(node);
            let answer = link.send(command).await;
            self.note(&link);
            answer
        }));
        let (done, failed): (Vec<_>, Vec<_>) =
            answers.await.into_iter().partition(|answer| matches!(answer, Ok(value) if !is_error(value)));
        done.into_iter().chain(failed).next().unwrap_or_else(|| Err(nobody("any slot")))
    }

    /// The node that serves a slot.
    async fn owner(&self, slot: u16) -> RedisResult<Arc<Link>> {
        let map = self.topology.map().await?;
        let Some(owner) = map.owner(slot) else {
            self.topology.doubt();
            return Err(nobody(&format!("slot {slot}")));
        };
        Ok(self.links.to(owner))
    }

    /// A node that can be connected to: the first of those that are connected, of the addresses that were given, and of
    /// all others.
    async fn any_node(&self) -> RedisResult<Arc<Link>> {
        let map = self.topology.map().await?;
        let mut last = nobody("any slot");
        for node in self.topology.by_preference(&map, &self.links.standing()) {
            let link = self.links.to(node);
            match link.connect().await {
                Ok(_) => return Ok(link),
                Err(error) => last = error,
            }
        }
        self.topology.doubt();
        Err(last)
    }

    /// What an answer says of where its command belongs; kept for the commands that follow.
    fn redirect(&self, answer: &Value, link: &Link) -> Option<Redirect> {
        if !self.topology.follows_redirects() {
            return None;
        }
        let redirect = Redirect::read(answer, &link.node)?;
        if let Redirect::Moved { slot, node } = &redirect {
            self.topology.moved(*slot, node.clone());
        }
        Some(redirect)
    }

    /// After a connection was lost its node may have lost its slots too.
    fn note(&self, link: &Link) {
        if link.is_news_of_its_loss() {
            self.topology.doubt();
        }
    }
}

/// The one slot that all keys of a pipeline are in; `None` if it has no key.
///
/// The rule is the same on a single server, so that what works there works on a cluster.
fn slot_of_all(pipeline: &Pipeline) -> RedisResult<Option<u16>> {
    let mut common = None;
    for command in pipeline.cmd_iter() {
        let Place::Key(key) = Place::of(command) else { continue };
        let slot = slot(key);
        if *common.get_or_insert(slot) != slot {
            let key = format!("{:?} is in another slot than the key before", String::from_utf8_lossy(key));
            let rule = "all keys of a pipeline must carry the same hash tag";
            return Err((ErrorKind::Client, rule, key).into());
        }
    }
    Ok(common)
}

fn is_error(value: &Value) -> bool {
    matches!(value, Value::ServerError(_))
}

pub(super) fn nobody(what: &str) -> RedisError {
    (ErrorKind::ClusterConnectionNotFound, "no node of the cluster serves this", what.to_owned()).into()
}
