//! `maxmemory` is reached while orders are under way.

use local_redis::{Durability, Server};
use nix::sys::signal::Signal;
use redis::aio::MultiplexedConnection;
use test_support::{System, eventually, send};

use super::{SOON, all_were_told_to_try_later, report, troubled, until_promised};
use crate::{
    books::{nothing_acknowledged_is_unrecorded, reckon, settled},
    clients::Clients,
    options,
};

const LESS_THAN_IN_USE: &str = "100kb";

/// What services write is let through ("allow-oom"), or nothing would ever become less; new orders are not.
#[tokio::test]
async fn a_full_redis_takes_no_new_orders_and_those_it_has_are_finished() {
    let system = System::start(&troubled(options())).await;
    let mut redis = system.redis().await.unwrap();
    let before = system.services().await.unwrap();
    let clients = Clients::new("memory");
    let restarted = clients
        .order_during(&system, async {
            until_promised(&clients, 40).await;
            configure(&mut redis, LESS_THAN_IN_USE).await;
            append_what_nobody_can_read(&mut redis).await;
            eventually("new orders to be refused", SOON, || async {
                match clients.setbacks().len() {
                    40.. => Ok(()),
                    refused => Err(format!("{refused} are")),
                }
            })
            .await;
            // Whoever dies now must be able to come back.
            let killed = system.service("payment-worker-1").await.unwrap();
            send(killed, Signal::SIGKILL);
            eventually("every accepted order to be finished on a full Redis", SOON, || async {
                let mut redis = system.redis().await?;
                nothing_acknowledged_is_unrecorded(&mut redis).await.unwrap();
                settled(&system).await
            })
            .await;
            let restarted = eventually("the worker to be back on a full Redis", SOON, || async {
                let now = system.service("payment-worker-1").await?;
                anyhow::ensure!(now != killed, "{now} is the one that was killed");
                Ok(now)
            })
            .await;
            assert!(is_full(&mut redis).await, "there is room, so this shows nothing");
            let promised = clients.promises().len();
            configure(&mut redis, "0").await;
            until_promised(&clients, promised + 40).await;
            restarted
        })
        .await;
    let tally = reckon(&system, &clients.promises()).await;
    report("memory full", &clients, &tally);
    assert!(tally.is_whole(), "{tally}");
    assert_eq!(tally.dead, 1, "what nobody can read is kept for a person, also on a full Redis");
    assert!(tally.paid > 0 && tally.declined > 0, "{tally}");
    all_were_told_to_try_later(&clients);
    let mut expected = before;
    expected.insert("payment-worker-1".into(), restarted);
    assert_eq!(system.services().await.unwrap(), expected, "nobody else had to be started again");
}

/// An operator who sees that nothing is accepted any more may well start everything anew.
#[tokio::test]
async fn a_system_can_be_started_on_a_full_redis() {
    let server = Server::ephemeral(Durability::Always).await.unwrap();
    let options = options().args(["--redis-url", &server.url()]);
    let mut system = System::start(&options).await;
    let id = system.place_order().await;
    configure(&mut system.redis().await.unwrap(), LESS_THAN_IN_USE).await;
    system.stop(Signal::SIGTERM).await;
    let system = System::start(&options).await;
    system.wait_for_status(&id, "paid", SOON).await;
    let mut redis = system.redis().await.unwrap();
    assert!(is_full(&mut redis).await, "there is room, so this shows nothing");
    let refused = system.post_order("42", None).await.unwrap();
    assert_eq!(refused.status(), 503);
    configure(&mut redis, "0").await;
    eventually("orders to be taken again", SOON, || async {
        match system.post_order("42", None).await.unwrap().status().as_u16() {
            201 => Ok(()),
            other => Err(other),
        }
    })
    .await;
    let id = system.place_order().await;
    system.wait_for_status(&id, "paid", SOON).await;
}

async fn configure(redis: &mut MultiplexedConnection, maxmemory: &str) {
    redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(maxmemory).exec_async(redis).await.unwrap();
}

async fn is_full(redis: &mut MultiplexedConnection) -> bool {
    let written = redis::cmd("SET").arg("a-test-asks").arg("").exec_async(redis).await;
    written.is_err_and(|error| error.code() == Some("OOM"))
}

/// Work that must go to the dead letters.
async fn append_what_nobody_can_read(redis: &mut MultiplexedConnection) {
    let script =
        "#!lua flags=allow-oom\nreturn redis.call('XADD', KEYS[1], '*', 'type', 'payment.of-tomorrow')";
    let appended = redis::cmd("EVAL").arg(script).arg(1).arg("payments-stream:{0}").exec_async(redis).await;
    appended.unwrap();
}
