//! A limiter in front of an HTTP service.

use std::convert::Infallible;

use http::{Request, Response, StatusCode};
use redis_kit::rate_limit::{Outcome, RateLimitLayer, Subject, Verdict};
use tower::{Layer, ServiceExt, service_fn};

use super::{ever, per, policy};
use crate::harness::{Bench, NEVER};

type Answer = Response<&'static str>;

fn reject(verdict: &Verdict) -> Answer {
    let mut answer = Response::new("rejected");
    *answer.status_mut() = match verdict.outcome() {
        Outcome::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::TOO_MANY_REQUESTS,
    };
    answer
}

async fn served(_: Request<&'static str>) -> Result<Answer, Infallible> {
    Ok(Response::new("served"))
}

fn field<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.headers().get(name).map(|value| value.to_str().unwrap())
}

fn request(customer: Option<&'static str>) -> Request<&'static str> {
    let mut request = Request::new("");
    if let Some(customer) = customer {
        request.headers_mut().insert("customer", customer.parse().unwrap());
    }
    request
}

#[tokio::test]
async fn callers_are_told_how_they_stand_and_who_is_denied_when_to_come_again() {
    let bench = Bench::start().await;
    let policies = policy("orders", 2, 2 * NEVER).into();
    let customer = move |request: &Request<&'static str>| {
        let customer = request.headers().get("customer")?.to_str().ok()?;
        Some(Subject::new(customer, &policies))
    };
    let service = RateLimitLayer::new(bench.limiter(), customer, reject).layer(service_fn(served));
    let ask = async |customer| service.clone().oneshot(request(customer)).await.unwrap();

    for left in ["1", "0"] {
        let answer = ask(Some("t")).await;
        assert_eq!((answer.status(), *answer.body()), (StatusCode::OK, "served"));
        assert_eq!(field(&answer, "RateLimit-Policy"), Some("\"orders\";q=2;w=7200"));
        let expected = format!("\"orders\";r={left};t=");
        assert!(field(&answer, "RateLimit").unwrap().starts_with(&expected));
        assert_eq!(field(&answer, "Retry-After"), None);
    }
    let answer = ask(Some("t")).await;
    assert_eq!((answer.status(), *answer.body()), (StatusCode::TOO_MANY_REQUESTS, "rejected"));
    let seconds: u64 = field(&answer, "Retry-After").unwrap().parse().unwrap();
    assert!((3000..=3600).contains(&seconds), "{seconds}");
    assert_eq!(field(&answer, "RateLimit"), Some(&*format!("\"orders\";r=0;t={seconds}")));

    assert_eq!(ask(Some("u")).await.status(), StatusCode::OK);
    for _ in 0..5 {
        let answer = ask(None).await;
        assert_eq!((answer.status(), field(&answer, "RateLimit")), (StatusCode::OK, None));
    }
}

#[tokio::test]
async fn layers_and_subjects_can_be_stacked() {
    let bench = Bench::start().await;
    let [all, each] = [policy("all", 100, NEVER), policy("each", 10, NEVER)].map(Into::into);
    let both = move |_: &Request<&'static str>| [Subject::new("a", &all), Subject::new("b", &each)];
    let inner = RateLimitLayer::new(bench.limiter(), both, reject).layer(service_fn(served));
    let one = |_: &Request<&'static str>| vec![Subject::new("t", &ever(5))];
    let service = RateLimitLayer::new(bench.limiter(), one, reject).layer(inner);
    let answer = service.oneshot(request(None)).await.unwrap();
    let fields: Vec<_> = answer.headers().get_all("RateLimit-Policy").iter().collect();
    assert_eq!(fields, ["\"all\";q=100;w=3600, \"each\";q=10;w=3600", "\"limit\";q=5;w=3600000"]);
}

#[tokio::test]
async fn a_service_says_by_its_own_answer_that_limits_cannot_be_told() {
    let mut bench = Bench::start().await;
    let limiter = bench.limiter();
    bench.crash().await;
    let one = |_: &Request<&'static str>| [Subject::new("t", &per(5, NEVER))];
    let service = RateLimitLayer::new(limiter, one, reject).layer(service_fn(served));
    let answer = service.oneshot(request(None)).await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(field(&answer, "RateLimit"), None);
}
