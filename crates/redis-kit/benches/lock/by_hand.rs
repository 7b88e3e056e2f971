//! The locks that everybody writes: without renewal, and whoever does not get it asks again after a millisecond.

use std::time::Duration;

use redis::{Cmd, aio::MultiplexedConnection};

use crate::rig::{Rig, rate};

const RELEASE: &str =
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) else return 0 end";

/// Takes the lock and numbers its holders by a plain counter, which a failover may set back.
const ACQUIRE_NUMBERED: &str =
    "if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 0 end
return redis.call('INCR', KEYS[2])";

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Fence {
    None,
    Counter,
}

pub(crate) async fn run(rig: &Rig, cycles: usize, fence: Fence, key: impl Fn(usize) -> String) -> f64 {
    let mut connection = rig.bare().await;
    let acquire_hash = load(&mut connection, ACQUIRE_NUMBERED).await;
    let release_hash = load(&mut connection, RELEASE).await;
    rate(cycles, |task, cycles| {
        let (key, mut connection) = (key(task), connection.clone());
        let (acquire_hash, release_hash) = (acquire_hash.clone(), release_hash.clone());
        async move {
            let counter = format!("{key}:counter");
            for _ in 0..cycles {
                let owner = uuid::Uuid::new_v4().simple().to_string();
                let mut acquire = Cmd::new();
                match fence {
                    Fence::None => acquire.arg("SET").arg(&key).arg(&owner).arg("NX").arg("PX").arg(10_000),
                    Fence::Counter => {
                        acquire.arg("EVALSHA").arg(&acquire_hash).arg(2).arg(&key).arg(&counter);
                        acquire.arg(&owner).arg(10_000)
                    }
                };
                while !acquire.query_async::<bool>(&mut connection).await.expect("an answer") {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                let mut release = redis::cmd("EVALSHA");
                release.arg(&release_hash).arg(1).arg(&key).arg(&owner);
                assert!(release.query_async::<bool>(&mut connection).await.expect("an answer"));
            }
        }
    })
    .await
}

async fn load(connection: &mut MultiplexedConnection, script: &str) -> String {
    let load = redis::cmd("SCRIPT").arg("LOAD").arg(script).query_async(connection).await;
    load.expect("a script")
}
