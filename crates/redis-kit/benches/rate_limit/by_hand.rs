//! Limiters that everybody writes: one call for each check, on one multiplexed connection.

use redis::{Value, aio::MultiplexedConnection};

use crate::{
    INTERVAL, LIMIT,
    rig::{Rig, rate},
};

/// The script that ours calls, called for one check alone.
const OURS: &str = concat!(
    include_str!("../../src/rate_limit/lua/gcra.lua"),
    "\n",
    include_str!("../../src/rate_limit/lua/check.lua"),
);

/// A bare GCRA: it says yes or no, to one policy, and repairs nothing.
const BARE: &str = "local t = redis.call('TIME') local now = t[1] * 1000000 + t[2]
local tat = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now) + ARGV[2]
if tat - now > tonumber(ARGV[3]) then return 0 end
redis.call('SET', KEYS[1], string.format('%.0f', tat), 'PX', math.ceil((tat - now) / 1000) + 1)
return 1";

#[derive(Clone, Copy)]
pub(crate) enum Script {
    Ours,
    Bare,
}

pub(crate) async fn run(rig: &Rig, script: Script, key: fn(usize, usize) -> String) -> f64 {
    let mut connection = rig.bare().await;
    let text = match script {
        Script::Ours => OURS,
        Script::Bare => BARE,
    };
    let hash = load(&mut connection, text).await;
    rate(rig.cycles, |task, checks| {
        let (hash, mut connection) = (hash.clone(), connection.clone());
        async move {
            for n in 0..checks {
                let mut check = redis::cmd("EVALSHA");
                check.arg(&hash).arg(1).arg(format!("rate:{{{}}}:limit", key(task, n)));
                let interval = u64::try_from(INTERVAL.as_micros()).expect("a small number");
                check.arg(1).arg(interval).arg(interval * u64::from(LIMIT)).arg(0);
                let answer: Value = check.query_async(&mut connection).await.expect("an answer");
                assert_ne!(answer, Value::Int(0), "the bare one says no");
            }
        }
    })
    .await
}

async fn load(connection: &mut MultiplexedConnection, script: &str) -> String {
    let load = redis::cmd("SCRIPT").arg("LOAD").arg(script).query_async(connection).await;
    load.expect("a script")
}
