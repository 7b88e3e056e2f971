//! `gcra.rs` as a model of the scripts: whatever is asked for and given back in whatever order, under a clock that goes on
//! or is set back, both say the same and remember the same.

use std::{cell::RefCell, sync::LazyLock};

use local_redis::{Durability, Server};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use redis::{Connection, Script};
use tokio::runtime::Runtime;

use super::gcra::{self, Question, Rate};

/// A script that is told the time.
fn under_a_clock(source: &str) -> Script {
    let told = "{ table.remove(ARGV), 0 }; time[1] = time[1] / 1000000";
    let script = source.replace("redis.call('TIME')", told);
    assert_ne!(script, source);
    Script::new(&script)
}

static CHECK: LazyLock<Script> =
    LazyLock::new(|| under_a_clock(concat!(include_str!("lua/gcra.lua"), include_str!("lua/check.lua"))));
static REFUND: LazyLock<Script> = LazyLock::new(|| under_a_clock(include_str!("lua/refund.lua")));

/// Longer than a test runs, because keys expire by the real clock.
const HOUR: u64 = 3_600_000_000;
/// The time at which each run begins.
const NOON: u64 = 250_000 * HOUR;
const POLICIES: usize = 3;

#[derive(Clone, Debug)]
enum Step {
    Check {
        units: u32,
    },
    Refund {
        units: u32,
    },
    Clock {
        to: u64,
    },
    /// Somebody writes what is no TAT, and what it is taken for.
    Garble {
        policy: usize,
        value: &'static str,
        tat: u64,
    },
}

/// Further ahead than anything that is asked for.
const FAR: u64 = (1 << 53) - 1;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let value = prop_oneof![
        Just(("x", 0)),
        Just(("", 0)),
        Just(("nan", 0)),
        Just(("-1e300", 0)),
        Just(("0.5", 0)),
        Just(("17", 17)),
        Just(("inf", FAR)),
        Just(("9007199254740991", FAR)),
    ];
    let step = prop_oneof![
        8 => (0_u32..8).prop_map(|units| Step::Check { units }),
        2 => (1_u32..8).prop_map(|units| Step::Refund { units }),
        3 => (0..40 * HOUR).prop_map(|after| Step::Clock { to: NOON - 20 * HOUR + after }),
        1 => (0..POLICIES, value).prop_map(|(policy, (value, tat))| Step::Garble { policy, value, tat }),
    ];
    proptest::collection::vec(step, 1..40)
}

/// What both are asked.
struct World {
    /// A TAT for each policy. Not ahead of anything at first.
    tats: [u64; POLICIES],
    rates: [Rate; POLICIES],
    now: u64,
}

impl World {
    fn ahead(&self, policy: usize) -> u64 {
        self.tats[policy].saturating_sub(self.now)
    }

    fn question(&self, policy: usize, units: u32) -> Question {
        let Rate { tolerance, .. } = self.rates[policy];
        let is_shadow = policy == POLICIES - 1;
        Question { ahead: self.ahead(policy), cost: self.rates[policy].cost(units), tolerance, is_shadow }
    }

    fn check(&mut self, units: u32) -> Vec<i64> {
        let questions: Vec<Question> = (0..POLICIES).map(|policy| self.question(policy, units)).collect();
        let answers = gcra::check(&questions);
        for (policy, answer) in answers.iter().enumerate() {
            let ahead = answer.ahead(self.rates[policy], self.rates[policy].cost(units));
            if ahead > 0 {
                self.tats[policy] = self.now + ahead;
            }
        }
        answers.iter().map(number).collect()
    }

    fn refund(&mut self, units: u32) {
        for policy in 0..POLICIES {
            let Question { cost, tolerance, .. } = self.question(policy, units);
            if self.ahead(policy) > 0 {
                let left = self.ahead(policy).min(tolerance).saturating_sub(cost);
                self.tats[policy] = if left > 0 { self.now + left } else { 0 };
            }
        }
    }
}

fn number(answer: &gcra::Answer) -> i64 {
    match answer {
        gcra::Answer::Fits { ahead } => i64::try_from(*ahead).unwrap(),
        gcra::Answer::Exceeds { wait } => -i64::try_from(*wait).unwrap(),
    }
}

/// The scripts on a server.
struct Real<'a> {
    redis: &'a mut Connection,
    keys: [&'static str; POLICIES],
}

impl Real<'_> {
    fn check(&mut self, world: &World, units: u32) -> Vec<i64> {
        let mut call = CHECK.prepare_invoke();
        call.key(&self.keys[..]).arg(POLICIES);
        for policy in 0..POLICIES {
            let Question { cost, tolerance, is_shadow, .. } = world.question(policy, units);
            call.arg(cost).arg(tolerance).arg(u8::from(is_shadow));
        }
        call.arg(world.now).invoke(self.redis).unwrap()
    }

    fn refund(&mut self, world: &World, units: u32) {
        let mut call = REFUND.prepare_invoke();
        call.key(&self.keys[..]);
        for policy in 0..POLICIES {
            let Question { cost, tolerance, .. } = world.question(policy, units);
            call.arg(cost).arg(tolerance);
        }
        let _refunded: u64 = call.arg(world.now).invoke(self.redis).unwrap();
    }
}

fn agree(steps: Vec<Step>, limit: u32, redis: &mut Connection) -> Result<(), TestCaseError> {
    let () = redis::cmd("FLUSHALL").query(redis).unwrap();
    let mut real = Real { redis, keys: ["rate:{a}:1", "rate:{a}:2", "rate:{a}:3"] };
    let rate = |(limit, hours): (u32, u64)| Rate::new(limit.into(), hours * HOUR).unwrap();
    let rates = [(limit, 1), (5, 7), (3, 2)].map(rate);
    let mut world = World { tats: [0; POLICIES], rates, now: NOON };
    for step in steps {
        match step {
            Step::Check { units } => prop_assert_eq!(real.check(&world, units), world.check(units)),
            Step::Refund { units } => {
                real.refund(&world, units);
                world.refund(units);
            }
            Step::Clock { to } => world.now = to,
            Step::Garble { policy, value, tat } => {
                let () = redis::cmd("SET").arg(real.keys[policy]).arg(value).query(real.redis).unwrap();
                world.tats[policy] = tat;
            }
        }
    }
    Ok(())
}

#[test]
fn the_scripts_do_what_the_arithmetic_says() {
    let runtime = Runtime::new().unwrap();
    let server = runtime.block_on(Server::ephemeral(Durability::Volatile)).unwrap();
    let client = redis::Client::open(server.url()).unwrap();
    let redis = RefCell::new(client.get_connection().unwrap());
    let config = Config { cases: 256, failure_persistence: None, ..Config::default() };
    let runs = TestRunner::new(config)
        .run(&(steps(), 1_u32..8), |(steps, limit)| agree(steps, limit, &mut redis.borrow_mut()));
    runs.unwrap();
}
