//! Near copies, Redis, the origin: who is asked for what.

use std::time::Duration;

use redis_kit::cache::{Cache, Policy, Source};
use test_support::eventually;

use super::{KEY, LEASE, Origin, get, lasting, near, start, text, until_near};
use crate::harness::{Bench, LIMIT, same};

impl Bench {
    /// How often a cache has asked.
    async fn questions(&self) -> u64 {
        self.calls("evalsha").await + self.calls("eval").await
    }
}

#[tokio::test]
async fn a_near_copy_costs_no_question_an_entry_one_and_a_miss_two_and_a_load() {
    let bench = Bench::start().await;
    let (cache, other, origin) =
        (start(&bench.redis()).await, start(&bench.redis()).await, Origin::with("a"));
    // The server knows the scripts then.
    get(&cache, &lasting(), &origin).await;
    cache.invalidate(KEY).await.unwrap();

    let before = bench.questions().await;
    assert_eq!(get(&cache, &near(), &origin).await.source, Source::Loaded { stored: true });
    assert_eq!((bench.questions().await - before, origin.count()), (2, 2));

    let before = bench.questions().await;
    assert_eq!(get(&other, &near(), &origin).await.source, Source::Redis);
    assert_eq!((bench.questions().await - before, origin.count()), (1, 2));

    let before = bench.questions().await;
    assert_eq!(get(&other, &near(), &origin).await.source, Source::Near);
    assert_eq!((bench.questions().await - before, origin.count()), (0, 2));
}

#[tokio::test]
async fn what_one_instance_has_loaded_the_others_find_and_know_its_age() {
    let bench = Bench::start().await;
    let policy = Policy { ttl: Duration::from_mins(10), ..lasting() };
    let (cache, other, origin) =
        (start(&bench.redis()).await, start(&bench.redis()).await, Origin::with("a"));
    let loaded = get(&cache, &policy, &origin).await;
    assert_eq!((text(&loaded), loaded.source), (Some("a"), Source::Loaded { stored: true }));
    // As if five minutes had passed.
    bench.run::<u8>(&["PEXPIRE", KEY, "3900000"]).await;
    let found = get(&other, &policy, &origin).await;
    assert_eq!((text(&found), found.source, origin.count()), (Some("a"), Source::Redis, 1));
    let five = Duration::from_mins(5);
    assert!(found.age >= five && found.age < five + LIMIT, "{:?}", found.age);
    assert_eq!(found.age + found.fresh_for(), policy.ttl);
}

#[tokio::test]
async fn a_near_copy_is_used_for_its_time_and_then_redis_is_asked() {
    let bench = Bench::start().await;
    let (cache, origin) = (start(&bench.redis()).await, Origin::with("a"));
    until_near(&cache, &origin).await;
    // Nobody hears of it, as if the message had been lost.
    bench.run::<u8>(&["DEL", KEY]).await;
    origin.set("b");
    assert_eq!(text(&get(&cache, &near(), &origin).await), Some("a"));

    // One that is over at once.
    let other = start(&bench.redis()).await;
    let short = Policy { near_ttl: Some(Duration::ZERO), ..lasting() };
    get(&other, &short, &origin).await;
    assert_eq!(get(&other, &short, &origin).await.source, Source::Redis);
}

/// Asked for what does not exist, again and again, the origin would be asked each time.
#[tokio::test]
async fn that_there_is_no_such_thing_is_remembered() {
    let bench = Bench::start().await;
    let (cache, other, origin) = (start(&bench.redis()).await, start(&bench.redis()).await, Origin::with(""));
    origin.remove();
    assert_eq!(text(&get(&cache, &lasting(), &origin).await), None);
    let found = get(&other, &lasting(), &origin).await;
    assert_eq!((text(&found), found.source, origin.count()), (None, Source::Redis, 1));
    cache.invalidate(KEY).await.unwrap();
    origin.set("it exists now");
    assert_eq!(text(&get(&other, &lasting(), &origin).await), Some("it exists now"));
}

#[tokio::test]
async fn nor_is_it_if_that_is_not_wanted() {
    let bench = Bench::start().await;
    let policy = Policy { negative_ttl: Duration::ZERO, ..near() };
    let (cache, origin) = (start(&bench.redis()).await, Origin::with(""));
    origin.remove();
    for loads in 1..4 {
        // Who asks before a load's lease is known to be given up still shares the load.
        eventually("another load", LIMIT, || async {
            let loaded = get(&cache, &policy, &origin).await;
            assert_eq!(loaded.source, Source::Loaded { stored: false });
            same(&loads, &origin.count())
        })
        .await;
    }
    bench.until_settled().await;
    assert_eq!(bench.run::<u8>(&["EXISTS", KEY, LEASE]).await, 0);
}

#[tokio::test]
async fn an_entry_that_cannot_be_read_is_loaded_anew_and_replaced() {
    let bench = Bench::start().await;
    let (cache, origin) = (start(&bench.redis()).await, Origin::with("a"));
    let other_shape = r#"{"fresh_ms":3600000,"stale_ms":0,"load_us":0,"value":{"name":"a"}}"#;
    for (n, nonsense) in ["", "nonsense", "{}", other_shape].into_iter().enumerate() {
        bench.run::<()>(&["SET", KEY, nonsense, "PX", "3600000"]).await;
        let loaded = get(&cache, &lasting(), &origin).await;
        assert_eq!((loaded.source, origin.count()), (Source::Loaded { stored: true }, n + 1), "{nonsense}");
        assert_eq!(bench.stored().await.as_deref(), Some("a"), "{nonsense}");
    }
    // What never expires was not stored by a cache.
    bench.run::<u8>(&["PERSIST", KEY]).await;
    assert_eq!(get(&cache, &lasting(), &origin).await.source, Source::Loaded { stored: true });
    assert!(bench.run::<i64>(&["PTTL", KEY]).await > 0);
}

#[tokio::test]
async fn one_cache_has_values_of_all_types() {
    let bench = Bench::start().await;
    let cache = start(&bench.redis()).await;
    for policy in [lasting(), near()] {
        for _ in 0..3 {
            let number = cache.get_or_load("n:{t}", &policy, async || Ok::<_, ()>(Some(7_u64))).await;
            let list = cache.get_or_load("l:{t}", &policy, async || Ok::<_, String>(Some(vec![1, 2]))).await;
            assert_eq!(
                (number.unwrap().value.as_deref(), list.unwrap().value.as_deref()),
                (Some(&7), Some(&vec![1, 2]))
            );
        }
    }
    // Even at one key: whoever cannot read what is there replaces it.
    let text = cache.get_or_load("n:{t}", &near(), async || Ok::<_, ()>(Some("seven".to_owned()))).await;
    assert_eq!(text.unwrap().value.as_deref().map(String::as_str), Some("seven"));
}

/// A key of any shape will do on a single server, and on a cluster one without a `}` that is no hash tag.
#[tokio::test]
async fn a_key_without_a_hash_tag_will_do() {
    let bench = Bench::start().await;
    let cache: Cache = start(&bench.redis()).await;
    for key in ["product:17", "a", "open{"] {
        let loaded = cache.get_or_load(key, &lasting(), async || Ok::<_, ()>(Some(1))).await.unwrap();
        assert_eq!(loaded.source, Source::Loaded { stored: true }, "{key}");
        cache.invalidate(key).await.unwrap();
    }
}
