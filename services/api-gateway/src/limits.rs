//! How much of what who may ask for.
//!
//! | policy | of whom | default | when Redis does not answer |
//! |---|---|---|---|
//! | `requests` | an address, all requests | `--requests-per-minute` | let through |
//! | `orders` | a customer, orders | `--orders-per-minute` | the order cannot be taken either |
//! | `guest-orders` | an address, guests' orders | `--guest-orders-per-minute` | the same |
//! | `login-account`, `login-address`, `login-pair` | failed logins | below | 503 |
//!
//! Logins are guarded three ways. An address that guesses is stopped, whichever accounts it tries, and so are many
//! addresses that guess at one account. Neither locks out the account's owner: an address from which somebody has logged in
//! before is counted by the pair of both alone.

use std::time::Duration;

use anyhow::Context;
use axum::{
    Router,
    extract::Request,
    http::{HeaderName, HeaderValue, StatusCode},
    response::IntoResponse,
};
use clap::Args;
use common::{partition::Partitions, problem::Problem, seconds::seconds, service::Service};
use redis_kit::{
    Redis,
    rate_limit::{
        Check, Limiter, LimiterOptions, OnFailure, Outcome, Policies, Policy, RateLimitLayer, Subject,
        Verdict,
    },
};

use crate::{accounts::Email, edge::ClientAddress};

const MINUTE: Duration = Duration::from_mins(1);

/// Failed logins at one account, from one address, and from one address at one account.
const LOGIN_ACCOUNT: (&str, u32, Duration) = ("login-account", 30, Duration::from_hours(1));
const LOGIN_ADDRESS: (&str, u32, Duration) = ("login-address", 100, Duration::from_hours(1));
const LOGIN_PAIR: (&str, u32, Duration) = ("login-pair", 5, Duration::from_mins(15));

/// How much who may ask for; 0 is without limit.
#[derive(Args, Clone, Debug)]
pub(crate) struct LimitArgs {
    /// Orders that a customer may place in a minute; 0 for any number
    #[arg(long, env = "ORDERS_PER_MINUTE", default_value_t = 10, value_name = "COUNT")]
    orders_per_minute: u32,
    /// Orders that guests may place from one address in a minute; 0 for any number
    #[arg(long, env = "GUEST_ORDERS_PER_MINUTE", default_value_t = 60, value_name = "COUNT")]
    guest_orders_per_minute: u32,
    /// Requests that may come from one address in a minute; 0 for any number
    #[arg(long, env = "REQUESTS_PER_MINUTE", default_value_t = 1200, value_name = "COUNT")]
    requests_per_minute: u32,
    /// Seconds to wait for Redis to say whether a limit is kept
    #[arg(long, env = "LIMIT_TIMEOUT_SECONDS", default_value = "0.5", value_name = "SECONDS", value_parser = seconds)]
    limit_timeout: Duration,
}

/// The limits of all routes.
pub(crate) struct Limits {
    /// Asks the Redis that may forget.
    limiter: Limiter,
    /// Asks the Redis that takes the orders: a customer's limit stands beside the customer's orders, so that one script looks at it
    /// and writes the order.
    of_orders: Limiter,
    partitions: Partitions,
    requests: Option<Policies>,
    orders: Option<Policies>,
    guest_orders: Option<Policies>,
    login_account: Policies,
    login_address: Policies,
    login_pair: Policies,
}

/// The limit of a customer who is about to order.
pub(crate) struct CustomerLimit {
    /// The partition whose slot it is in.
    pub(crate) partition: u16,
    pub(crate) check: Check,
}

impl Limits {
    /// `volatile` may be a Redis that forgets. Fails if a limit cannot be counted.
    pub(crate) fn new(
        service: &Service,
        volatile: &Redis,
        prefix: &str,
        args: &LimitArgs,
    ) -> anyhow::Result<Self> {
        // Redis syncs what others write before it goes on, and disks take their time.
        let options =
            LimiterOptions { prefix: prefix.into(), budget: args.limit_timeout, ..LimiterOptions::default() };
        Ok(Self {
            limiter: Limiter::new(volatile, options.clone())?,
            of_orders: Limiter::new(&service.redis, options)?,
            partitions: service.partitions,
            requests: unless_zero("requests", args.requests_per_minute)?,
            orders: unless_zero("orders", args.orders_per_minute)?,
            guest_orders: unless_zero("guest-orders", args.guest_orders_per_minute)?,
            login_account: policies(LOGIN_ACCOUNT)?,
            login_address: policies(LOGIN_ADDRESS)?,
            login_pair: policies(LOGIN_PAIR)?,
        })
    }

    /// Limits whatever comes from one address.
    pub(crate) fn around(&self, routes: Router) -> Router {
        let Some(policies) = self.requests.clone() else { return routes };
        let subject = move |request: &Request| {
            let address = request.extensions().get::<ClientAddress>()?;
            Some(Subject::new(&format!("address:{}", address.household()), &policies))
        };
        let reject = |verdict: &Verdict| refusal(verdict).into_response();
        routes.layer(RateLimitLayer::new(self.limiter.clone(), subject, reject))
    }

    /// Takes an order's place from its customer, and from the address of a guest; 429 if there is none.
    pub(crate) async fn order(
        &self,
        customer_id: &str,
        guest: Option<ClientAddress>,
    ) -> Result<Verdict, Problem> {
        let customer = self.customer(customer_id).map(|(_, customer)| customer);
        let subjects: Vec<Subject> = customer.into_iter().chain(self.guest(guest)).collect();
        allowed(self.of_orders.check(&subjects, 1).await)
    }

    /// The same for an order that can be written beside its customer's limit: what is taken from the customer is left to the
    /// script that accepts the order, so that Redis is asked once.
    pub(crate) async fn order_beside_its_limit(
        &self,
        customer_id: &str,
        guest: Option<ClientAddress>,
    ) -> Result<(Verdict, Option<CustomerLimit>), Problem> {
        let limit = match self.customer(customer_id) {
            None => None,
            Some((partition, customer)) => {
                let check = self.of_orders.check_in_script(&customer, 1);
                let check = check.map_err(|denied| refusal(&denied))?;
                Some(CustomerLimit { partition, check })
            }
        };
        let address: Vec<Subject> = self.guest(guest).into_iter().collect();
        Ok((allowed(self.of_orders.check(&address, 1).await)?, limit))
    }

    /// Gives back what an order took that its customer may not place.
    pub(crate) async fn give_back(&self, order: Verdict) {
        if let Err(error) = self.of_orders.refund(order).await {
            tracing::debug!(%error, "an order that was refused counts for its address");
        }
    }

    /// A customer and the partition of its limit.
    fn customer(&self, customer_id: &str) -> Option<(u16, Subject)> {
        let orders = self.orders.as_ref()?;
        let partition = self.partitions.of_bytes(customer_id.as_bytes());
        let customer = format!("customer:{customer_id}");
        Some((partition, Subject::beside(&partition.to_string(), &customer, orders)))
    }

    fn guest(&self, guest: Option<ClientAddress>) -> Option<Subject> {
        let orders = self.guest_orders.as_ref()?;
        guest.map(|guest| Subject::new(&format!("guest:{}", guest.household()), orders))
    }

    /// Counts a login as failed, to be [forgiven](Self::forgive) once it has succeeded: so that guesses that come all at once
    /// are counted too. `is_known` says whether this account was logged in to from there before.
    pub(crate) async fn login(
        &self,
        email: &Email,
        from: ClientAddress,
        is_known: bool,
    ) -> Result<Verdict, Problem> {
        let (account, address) = (format!("login:{}", email.digest()), format!("login:{}", from.household()));
        let mut subjects = vec![Subject::new(&format!("{account} {address}"), &self.login_pair)];
        if !is_known {
            subjects.push(Subject::new(&account, &self.login_account));
            subjects.push(Subject::new(&address, &self.login_address));
        }
        allowed(self.limiter.on_failure(OnFailure::Closed).check(&subjects, 1).await)
    }

    /// Gives back what a login took.
    pub(crate) async fn forgive(&self, login: Verdict) {
        if let Err(error) = self.limiter.refund(login).await {
            tracing::debug!(%error, "a login that succeeded counts as failed");
        }
    }
}

fn unless_zero(name: &str, per_minute: u32) -> anyhow::Result<Option<Policies>> {
    if per_minute == 0 { Ok(None) } else { policies((name, per_minute, MINUTE)).map(Some) }
}

fn policies((name, limit, period): (&str, u32, Duration)) -> anyhow::Result<Policies> {
    let policy = Policy::new(name, limit, period).with_context(|| format!("cannot limit {name}"))?;
    Ok(Policies::new([policy])?)
}

fn allowed(verdict: Verdict) -> Result<Verdict, Problem> {
    if verdict.is_allowed() { Ok(verdict) } else { Err(refusal(&verdict)) }
}

/// What is answered to what is not allowed.
pub(crate) fn refusal(verdict: &Verdict) -> Problem {
    if verdict.outcome() == Outcome::Unavailable {
        return Problem::unavailable("the limits cannot be looked at now; try again");
    }
    let violated: Vec<&str> = verdict.violated().map(Policy::name).collect();
    let detail = format!("too much of this at once (limit: {}); try again later", violated.join(", "));
    let mut problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, detail);
    for (name, value) in fields(verdict) {
        problem = problem.with_header(name, value);
    }
    problem
}

/// What tells a client how it stands: `RateLimit-Policy`, `RateLimit`, and `Retry-After` if it has to wait.
pub(crate) fn fields(verdict: &Verdict) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    let fields = [
        (HeaderName::from_static("ratelimit-policy"), verdict.policy_field()),
        (HeaderName::from_static("ratelimit"), verdict.limit_field()),
        (axum::http::header::RETRY_AFTER, verdict.retry_after_field()),
    ];
    // They are written of names and numbers: visible ASCII.
    fields.into_iter().filter_map(|(name, value)| Some((name, value?.try_into().ok()?)))
}
