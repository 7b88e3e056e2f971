//! What is written for a new order. Orders that come at the same moment are written by one call: the script's fixed cost is
//! most of what an order costs Redis.

use std::sync::LazyLock;

use redis_kit::{
    Connection, FromRedisValue, Lua, ParsingError, RedisResult, Value,
    desk::Request,
    error_told,
    rate_limit::{Check, GCRA_LUA, Verdict},
    stream::Fields,
};

use super::idempotency;

static ACCEPT: LazyLock<Lua> =
    LazyLock::new(|| Lua::new(["#!lua\n", GCRA_LUA, include_str!("accept.lua")].concat()));

/// An order that is about to be accepted.
pub(super) struct Acceptance {
    /// The order's hash.
    pub(super) view: String,
    pub(super) journal: String,
    /// That it was placed, as the journal tells it.
    pub(super) placed: Fields,
    pub(super) condition: Condition,
}

/// On what it depends whether an order is written.
pub(super) enum Condition {
    /// On nothing.
    None,
    /// Whether its request's key was used before. If not, this is what the next request with the key is told.
    New(Record),
    /// Whether its customer may order so much.
    Within(Check),
}

/// The answer to a request with a key.
pub(super) struct Record {
    pub(super) key: String,
    pub(super) body_digest: String,
    pub(super) location: String,
    pub(super) body: Vec<u8>,
}

/// What the script did.
pub(super) enum Written {
    /// It wrote the order. This is what the limit says, if there is one.
    Order(Option<Verdict>),
    /// Nothing: it is more than the limit allows, which says this.
    TooMany(Verdict),
    /// Nothing: an equal request had written one before, and this was its answer.
    Before { location: String, body: Vec<u8> },
    /// Nothing: the key belongs to another body.
    Refused,
}

fn never_said() -> ParsingError {
    "the script that accepts orders said what it never says".into()
}

impl Acceptance {
    fn keys(&self) -> impl Iterator<Item = &str> {
        let record = match &self.condition {
            Condition::New(record) => Some(&*record.key),
            Condition::None | Condition::Within(_) => None,
        };
        [&*self.view, &*self.journal].into_iter().chain(record)
    }

    fn limit_keys(&self) -> impl Iterator<Item = &str> {
        let limit = match &self.condition {
            Condition::Within(limit) => Some(limit),
            Condition::None | Condition::New(_) => None,
        };
        limit.into_iter().flat_map(Check::keys)
    }

    /// What the script's reply means to this order. Whatever it is, it says nothing of the others.
    fn written(&self, reply: Value) -> RedisResult<Written> {
        match reply {
            Value::BulkString(wrong) => Err(error_told(&wrong)),
            Value::Array(reply) => Ok(self.told(reply)?),
            _ => Err(never_said().into()),
        }
    }

    fn told(&self, mut reply: Vec<Value>) -> Result<Written, ParsingError> {
        let rest = reply.split_off(reply.len().min(1));
        match reply.pop() {
            Some(Value::BulkString(what)) if what == b"accepted" => self.verdict(rest).map(Written::Order),
            Some(Value::BulkString(what)) if what == b"too many" => {
                self.verdict(rest)?.map(Written::TooMany).ok_or_else(never_said)
            }
            Some(Value::BulkString(what)) if what == b"refused" => Ok(Written::Refused),
            Some(Value::BulkString(what)) if what == b"before" => {
                let (location, body) = FromRedisValue::from_redis_value(Value::Array(rest))?;
                Ok(Written::Before { location, body })
            }
            _ => Err(never_said()),
        }
    }

    fn verdict(&self, said: Vec<Value>) -> Result<Option<Verdict>, ParsingError> {
        let Condition::Within(limit) = &self.condition else { return Ok(None) };
        let numbers: Vec<i64> = FromRedisValue::from_redis_value(Value::Array(said))?;
        Ok(Some(limit.conclude(&numbers)))
    }
}

impl Request for Acceptance {
    type Answer = Written;

    /// Redis takes half a millisecond for them, in which the gateway answers those before and reads those that follow.
    const TOGETHER: usize = 32;

    fn key(&self) -> &str {
        &self.journal
    }

    async fn ask(together: &[&Self], mut redis: Connection) -> RedisResult<Vec<RedisResult<Written>>> {
        let limits: Vec<&str> = together.iter().flat_map(|order| order.limit_keys()).collect();
        let keys = together.iter().flat_map(|order| order.keys());
        let mut call = ACCEPT.call(limits.iter().copied().chain(keys));
        call.arg(limits.len());
        for order in together {
            for (_, value) in &order.placed {
                call.arg(value);
            }
            match &order.condition {
                Condition::New(Record { body_digest, location, body, .. }) => {
                    call.arg(body_digest).arg(location).arg(body).arg(idempotency::LIFETIME.as_secs());
                }
                Condition::Within(limit) => limit.write(call.arg("")),
                Condition::None => drop(call.arg("").arg(0)),
            }
        }
        let replies: Vec<Value> = ACCEPT.run(&mut redis, &call).await?;
        Ok(together.iter().zip(replies).map(|(order, reply)| order.written(reply)).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use futures_util::future::join_all;
    use local_redis::{Durability, Server};
    use redis_kit::{
        Redis, RedisError,
        desk::Desk,
        rate_limit::{Limiter, LimiterOptions, Policies, Policy, Subject},
    };

    use super::*;

    const JOURNAL: &str = "orders-stream:{0}";

    struct Shop {
        server: Redis,
        redis: Connection,
        desk: Arc<Desk<Acceptance>>,
        _server: Server,
    }

    impl Shop {
        async fn open() -> Self {
            let server = Server::ephemeral(Durability::Volatile).await.unwrap();
            let redis = Redis::open(&server.url()).unwrap();
            let commands = redis.commands().unwrap();
            Self { server: redis, desk: Desk::new(commands.clone()), redis: commands, _server: server }
        }

        async fn say<T: FromRedisValue>(&self, words: &[&str]) -> T {
            redis_kit::cmd(words[0]).arg(&words[1..]).query_async(&mut self.redis.clone()).await.unwrap()
        }

        /// Accepts them all at the same moment.
        async fn accept(&self, orders: impl IntoIterator<Item = Acceptance>) -> Vec<String> {
            let written = orders.into_iter().map(|order| self.desk.ask(order));
            join_all(written).await.into_iter().map(told).collect()
        }
    }

    fn told(written: RedisResult<Written>) -> String {
        match written {
            Ok(Written::Order(_)) => "written".into(),
            Ok(Written::TooMany(_)) => "too many".into(),
            Ok(Written::Before { location, body }) => {
                format!("{location} {}", String::from_utf8(body).unwrap())
            }
            Ok(Written::Refused) => "refused".into(),
            Err(error) => RedisError::code(&error).unwrap_or("none").into(),
        }
    }

    fn order(name: &str) -> Acceptance {
        let placed =
            ["type", "id", "occurred_at", "traceparent", "data"].map(|field| (field, name.to_owned()));
        Acceptance {
            view: format!("order:{{0}}:{name}"),
            journal: JOURNAL.into(),
            placed,
            condition: Condition::None,
        }
    }

    fn order_with_key(name: &str, key: &str, body_digest: &str) -> Acceptance {
        let record = Record {
            key: format!("idem:{{0}}:{key}"),
            body_digest: body_digest.into(),
            location: format!("/orders/{name}"),
            body: name.into(),
        };
        Acceptance { condition: Condition::New(record), ..order(name) }
    }

    #[tokio::test]
    async fn orders_that_come_together_are_written_by_a_few_calls_and_all_of_each() {
        let shop = Shop::open().await;
        let names: Vec<String> = (0..100).map(|n| n.to_string()).collect();
        // By its text for the first, as long as the server does not know it.
        shop.accept([order("first")]).await;
        shop.say::<()>(&["CONFIG", "RESETSTAT"]).await;
        assert_eq!(shop.accept(names.iter().map(|name| order(name))).await, vec!["written"; 100]);
        let calls: String = shop.say(&["INFO", "commandstats"]).await;
        assert!(calls.contains("cmdstat_evalsha:calls=4,"), "{calls}");
        assert_eq!(shop.say::<usize>(&["XLEN", JOURNAL]).await, 101);
        let entries: Vec<(String, Vec<String>)> = shop.say(&["XRANGE", JOURNAL, "-", "+"]).await;
        for ((id, fields), name) in entries.iter().skip(1).zip(&names) {
            assert_eq!(*fields, order(name).placed.map(|(field, value)| [field.to_owned(), value]).concat());
            let fields = ["HMGET", &order(name).view, "version", "status", "placed_at", "placed"];
            let view: [String; 4] = shop.say(&fields).await;
            assert_eq!(view.each_ref().map(String::as_str), [id, "accepted", name, name]);
        }
    }

    #[tokio::test]
    async fn one_key_makes_one_order_also_among_those_that_come_together() {
        let shop = Shop::open().await;
        let same = ["a", "b", "c"].map(|name| order_with_key(name, "key", "one body"));
        let other = order_with_key("d", "key", "another body");
        let told = shop.accept(same.into_iter().chain([other, order("e")])).await;
        assert_eq!(told, ["written", "/orders/a a", "/orders/a a", "refused", "written"]);
        assert_eq!(shop.accept([order_with_key("f", "key", "one body")]).await, ["/orders/a a"]);
        assert_eq!(shop.say::<usize>(&["XLEN", JOURNAL]).await, 2);
        let lifetime: u64 = shop.say(&["TTL", "idem:{0}:key"]).await;
        assert!((1..=idempotency::LIFETIME.as_secs()).contains(&lifetime), "{lifetime}");
    }

    #[tokio::test]
    async fn of_those_that_come_together_as_many_are_written_as_their_customer_may_place() {
        let shop = Shop::open().await;
        let policies = Policies::new([Policy::new("orders", 2, Duration::from_hours(1)).unwrap()]).unwrap();
        let ada = Subject::beside("0", "ada", &policies);
        // The script is to be asked again, though it denied a moment ago.
        let options = LimiterOptions { remember_denials: Duration::ZERO, ..LimiterOptions::default() };
        let limiter = Limiter::new(&shop.server, options).unwrap();
        let order_of_ada = |name| {
            let check = limiter.check_in_script(&ada, 1).unwrap();
            Acceptance { condition: Condition::Within(check), ..order(name) }
        };
        let orders = [order_of_ada("a"), order("b"), order_of_ada("c"), order_with_key("d", "key", "a body")];
        let told = shop.accept(orders.into_iter().chain([order_of_ada("e"), order("f")])).await;
        assert_eq!(told, ["written", "written", "written", "written", "too many", "written"]);
        assert_eq!(shop.accept([order_of_ada("g")]).await, ["too many"]);
        assert_eq!(shop.say::<usize>(&["XLEN", JOURNAL]).await, 5);
        assert_eq!(shop.say::<usize>(&["EXISTS", &order("e").view]).await, 0);
    }

    #[tokio::test]
    async fn one_that_cannot_be_written_leaves_nothing_and_takes_no_other_with_it() {
        let shop = Shop::open().await;
        let b = || order_with_key("b", "key", "a body");
        shop.say::<()>(&["SET", "idem:{0}:key", "what nobody expects"]).await;
        assert_eq!(shop.accept([order("a"), b(), order("c")]).await, ["written", "WRONGTYPE", "written"]);
        shop.say::<()>(&["DEL", "idem:{0}:key"]).await;
        shop.say::<()>(&["HSET", "idem:{0}:key", "body_digest", "a body"]).await;
        assert_eq!(shop.accept([order("d"), b(), order("e")]).await, ["written", "ERR", "written"]);
        assert_eq!(shop.say::<usize>(&["XLEN", JOURNAL]).await, 4);
        assert_eq!(shop.say::<usize>(&["EXISTS", &order("b").view]).await, 0);
    }
}
