//! The lock that everybody writes: no fence, no renewal, and whoever does not get it asks again after a millisecond.

use std::time::Duration;

use crate::rig::{Rig, rate};

const RELEASE: &str =
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) else return 0 end";

pub(crate) async fn run(rig: &Rig, cycles: usize, key: impl Fn(usize) -> String) -> f64 {
    let mut connection = rig.bare().await;
    let load = redis::cmd("SCRIPT").arg("LOAD").arg(RELEASE).query_async(&mut connection).await;
    let hash: String = load.expect("a script");
    rate(cycles, |task, cycles| {
        let (key, hash, mut connection) = (key(task), hash.clone(), connection.clone());
        async move {
            for _ in 0..cycles {
                let owner = uuid::Uuid::new_v4().simple().to_string();
                loop {
                    let mut set = redis::cmd("SET");
                    set.arg(&key).arg(&owner).arg("NX").arg("PX").arg(10_000);
                    if set.query_async(&mut connection).await.expect("an answer") {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                let mut release = redis::cmd("EVALSHA");
                release.arg(&hash).arg(1).arg(&key).arg(&owner);
                assert!(release.query_async::<bool>(&mut connection).await.expect("an answer"));
            }
        }
    })
    .await
}
