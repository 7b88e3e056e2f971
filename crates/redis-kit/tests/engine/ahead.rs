//! Clusters that are started before a test asks for one: masters that have just started do nothing for two seconds, and hundreds of
//! tests would wait for that.

use std::{
    collections::VecDeque,
    sync::{LazyLock, Mutex, PoisonError},
};

use local_redis::{Cluster, Durability};
use tokio::{runtime::Runtime, sync::oneshot};

/// How many are started or ready at most, for tests to come.
const AHEAD: usize = 14;

/// Where they are started: what a server needs of a runtime must last longer than a test. Nobody ends it; the servers end with this
/// process.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
});

static COMING: Mutex<Coming> = Mutex::new(Coming { clusters: VecDeque::new(), asked: 0 });

/// Those that no test has yet, the oldest first.
struct Coming {
    clusters: VecDeque<oneshot::Receiver<Cluster>>,
    asked: usize,
}

/// A cluster that nobody has had. Most tests want the same durability; for others one is started.
pub(crate) async fn cluster(durability: Durability) -> Cluster {
    let next = match durability {
        Durability::Volatile => COMING.lock().unwrap_or_else(PoisonError::into_inner).next(),
        Durability::Always => start(durability),
    };
    next.await.expect("a cluster starts")
}

impl Coming {
    /// The next one. For each that was asked for two more are started, so that a test that runs alone starts few.
    fn next(&mut self) -> oneshot::Receiver<Cluster> {
        let next = self.clusters.pop_front().unwrap_or_else(|| start(Durability::Volatile));
        self.asked += 1;
        while self.clusters.len() < AHEAD.min(2 * self.asked) {
            self.clusters.push_back(start(Durability::Volatile));
        }
        next
    }
}

fn start(durability: Durability) -> oneshot::Receiver<Cluster> {
    let (send, started) = oneshot::channel();
    RUNTIME.spawn(async move {
        let cluster = Cluster::ephemeral(durability).await.unwrap();
        // Whoever asked for it may be gone.
        let _ = send.send(cluster);
    });
    started
}
