//! A partition that Redis thinks is held by an instance which does not know of it.

use redis_kit::stream::{Mode, WorkerOptions};
use test_support::eventually;

use crate::{
    handlers::done,
    harness::{Bench, GROUP, LIMIT, STREAM, options_with_takeover},
};

/// The reply by which it was given the partition was lost, or its request to give it away; and before it could ask again,
/// somebody came or went, so that it is another's turn.
#[tokio::test]
async fn a_partition_whose_holder_does_not_know_of_it_goes_to_whose_turn_it_is() {
    let bench = Bench::start().await;
    let options = WorkerOptions { mode: Mode::Ordered, ..options_with_takeover() };
    let holder = bench.work("a", options.clone(), |job| async move { done(&job) }).await;
    let other = bench.work("b", options, |job| async move { done(&job) }).await;

    let lease = format!("{STREAM}:lease:{GROUP}");
    let members: Vec<String> = bench.run(&["HKEYS", &lease]).await;
    let unknowing = members
        .iter()
        .find_map(|member| member.strip_prefix("member:").filter(|name| name.starts_with("b-")));
    let (unknowing, fence) = (unknowing.unwrap(), 100);
    bench.run::<()>(&["HSET", &lease, "holder", unknowing, "fence", &fence.to_string()]).await;
    eventually("the partition to be held by one who knows", LIMIT, || async {
        let (holder, now): (Option<String>, u64) = bench.run(&["HMGET", &lease, "holder", "fence"]).await;
        if now > fence { Ok(()) } else { Err(format!("it is {holder:?}'s by {now}")) }
    })
    .await;
    bench.want(&["x"]).await;
    eventually("its entries to be handled", LIMIT, || async {
        if bench.done().await == ["x"] { Ok(()) } else { Err("they are not") }
    })
    .await;
    holder.stop().await;
    other.stop().await;
}
