use redis_kit::cache::{CacheError, Source, Stale};

use super::{KEY, LEASE, Origin, ask, get, lasting, near, start, text};
use crate::{gauges::Gauges, harness::Bench};

#[tokio::test]
async fn reads_are_counted_by_where_they_are_answered_from_and_loads_by_how_they_end() {
    let gauges = Gauges::start();
    let bench = Bench::start().await;
    let (cache, origin) = (start(&bench.redis()).await, Origin::with("a"));
    assert_eq!(get(&cache, &lasting(), &origin).await.source, Source::Loaded { stored: true });
    assert_eq!(get(&cache, &near(), &origin).await.source, Source::Redis);
    assert_eq!(get(&cache, &near(), &origin).await.source, Source::Near);
    // As if it had become stale.
    bench.run::<u8>(&["PEXPIRE", KEY, "1000000"]).await;
    assert_eq!(get(&cache, &lasting(), &origin).await.source, Source::Stale(Stale::Revalidating));
    origin.loads.until(2).await;
    bench.until_settled().await;

    cache.invalidate(KEY).await.unwrap();
    origin.remove();
    assert_eq!(text(&get(&cache, &lasting(), &origin).await), None);
    cache.invalidate(KEY).await.unwrap();
    origin.fail();
    let answer = ask(&cache, lasting(), &origin).await.unwrap();
    assert!(matches!(answer, Err(CacheError::Load(_))), "{answer:?}");
    for (counter, expected) in [
        (r#"cache_reads_total{source="near"}"#, 1),
        (r#"cache_reads_total{source="redis"}"#, 1),
        (r#"cache_reads_total{source="loaded"}"#, 2),
        (r#"cache_reads_total{source="stale"}"#, 1),
        (r#"cache_reads_total{source="none"}"#, 1),
        (r#"cache_loads_total{outcome="found"}"#, 2),
        (r#"cache_loads_total{outcome="nothing"}"#, 1),
        (r#"cache_loads_total{outcome="failed"}"#, 1),
        ("cache_invalidations_total{}", 2),
        ("cache_puts_refused_total{}", 0),
        ("cache_undecodable_total{}", 0),
        (r#"cache_redis_errors_total{kind="refused"}"#, 0),
        (r#"cache_redis_errors_total{kind="unanswered"}"#, 0),
    ] {
        assert_eq!(gauges.count(counter), expected, "{counter}");
    }
}

#[tokio::test]
async fn what_goes_wrong_with_redis_is_counted_by_its_kind() {
    let gauges = Gauges::start();
    let mut bench = Bench::start().await;
    let (cache, origin) = (start(&bench.redis()).await, Origin::slow("a"));
    let late = ask(&cache, lasting(), &origin);
    origin.loads.until(1).await;
    bench.run::<()>(&["SET", LEASE, "another's", "PX", "3600000"]).await;
    origin.gate.open();
    late.await.unwrap().unwrap();
    assert_eq!(gauges.count("cache_puts_refused_total{}"), 1);

    bench.run::<u8>(&["DEL", LEASE]).await;
    bench.run::<()>(&["SET", KEY, "nonsense", "PX", "3600000"]).await;
    get(&cache, &lasting(), &origin).await;
    assert_eq!(gauges.count("cache_undecodable_total{}"), 1);

    bench.run::<u8>(&["DEL", KEY]).await;
    bench.run::<u8>(&["LPUSH", KEY, "somebody's list"]).await;
    get(&cache, &lasting(), &origin).await;
    assert_eq!(gauges.count(r#"cache_redis_errors_total{kind="refused"}"#), 1);

    assert_eq!(gauges.count(r#"cache_redis_errors_total{kind="unanswered"}"#), 0);
    bench.crash().await;
    get(&cache, &lasting(), &origin).await;
    // The question, and what follows the load.
    assert!(gauges.count(r#"cache_redis_errors_total{kind="unanswered"}"#) > 1);
}
