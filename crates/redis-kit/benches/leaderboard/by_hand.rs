//! The bare commands on one multiplexed connection: no cursor, no windows, no shared ranks. Reads that answer the same as ours
//! are pipelined where one does not need the other's answer.

use redis::{Value, aio::MultiplexedConnection};

use crate::{
    any, member, points,
    rig::{Rig, rate},
};

const KEY: &str = "by-hand";
const METADATA: &str = "by-hand:metadata";

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
                update.arg(points(command == "ZADD", n)).arg(member(number));
                update.exec_async(&mut connection).await.expect("an answer");
            }
        }
    })
    .await
}

/// The ten, how many there are, and, as a second round trip, what is known of them.
pub(crate) async fn top(rig: &Rig) -> f64 {
    let connection = rig.bare().await;
    rate(rig.cycles, |_, cycles| {
        let mut connection = connection.clone();
        async move {
            for _ in 0..cycles {
                let mut top = redis::pipe();
                top.cmd("ZRANGE").arg(KEY).arg(0).arg(9).arg("REV").arg("WITHSCORES");
                top.cmd("ZCARD").arg(KEY);
                let (found, _): (Vec<(String, f64)>, u64) =
                    top.query_async(&mut connection).await.expect("an answer");
                metadata(&mut connection, &found).await;
            }
        }
    })
    .await
}

/// A member's place, score and metadata, and how many members there are.
pub(crate) async fn rank(rig: &Rig, members: usize) -> f64 {
    let connection = rig.bare().await;
    rate(rig.cycles, |task, cycles| {
        let mut connection = connection.clone();
        async move {
            for n in 0..cycles {
                let member = member(any(task, n, members));
                let mut rank = redis::pipe();
                rank.cmd("ZREVRANK").arg(KEY).arg(&member);
                rank.cmd("ZSCORE").arg(KEY).arg(&member);
                rank.cmd("HGET").arg(METADATA).arg(&member);
                rank.cmd("ZCARD").arg(KEY);
                let (place, ..): (Option<u64>, f64, Value, u64) =
                    rank.query_async(&mut connection).await.expect("an answer");
                assert!(place.is_some());
            }
        }
    })
    .await
}

/// The place, then those around it, then what is known of them: three round trips.
pub(crate) async fn around(rig: &Rig, members: usize) -> f64 {
    let connection = rig.bare().await;
    rate(rig.cycles, |task, cycles| {
        let mut connection = connection.clone();
        async move {
            for n in 0..cycles {
                let mut rank = redis::pipe();
                rank.cmd("ZREVRANK").arg(KEY).arg(member(any(task, n, members)));
                rank.cmd("ZCARD").arg(KEY);
                let (place, _): (u64, u64) = rank.query_async(&mut connection).await.expect("a place");
                let mut around = redis::cmd("ZRANGE");
                around.arg(KEY).arg(place.saturating_sub(5)).arg(place + 5).arg("REV").arg("WITHSCORES");
                let found: Vec<(String, f64)> = around.query_async(&mut connection).await.expect("an answer");
                metadata(&mut connection, &found).await;
            }
        }
    })
    .await
}

async fn metadata(connection: &mut MultiplexedConnection, found: &[(String, f64)]) {
    let mut metadata = redis::cmd("HMGET");
    metadata.arg(METADATA);
    for (member, _) in found {
        metadata.arg(member);
    }
    let known: Vec<Value> = metadata.query_async(connection).await.expect("an answer");
    assert_eq!(known.len(), found.len());
}

/// One command alone, which tells less than ours: `ZREVRANK`, or the first ten.
pub(crate) async fn one_command(rig: &Rig, members: Option<usize>) -> f64 {
    let connection = rig.bare().await;
    rate(rig.cycles, |task, cycles| {
        let mut connection = connection.clone();
        async move {
            for n in 0..cycles {
                let command = match members {
                    Some(members) => {
                        redis::cmd("ZREVRANK").arg(KEY).arg(member(any(task, n, members))).take()
                    }
                    None => redis::cmd("ZRANGE").arg(KEY).arg(0).arg(9).arg("REV").arg("WITHSCORES").take(),
                };
                let found: Value = command.query_async(&mut connection).await.expect("an answer");
                assert_ne!(found, Value::Nil);
            }
        }
    })
    .await
}
