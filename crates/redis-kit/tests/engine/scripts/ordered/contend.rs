//! Who holds a partition.

use std::collections::HashMap;

use super::{Instance, LEASE};
use crate::harness::{Bench, GROUP, STREAM};

#[tokio::test]
async fn the_first_to_come_takes_the_partition_and_creates_the_group_at_the_first_entry() {
    let bench = Bench::start().await;
    bench.appended(1).await;
    bench.full().await;
    let instance = Instance::new(&bench, "a");
    assert_eq!(instance.contend().await.unwrap(), ["taken", "1", "0-0"]);
    assert_eq!((bench.unread().await, bench.lag().await), (1, Some(1)));
    assert_eq!(instance.by_fence("1").contend().await.unwrap(), ["held", "1"]);
}

#[tokio::test]
async fn the_group_is_created_once_and_goes_on_where_it_stood() {
    let bench = Bench::start().await;
    bench.appended(2).await;
    bench.run::<()>(&["XGROUP", "CREATE", STREAM, GROUP, "1-0"]).await;
    assert_eq!(Instance::new(&bench, "a").contend().await.unwrap(), ["taken", "1", "1-0"]);
    bench.run::<()>(&["XGROUP", "DESTROY", STREAM, GROUP]).await;
    assert_eq!(Instance::new(&bench, "a").contend().await.unwrap(), ["taken", "2", "0-0"]);
}

/// In ordered mode nobody would ever look at them.
#[tokio::test]
async fn nobody_takes_a_group_with_entries_that_competing_consumers_have_not_finished() {
    let bench = Bench::start().await;
    bench.appended(2).await;
    bench.run::<()>(&["XGROUP", "CREATE", STREAM, GROUP, "0"]).await;
    let read = ["XREADGROUP", "GROUP", GROUP, "c", "STREAMS", STREAM, ">"];
    bench.run::<redis::Value>(&read).await;
    let instance = Instance::new(&bench, "a");
    assert_eq!(instance.contend().await, Err("PENDING".into()));
    assert_eq!(bench.run::<Option<String>>(&["HGET", LEASE, "holder"]).await, None);
    bench.run::<u8>(&["XACK", STREAM, GROUP, "1-0", "2-0"]).await;
    assert_eq!(instance.contend().await.unwrap(), ["taken", "1", "2-0"]);
}

#[tokio::test]
async fn nobody_contends_for_what_is_no_stream() {
    let bench = Bench::start().await;
    bench.run::<()>(&["SET", STREAM, "text"]).await;
    assert_eq!(Instance::new(&bench, "a").contend().await, Err("WRONGTYPE".into()));
    assert_eq!(bench.run::<Option<String>>(&["HGET", LEASE, "holder"]).await, None);
}

#[tokio::test]
async fn the_fence_only_rises() {
    let bench = Bench::start().await;
    let instance = Instance::new(&bench, "a");
    assert_eq!(instance.contend().await.unwrap(), ["taken", "1", "0-0"]);
    // It has lost the answer, and does not know that it holds the partition.
    assert_eq!(instance.contend().await.unwrap(), ["taken", "2", "0-0"]);
    assert_eq!(instance.leave().await, Ok(1));
    assert_eq!(Instance::new(&bench, "b").contend().await.unwrap(), ["taken", "3", "0-0"]);
}

#[tokio::test]
async fn nobody_takes_from_a_holder_that_is_alive() {
    let bench = Bench::start().await;
    let holder = Instance::holding(&bench, "b").await;
    let wanting = Instance::new(&bench, "a");
    // By the order of names it is the turn of `a`.
    assert_eq!(wanting.contend().await.unwrap(), ["other"]);
    assert_eq!(holder.contend().await.unwrap(), ["wanted", "1"]);
    assert_eq!(wanting.contend().await.unwrap(), ["other"]);
    assert_eq!(holder.give().await, Ok(1));
    assert_eq!(holder.contend().await.unwrap(), ["other"], "it is not its turn");
    assert_eq!(wanting.contend().await.unwrap(), ["taken", "2", "0-0"]);
}

#[tokio::test]
async fn who_shows_no_life_loses_its_turn_and_its_partition() {
    let bench = Bench::start().await;
    let dead = Instance::holding(&bench, "a").await;
    let heir = Instance::new(&bench, "b");
    assert_eq!(heir.contend().await.unwrap(), ["other"]);
    dead.expire().await;
    bench.full().await;
    assert_eq!(heir.contend().await.unwrap(), ["taken", "2", "0-0"]);
    let lease: HashMap<String, String> = bench.run(&["HGETALL", LEASE]).await;
    assert!(!lease.contains_key("member:a"), "{lease:?}");
    // The dead one wakes up.
    assert_eq!(dead.give().await, Ok(0));
    assert_eq!(dead.contend().await.unwrap(), ["other"]);
    assert_eq!(heir.by_fence("2").contend().await.unwrap(), ["wanted", "2"]);
}

/// Otherwise nobody would ever have it again: everybody would wait for one that is alive and does not know.
#[tokio::test]
async fn who_does_not_know_that_it_holds_the_partition_keeps_it_from_nobody() {
    let bench = Bench::start().await;
    let holder = Instance::holding(&bench, "b").await;
    let wanting = Instance::new(&bench, "a");
    assert_eq!(wanting.contend().await.unwrap(), ["other"]);
    assert_eq!(holder.by_fence("").contend().await.unwrap(), ["other"]);
    assert_eq!(wanting.contend().await.unwrap(), ["taken", "2", "0-0"]);
}

#[tokio::test]
async fn giving_is_for_who_holds_it_and_may_be_sent_twice() {
    let bench = Bench::start().await;
    let holder = Instance::holding(&bench, "a").await;
    assert_eq!(Instance::new(&bench, "b").leave().await, Ok(0));
    assert_eq!(holder.by_fence("2").give().await, Ok(0));
    assert_eq!(holder.contend().await.unwrap(), ["held", "1"]);
    bench.full().await;
    assert_eq!(holder.leave().await, Ok(1));
    assert_eq!(holder.leave().await, Ok(0));
    let lease: HashMap<String, String> = bench.run(&["HGETALL", LEASE]).await;
    assert_eq!(
        lease,
        HashMap::from([("fence".to_owned(), "1".to_owned())]),
        "it has left, and the fence stays"
    );
}

#[tokio::test]
async fn partitions_are_spread_evenly_over_whoever_is_alive() {
    let bench = Bench::start().await;
    for names in [vec!["b"], vec!["c", "b"], vec!["b", "a", "c"], vec!["a", "b", "c", "d", "e"]] {
        let stream_of = |partition| format!("jobs-of-{}:{{{partition}}}", names.len());
        let streams: Vec<String> = (0..12).map(stream_of).collect();
        let mut turns: HashMap<&str, usize> = HashMap::new();
        for (partition, stream) in streams.iter().enumerate() {
            for name in &names {
                Instance::new(&bench, name).contend_for(stream, partition).await.unwrap();
            }
            let lease = format!("{stream}:lease:{GROUP}");
            for name in &names {
                let fence: String = bench.run(&["HGET", &lease, "fence"]).await;
                let standing =
                    Instance::new(&bench, name).by_fence(&fence).contend_for(stream, partition).await;
                if standing.unwrap()[0] != "wanted" {
                    let holder: String = bench.run(&["HGET", &lease, "holder"]).await;
                    *turns.entry(name).or_default() += usize::from(holder == *name);
                }
            }
            // Whoever came first gives way, and then it is exactly one's turn.
            bench.run::<u8>(&["HDEL", &lease, "holder"]).await;
            let mut taken = Vec::new();
            for name in &names {
                let standing = Instance::new(&bench, name).contend_for(stream, partition).await.unwrap();
                taken.extend((standing[0] == "taken").then_some(*name));
            }
            assert_eq!(taken, [names_turn(&names, partition)], "partition {partition} of {names:?}");
        }
    }
}

/// Whose turn it is by the order of names.
fn names_turn<'a>(names: &[&'a str], partition: usize) -> &'a str {
    let mut names = names.to_vec();
    names.sort_unstable();
    names[partition % names.len()]
}
