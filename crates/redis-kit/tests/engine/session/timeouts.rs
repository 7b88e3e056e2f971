//! Sessions end by themselves: unused, or at their absolute end; and so does what is noted about them.

use std::{collections::HashSet, time::Duration};

use futures_util::future::join_all;
use redis_kit::session::{SessionOptions, Token};
use test_support::eventually;

use super::{ABSOLUTE, Cart, IDLE, INDEX, USER, instance, is_logged_in, key, limited, load, login};
use crate::harness::{Bench, LIMIT, same};

/// What Redis counts for each write that notes a use.
const NOTE: &str = "pexpireat";

/// express-session#891: a site with ten reads a page made ten writes a page of it.
#[tokio::test]
async fn a_use_is_noted_once_in_a_tenth_of_the_idle_time() {
    let bench = Bench::start().await;
    let instances = [(); 3].map(|()| instance(&bench.redis()));
    let token = login(&instances[0]).await;
    let noted_at_login = bench.calls(NOTE).await;
    let all_load = || async {
        join_all((0..60).map(|n| load(&instances[n % 3], &token))).await;
    };
    all_load().await;
    bench.age(&token, Duration::from_mins(2)).await;
    all_load().await;
    assert_eq!(bench.calls(NOTE).await, noted_at_login, "too soon to note it");
    bench.age(&token, Duration::from_mins(1)).await;
    all_load().await;
    // Of the session and of its index.
    assert_eq!(bench.calls(NOTE).await, noted_at_login + 2);
}

/// Whether it is noted or not.
#[tokio::test]
async fn a_load_is_one_round_trip() {
    let bench = Bench::start().await;
    let sessions = instance(&bench.redis());
    let token = login(&sessions).await;
    load(&sessions, &token).await;
    let before = (bench.calls("evalsha").await, bench.reads().await);
    for _ in 0..10 {
        bench.age_seen(&token, IDLE / 10).await;
        load(&sessions, &token).await;
        load(&sessions, &token).await;
    }
    let (reads, calls) = (bench.reads().await, bench.calls("evalsha").await);
    // Ten reads are of the commands that make the session older, and one is of the question itself.
    assert_eq!((calls - before.0, reads - before.1), (20, 20 + 10 + 1));
}

#[tokio::test]
async fn a_session_in_use_outlives_the_idle_time() {
    let bench = Bench::start().await;
    let sessions = instance(&bench.redis());
    let token = login(&sessions).await;
    for _ in 0..10 {
        bench.age(&token, IDLE * 6 / 10).await;
        load(&sessions, &token).await;
    }
}

#[tokio::test]
async fn but_not_its_absolute_end() {
    let bench = Bench::start().await;
    let sessions = instance(&bench.redis());
    let token = login(&sessions).await;
    let step = IDLE * 6 / 10;
    for _ in 0..39 {
        bench.age(&token, step).await;
        let ends = load(&sessions, &token).await.ends().as_millisecond();
        assert!(bench.expires(&key(&token)).await <= ends);
    }
    let ends = load(&sessions, &token).await.ends().as_millisecond();
    assert_eq!(
        bench.expires(&key(&token)).await,
        ends,
        "the last use could not prolong it by a whole idle time"
    );
    let score: i64 = bench.run(&["ZSCORE", INDEX, token.id().as_str()]).await;
    assert_eq!(score, ends);
    assert_eq!(40 * step, ABSOLUTE);
    bench.age(&token, step).await;
    assert!(!is_logged_in(&sessions, &token).await);
}

#[tokio::test]
async fn an_unused_session_ends() {
    let bench = Bench::start().await;
    let sessions = instance(&bench.redis());
    let token = login(&sessions).await;
    bench.age(&token, IDLE).await;
    assert!(!is_logged_in(&sessions, &token).await);
}

/// By Redis's own clock, and without anybody asking.
#[tokio::test]
async fn nothing_is_left_of_sessions_that_ended() {
    let bench = Bench::start().await;
    let short = Duration::from_millis(200);
    let by_idle = limited(&bench.redis(), SessionOptions { idle: short, ..SessionOptions::default() });
    let by_end = limited(&bench.redis(), SessionOptions { absolute: short, ..SessionOptions::default() });
    let tokens = [login(&by_idle).await, login(&by_end).await];
    for key in [INDEX, &key(&tokens[0]), &key(&tokens[1])] {
        eventually("a key to expire", LIMIT, || async { same(&false, &bench.is_there(key).await) }).await;
    }
    assert!(!is_logged_in(&by_idle, &tokens[0]).await && !is_logged_in(&by_end, &tokens[1]).await);
}

/// spring-session#1791: the index of a user who logs in again and again grew for ever.
#[tokio::test]
async fn the_index_forgets_what_has_expired() {
    let bench = Bench::start().await;
    let sessions = instance(&bench.redis());
    let kept = login(&sessions).await;
    for _ in 0..5 {
        bench.age(&login(&sessions).await, IDLE).await;
    }
    bench.age(&kept, IDLE / 2).await;
    load(&sessions, &kept).await;
    assert_eq!(bench.indexed().await, [kept.id().as_str()], "a noted use cleans up");
    bench.age(&login(&sessions).await, IDLE).await;
    let new = login(&sessions).await;
    // In no order: both may expire in the same millisecond.
    let indexed: HashSet<String> = bench.indexed().await.into_iter().collect();
    assert_eq!(indexed, [kept, new].map(|token| token.id().to_string()).into(), "and so does a login");
}

#[tokio::test]
async fn the_index_expires_with_the_last_session() {
    let bench = Bench::start().await;
    let [long, short] = [IDLE, IDLE / 3]
        .map(|idle| limited(&bench.redis(), SessionOptions { idle, ..SessionOptions::default() }));
    let token = login(&long).await;
    login(&short).await;
    assert_eq!(bench.expires(INDEX).await, bench.expires(&key(&token)).await);
}

#[tokio::test]
async fn no_time_is_too_long() {
    let bench = Bench::start().await;
    let options =
        SessionOptions { idle: Duration::MAX, absolute: Duration::MAX, ..SessionOptions::default() };
    let sessions = limited(&bench.redis(), options);
    let (token, begun) = sessions.begin(USER, Cart::default(), None).await.unwrap();
    assert!(is_logged_in(&sessions, &token).await);
    assert!(begun.ends().duration_since(begun.created()).as_hours() > 24 * 365 * 99);
}

impl Bench {
    /// Makes the last noted use of a session older, and nothing else.
    async fn age_seen(&self, token: &Token, by: Duration) {
        self.run::<i64>(&["HINCRBY", &key(token), "seen", &format!("-{}", by.as_millis())]).await;
    }

    /// How often the server has read from a client: once a round trip.
    async fn reads(&self) -> u64 {
        let stats: String = self.run(&["INFO", "stats"]).await;
        let count = stats.lines().find_map(|line| line.strip_prefix("total_reads_processed:"));
        count.unwrap().trim().parse().unwrap()
    }
}
