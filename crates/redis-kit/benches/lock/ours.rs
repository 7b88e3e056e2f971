use std::time::Duration;

use redis_kit::lock::{LockOptions, Locks};

use crate::rig::{Rig, rate};

pub(crate) async fn run(rig: &Rig, cycles: usize, key: impl Fn(usize) -> String) -> f64 {
    let locks = Locks::on(&rig.redis).expect("a connection");
    rate(cycles, |task, cycles| {
        let lock = locks.lock(key(task), LockOptions::default());
        async move {
            for _ in 0..cycles {
                let guard = lock.acquire(Duration::from_mins(1)).await.expect("an answer").held();
                assert!(guard.expect("the lock").release().await.expect("an answer"));
            }
        }
    })
    .await
}
