//! Random steps of consumers, living and dead, on a real server, beside a model of what must come of them.
//!
//! `PROPTEST_CASES` says how many sequences to try. One that fails is made as short as it gets, and printed.

mod books;
mod redis_state;
mod step;
mod world;

use local_redis::{Durability, Server};
use proptest::{
    collection::vec,
    test_runner::{Config, TestCaseError, TestRunner},
};
use tokio::runtime::Runtime;

use self::{step::any_step, world::World};

type Checked<T = ()> = Result<T, TestCaseError>;

/// For what must not fail on a server that is there.
fn broken(error: impl std::fmt::Display) -> TestCaseError {
    TestCaseError::fail(error.to_string())
}

/// How many sequences to try if nothing else is said: some seconds long.
const CASES: u32 = 80;

fn config() -> Config {
    let config = Config { failure_persistence: None, ..Config::default() };
    if std::env::var_os("PROPTEST_CASES").is_some() { config } else { Config { cases: CASES, ..config } }
}

#[test]
fn every_entry_is_in_one_place_and_takes_effect_once_whatever_consumers_do() {
    let runtime = Runtime::new().unwrap();
    let (_server, redis) = runtime.block_on(async {
        let server = Server::ephemeral(Durability::Volatile).await.unwrap();
        let redis = crate::Redis::open(&server.url()).unwrap().commands().unwrap();
        (server, redis)
    });
    let result = TestRunner::new(config()).run(&vec(any_step(), 1..120), |steps| {
        runtime.block_on(async {
            let mut world = World::new(redis.clone()).await?;
            for step in steps {
                world.take(step).await?;
                world.check().await?;
            }
            world.drain().await
        })
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
}
