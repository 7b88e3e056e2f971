//! The commands of a tutorial, each by itself on one multiplexed connection: no cursor, no metadata, no number of members.

use redis::Value;

use crate::{
    any, member,
    rig::{Rig, rate},
};

const KEY: &str = "by-hand";

pub(crate) async fn fill(rig: &Rig, members: usize) {
    let mut connection = rig.bare().await;
    for from in (0..members).step_by(1000) {
        let mut add = redis::cmd("ZADD");
        add.arg(KEY);
        for number in from..members.min(from + 1000) {
            add.arg(number).arg(member(number));
        }
        add.exec_async(&mut connection).await.expect("an answer");
    }
}

/// `ZADD … GT`, or `ZINCRBY`.
pub(crate) async fn update(rig: &Rig, command: &'static str, members: usize) -> f64 {
    let connection = rig.bare().await;
    rate(rig.cycles, |task, cycles| {
        let mut connection = connection.clone();
        async move {
            for n in 0..cycles {
                let number = any(task, n, members);
                let mut update = redis::cmd(command);
                update.arg(KEY);
                if command == "ZADD" {
                    update.arg("GT");
                }
                update.arg(1 + n % 7).arg(member(number));
                update.exec_async(&mut connection).await.expect("an answer");
            }
        }
    })
    .await
}

pub(crate) async fn top(rig: &Rig) -> f64 {
    let connection = rig.bare().await;
    rate(rig.cycles, |_, cycles| {
        let mut connection = connection.clone();
        async move {
            for _ in 0..cycles {
                let mut top = redis::cmd("ZRANGE");
                top.arg(KEY).arg(0).arg(9).arg("REV").arg("WITHSCORES");
                let found: Vec<(String, f64)> = top.query_async(&mut connection).await.expect("an answer");
                assert_eq!(found.len(), 10);
            }
        }
    })
    .await
}

pub(crate) async fn rank(rig: &Rig, members: usize) -> f64 {
    let connection = rig.bare().await;
    rate(rig.cycles, |task, cycles| {
        let mut connection = connection.clone();
        async move {
            for n in 0..cycles {
                let mut rank = redis::cmd("ZREVRANK");
                rank.arg(KEY).arg(member(any(task, n, members)));
                let found: Value = rank.query_async(&mut connection).await.expect("an answer");
                assert_ne!(found, Value::Nil);
            }
        }
    })
    .await
}

/// Two round trips: the rank, and those around it.
pub(crate) async fn around(rig: &Rig, members: usize) -> f64 {
    let connection = rig.bare().await;
    rate(rig.cycles, |task, cycles| {
        let mut connection = connection.clone();
        async move {
            for n in 0..cycles {
                let mut rank = redis::cmd("ZREVRANK");
                rank.arg(KEY).arg(member(any(task, n, members)));
                let rank: u64 = rank.query_async(&mut connection).await.expect("a rank");
                let mut around = redis::cmd("ZRANGE");
                around.arg(KEY).arg(rank.saturating_sub(5)).arg(rank + 5).arg("REV").arg("WITHSCORES");
                let found: Vec<(String, f64)> = around.query_async(&mut connection).await.expect("an answer");
                assert!(found.len() > 5);
            }
        }
    })
    .await
}
