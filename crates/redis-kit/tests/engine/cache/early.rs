//! What is about to be stale is loaded before it is.

use futures_util::future::join_all;
use redis_kit::cache::{Policy, Source};
use test_support::eventually;

use super::{Origin, get, lasting, near, start, text, until_near};
use crate::harness::{Bench, LIMIT, same};

/// So early that everybody is an early one.
fn eager(policy: Policy) -> Policy {
    Policy { beta: 1e15, ..policy }
}

#[tokio::test]
async fn an_early_reader_of_redis_is_answered_and_one_loads_behind_him() {
    let bench = Bench::start().await;
    get(&start(&bench.redis()).await, &lasting(), &Origin::with("old")).await;
    let redis = bench.redis();
    let (instances, origin) = (join_all((0..2).map(|_| start(&redis))).await, Origin::slow("new"));
    for cache in instances.iter().cycle().take(10) {
        let cached = get(cache, &eager(lasting()), &origin).await;
        assert_eq!((text(&cached), cached.source), (Some("old"), Source::Redis));
    }
    origin.loads.until(1).await;
    origin.gate.open();
    bench.until_settled().await;
    assert_eq!((bench.stored().await.as_deref(), origin.count()), (Some("new"), 1));
}

#[tokio::test]
async fn so_is_an_early_reader_of_a_near_copy() {
    let bench = Bench::start().await;
    let (cache, origin) = (start(&bench.redis()).await, Origin::with("old"));
    until_near(&cache, &origin).await;
    let newer = Origin::slow("new");
    for _ in 0..10 {
        let cached = get(&cache, &eager(near()), &newer).await;
        assert_eq!((text(&cached), cached.source), (Some("old"), Source::Near));
    }
    newer.loads.until(1).await;
    newer.gate.open();
    eventually("the new near copy", LIMIT, || async {
        let cached = get(&cache, &near(), &newer).await;
        same(&(Some("new"), Source::Near), &(text(&cached), cached.source))
    })
    .await;
    assert_eq!(newer.count(), 1);
}

/// Whoever found it early may find that another was faster.
#[tokio::test]
async fn what_another_has_loaded_anew_is_not_loaded_again() {
    let bench = Bench::start().await;
    let (cache, other, origin) =
        (start(&bench.redis()).await, start(&bench.redis()).await, Origin::with("old"));
    until_near(&cache, &origin).await;
    // The other's lives longer than what is known here.
    bench.run::<u8>(&["DEL", super::KEY]).await;
    origin.set("new");
    let longer = Policy { ttl: 2 * lasting().ttl, ..lasting() };
    get(&other, &longer, &origin).await;
    eventually("the other's value", LIMIT, || async {
        same(&Some("new"), &text(&get(&cache, &eager(near()), &origin).await))
    })
    .await;
    assert_eq!(origin.count(), 2);
}
