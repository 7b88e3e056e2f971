//! Redis is there, and refuses: each refusal is waited out, and nothing is asked for in a hot loop meanwhile.

use local_redis::{Durability, Server};
use redis_kit::Redis;
use test_support::eventually;

use crate::{
    handlers::{Gate, Notes, done, gated},
    harness::{Bench, GROUP, LIMIT, STREAM, Working, options},
    topology::IS_CLUSTER,
};

/// A worker that has one entry in hand and one before it, while something is about to happen.
struct Scene {
    gate: Gate,
    started: Notes<String>,
    worker: Working,
}

impl Scene {
    async fn on(bench: &Bench) -> Self {
        let (gate, started) = (Gate::closed(), Notes::new());
        let options = redis_kit::stream::WorkerOptions { concurrency: 1, ..options() };
        let worker = bench.work("w", options, gated(&gate, &started)).await;
        bench.want(&["a", "b"]).await;
        started.until(1).await;
        Self { gate, started, worker }
    }

    /// Lets the handler finish, and the worker run into what has happened.
    async fn refused(&self, bench: &Bench) {
        self.gate.open();
        eventually("the worker to be seen as cut off", LIMIT, || async {
            if self.worker.status.check().is_err() { Ok(()) } else { Err("its status is good") }
        })
        .await;
        bench.assert_no_hot_loop().await;
    }

    /// What has happened is over.
    async fn over(self, bench: &Bench) {
        bench.want(&["c"]).await;
        bench.finished(vec!["a", "b", "c"]).await;
        assert_eq!(self.started.all(), ["a", "b", "c"], "no handler was repeated");
        eventually("the status to be good again", LIMIT, || async { self.worker.status.check() }).await;
        self.worker.stop().await;
    }
}

#[tokio::test]
async fn a_read_only_replica() {
    if IS_CLUSTER {
        // Made by commands that a cluster's node refuses.
        return;
    }
    let bench = Bench::start().await;
    let scene = Scene::on(&bench).await;
    // Nobody listens there.
    bench.run::<()>(&["REPLICAOF", "127.0.0.1", "1"]).await;
    scene.gate.open();
    bench.assert_no_hot_loop().await;
    bench.run::<()>(&["REPLICAOF", "NO", "ONE"]).await;
    scene.over(&bench).await;
}

#[tokio::test]
async fn a_server_whose_snapshots_fail() {
    if IS_CLUSTER {
        // Made by commands that a cluster's node refuses.
        return;
    }
    let bench = Bench::start().await;
    let scene = Scene::on(&bench).await;
    // A file cannot take the place of a directory.
    let (_, file): (String, String) = bench.run(&["CONFIG", "GET", "dbfilename"]).await;
    let in_the_way = bench.server().directory().join(file);
    std::fs::create_dir(&in_the_way).unwrap();
    bench.run::<()>(&["CONFIG", "SET", "save", "3600 1000000"]).await;
    bench.run::<String>(&["BGSAVE"]).await;
    eventually("writes to be refused", LIMIT, || async {
        match bench.try_run::<u8>(&["DEL", "nothing"]).await {
            Err(error) if error.code() == Some("MISCONF") => Ok(()),
            answer => Err(format!("{answer:?}")),
        }
    })
    .await;
    scene.gate.open();
    bench.assert_no_hot_loop().await;
    assert!(bench.done().await.is_empty());
    std::fs::remove_dir(&in_the_way).unwrap();
    bench.run::<String>(&["BGSAVE"]).await;
    eventually("writes to be taken again", LIMIT, || bench.try_run::<u8>(&["DEL", "nothing"])).await;
    scene.over(&bench).await;
}

#[tokio::test]
async fn a_server_that_is_loading() {
    if IS_CLUSTER {
        // Made by commands that a cluster's node refuses.
        return;
    }
    let bench = Bench::start().await;
    let scene = Scene::on(&bench).await;
    let mut fill = redis_kit::pipe();
    for n in 0..4000 {
        fill.cmd("SET").arg(format!("filler {{t}} {n}")).arg("x".repeat(50)).ignore();
    }
    fill.exec_async(&mut bench.commands()).await.unwrap();
    // Another one copies all of this, and this one copies it back, slowly.
    let other = Server::ephemeral(Durability::Volatile).await.unwrap();
    let mut connection = Redis::open(&other.url()).unwrap().commands().unwrap();
    let mut ask = async |words: &[&str]| -> redis::RedisResult<redis::Value> {
        redis_kit::cmd(words[0]).arg(&words[1..]).query_async(&mut connection).await
    };
    bench.run::<()>(&["CONFIG", "SET", "repl-diskless-sync-delay", "0"]).await;
    ask(&["CONFIG", "SET", "repl-diskless-sync-delay", "0"]).await.unwrap();
    ask(&["REPLICAOF", "127.0.0.1", &bench.server().port().to_string()]).await.unwrap();
    loop {
        let info = ask(&["INFO", "replication"]).await.unwrap();
        if redis::from_redis_value::<String>(info).unwrap().contains("master_link_status:up") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    ask(&["REPLICAOF", "NO", "ONE"]).await.unwrap();
    // Further ahead than it remembers, so that it cannot tell only what is new.
    ask(&["CONFIG", "SET", "repl-backlog-size", "16384"]).await.unwrap();
    ask(&["SET", "filler:{t}", &"x".repeat(100_000)]).await.unwrap();
    bench
        .run::<()>(&[
            "CONFIG",
            "SET",
            "key-load-delay",
            "500",
            "loading-process-events-interval-bytes",
            "1024",
        ])
        .await;
    bench.run::<()>(&["REPLICAOF", "127.0.0.1", &other.port().to_string()]).await;
    eventually("it to be loading", LIMIT, || async {
        match bench.try_run::<u8>(&["EXISTS", "nothing"]).await {
            Err(error) if error.to_string().contains("loading") => Ok(()),
            answer => Err(format!("{answer:?}")),
        }
    })
    .await;
    scene.gate.open();
    eventually("it to have loaded", LIMIT, || bench.try_run::<u8>(&["EXISTS", "nothing"])).await;
    bench.run::<()>(&["REPLICAOF", "NO", "ONE"]).await;
    scene.over(&bench).await;
}

#[tokio::test]
async fn a_permission_that_was_taken_away_and_is_given_back() {
    let bench = Bench::start().await;
    let scene = Scene::on(&bench).await;
    bench.permit(&["-xreadgroup"]).await;
    scene.refused(&bench).await;
    bench.permit(&["+xreadgroup"]).await;
    scene.over(&bench).await;
}

/// faststream#2611: endless `NOGROUP` after Redis lost its data.
#[tokio::test]
async fn a_group_that_cannot_be_created_again_yet() {
    let bench = Bench::start().await;
    let worker = bench.work("w", options(), |job| async move { done(&job) }).await;
    bench.want(&["lost"]).await;
    bench.finished(vec!["lost"]).await;
    bench.run::<()>(&["FLUSHALL"]).await;
    bench.run::<()>(&["SET", STREAM, "no stream"]).await;
    eventually("the worker to be seen as cut off", LIMIT, || async {
        if worker.status.check().is_err() { Ok(()) } else { Err("its status is good") }
    })
    .await;
    bench.assert_no_hot_loop().await;
    bench.run::<u8>(&["DEL", STREAM]).await;
    bench.want(&["a"]).await;
    bench.finished(vec!["a"]).await;
    worker.stop().await;
}

/// The same.
#[tokio::test]
async fn a_group_that_is_destroyed_at_work_is_created_again_and_asked_for_in_no_hot_loop() {
    let bench = Bench::start().await;
    let (gate, started) = (Gate::closed(), Notes::new());
    let worker = bench.work("w", options(), gated(&gate, &started)).await;
    bench.want(&["a", "b"]).await;
    started.until(2).await;
    bench.run::<()>(&["XGROUP", "DESTROY", STREAM, GROUP]).await;
    // It begins at the first entry again, and whatever the first two handlers return is refused.
    started.until(4).await;
    bench.assert_no_hot_loop().await;
    gate.open();
    bench.finished(vec!["a", "b"]).await;
    worker.stop().await;
}
