//! What each answer of a provider is taken for, over real HTTP.

use std::{
    convert::Infallible,
    net::Ipv4Addr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
};

use axum::{
    Router,
    body::{self, Body},
    extract::Request,
    response::{IntoResponse, Response},
};
use clap::Parser;
use futures_util::stream;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use common::messages::PaymentId;

use super::*;

/// A charge of the payment that tests ask about, with what differs from test to test.
macro_rules! charge_of {
    ($($rest:literal)?) => {
        charge_of!("50c0c1c4-3fe8-52f4-8a13-d9dad6319654", "49.80" $(, $rest)?)
    };
    ($key:literal, $amount:literal $(, $rest:literal)?) => {
        concat!(
            r#"{"id":"ch_1","key":""#, $key, r#"","amount":""#, $amount, r#"","currency":"EUR""#,
            $(",", $rest,)? "}"
        )
    };
}

const SUCCEEDED: &str = charge_of!(r#""status":"succeeded""#);
const DECLINED: &str = charge_of!(r#""status":"declined","decline_code":"card_declined""#);

/// A client of `url` that gives up after `timeout_ms`.
fn client(url: &str, timeout_ms: &str) -> Provider {
    #[derive(Parser)]
    struct CommandLine {
        #[command(flatten)]
        args: ProviderArgs,
    }
    let flags = ["test", "--provider-url", url, "--provider-timeout-ms", timeout_ms];
    Provider::new(&CommandLine::try_parse_from(flags).unwrap().args).unwrap()
}

fn payment() -> Payment {
    let order_id = OrderId::from_u128(7);
    let amount = Money::parse("49.80", "EUR").unwrap();
    Payment { id: PaymentId::of(order_id), order_id, customer_id: "42".into(), amount }
}

async fn charge(provider: &Provider) -> Result<Answer, Unknown> {
    provider.charge(&payment()).await
}

async fn listener() -> (String, TcpListener) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    (format!("http://{}", listener.local_addr().unwrap()), listener)
}

/// A request as a provider got it: method and path, idempotency key, body.
type Received = (String, String, Value);

/// A provider that gives every request the same answer.
async fn answering(
    answer: impl Fn() -> Response + Clone + Send + Sync + 'static,
) -> (Provider, Arc<Mutex<Vec<Received>>>) {
    let (url, listener) = listener().await;
    let received = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&received);
    let routes = Router::new().fallback(move |request: Request| {
        let (log, answer) = (Arc::clone(&log), answer.clone());
        async move {
            let what = format!("{} {}", request.method(), request.uri());
            let key = request.headers().get("idempotency-key").map(|key| key.to_str().unwrap().to_owned());
            let body = body::to_bytes(request.into_body(), LARGEST_BODY).await.unwrap();
            let body = serde_json::from_slice(&body).unwrap_or_default();
            log.lock().unwrap().push((what, key.unwrap_or_default(), body));
            answer()
        }
    });
    tokio::spawn(async { axum::serve(listener, routes).await });
    (client(&url, "20000"), received)
}

/// What is made of one answer.
async fn taken(status: u16, body: &'static str) -> Result<Answer, Unknown> {
    let status = StatusCode::from_u16(status).unwrap();
    let (provider, _) = answering(move || (status, body).into_response()).await;
    charge(&provider).await
}

/// What is made of an answer whose body never ends.
async fn taken_endless(status: StatusCode) -> Result<Answer, Unknown> {
    let (provider, _) = answering(move || {
        let chunks = stream::repeat(Ok::<_, Infallible>("no\nend ".repeat(100)));
        (status, Body::from_stream(chunks)).into_response()
    })
    .await;
    charge(&provider).await
}

#[tokio::test]
async fn the_payment_is_the_idempotency_key_and_the_order_the_reference() {
    let (provider, received) = answering(|| SUCCEEDED.into_response()).await;
    charge(&provider).await.unwrap();
    let order_id = OrderId::from_u128(7);
    let body = json!({ "amount": "49.80", "currency": "EUR", "reference": order_id });
    let key = PaymentId::of(order_id).to_string();
    assert_eq!(*received.lock().unwrap(), [("POST /charges".to_owned(), key, body)]);
}

#[tokio::test]
async fn a_charge_that_succeeded_is_charged_whether_it_is_new_or_told_again() {
    for status in [200, 201] {
        let charged = Answer::Charged { charge_id: "ch_1".into() };
        assert_eq!(taken(status, SUCCEEDED).await.unwrap(), charged, "{status}");
    }
}

#[tokio::test]
async fn a_402_is_declined_with_its_code_or_without() {
    let declined = |code: &str| Answer::Declined { code: code.into() };
    assert_eq!(taken(402, DECLINED).await.unwrap(), declined("card_declined"));
    let without = charge_of!(r#""status":"declined""#);
    assert_eq!(taken(402, without).await.unwrap(), declined("declined"));
}

#[tokio::test]
async fn only_a_400_and_a_422_are_refusals() {
    let next = Arc::new(AtomicU16::new(300));
    let status = Arc::clone(&next);
    // One client for all of them: each reads the system's certificates.
    let (provider, _) = answering(move || {
        let status = StatusCode::from_u16(status.load(Ordering::Relaxed)).unwrap();
        (status, "because").into_response()
    })
    .await;
    for status in (300..=599).filter(|status| *status != 402) {
        next.store(status, Ordering::Relaxed);
        let refused = match charge(&provider).await {
            Ok(Answer::Refused { reason }) => {
                assert!(reason.contains(&status.to_string()) && reason.ends_with(": because"), "{reason}");
                true
            }
            Err(Unknown::Answer(told)) => {
                assert_eq!(told, status);
                false
            }
            other => panic!("{status} is taken for {other:?}"),
        };
        assert_eq!(refused, [400, 422].contains(&status), "{status}");
    }
}

#[tokio::test]
async fn a_success_without_a_charge_is_unknown() {
    for status in [202, 204, 206] {
        let result = taken(status, "").await;
        assert!(matches!(result, Err(Unknown::Answer(_))), "{status}: {result:?}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    for status in [StatusCode::SEE_OTHER, StatusCode::TEMPORARY_REDIRECT] {
        let (provider, received) =
            answering(move || (status, [("location", "/elsewhere")]).into_response()).await;
        let result = charge(&provider).await;
        assert!(matches!(result, Err(Unknown::Answer(told)) if told == status), "{result:?}");
        assert_eq!(received.lock().unwrap().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn an_answer_that_contradicts_itself_is_unknown() {
    for (status, body) in [(200, DECLINED), (201, DECLINED), (402, SUCCEEDED)] {
        let result = taken(status, body).await;
        assert!(matches!(result, Err(Unknown::Contradiction { .. })), "{status}: {result:?}");
    }
}

#[tokio::test]
async fn a_decision_that_cannot_be_read_is_unknown() {
    let garbage = ["", "<html>welcome</html>", "{}", charge_of!(), charge_of!(r#""status":"pending""#)];
    for status in [200, 201, 402] {
        for body in garbage {
            let result = taken(status, body).await;
            assert!(matches!(result, Err(Unknown::NoCharge(..))), "{status} {body}: {result:?}");
        }
    }
}

/// A provider that answers twice: the second answer is taken for that to the next request.
#[tokio::test]
async fn an_answer_about_another_payment_is_unknown() {
    const OTHER: &str = charge_of!("another", "49.80", r#""status":"succeeded""#);
    let result = taken(201, OTHER).await;
    assert!(matches!(result, Err(Unknown::OtherPayment(_))), "{result:?}");
    let (provider, _) = answering(|| OTHER.into_response()).await;
    let result = provider.find(&payment()).await;
    assert!(matches!(result, Err(Unknown::OtherPayment(_))), "{result:?}");
}

#[tokio::test]
async fn a_charge_of_another_amount_is_a_matter_for_a_person() {
    const OTHER: &str = charge_of!("50c0c1c4-3fe8-52f4-8a13-d9dad6319654", "4.98", r#""status":"succeeded""#);
    let Ok(Answer::Refused { reason }) = taken(201, OTHER).await else { panic!("not refused") };
    assert_eq!(reason, "the provider has a charge of 4.98 EUR for this payment");
}

#[tokio::test]
async fn asking_makes_no_charge_and_tells_what_became_of_it() {
    let charged = Answer::Charged { charge_id: "ch_1".into() };
    let declined = Answer::Declined { code: "card_declined".into() };
    for (body, expected) in [(SUCCEEDED, charged), (DECLINED, declined)] {
        let (provider, received) = answering(move || body.into_response()).await;
        assert_eq!(provider.find(&payment()).await.unwrap(), expected);
        let path = format!("GET /charges/{}", payment().id);
        assert_eq!(*received.lock().unwrap(), [(path, String::new(), Value::Null)]);
    }
}

#[tokio::test]
async fn a_charge_that_is_not_found_is_neither_charged_nor_declined() {
    let (provider, _) = answering(|| (StatusCode::NOT_FOUND, "no").into_response()).await;
    assert_eq!(provider.find(&payment()).await.unwrap(), Answer::NotFound);
    for status in [StatusCode::INTERNAL_SERVER_ERROR, StatusCode::CREATED, StatusCode::PAYMENT_REQUIRED] {
        let (provider, _) = answering(move || (status, SUCCEEDED).into_response()).await;
        let result = provider.find(&payment()).await;
        assert!(matches!(result, Err(Unknown::Answer(told)) if told == status), "{result:?}");
    }
}

#[tokio::test]
async fn a_refusal_is_explained_on_one_line_of_limited_length_however_much_was_sent() {
    let Ok(Answer::Refused { reason }) = taken_endless(StatusCode::UNPROCESSABLE_ENTITY).await else {
        panic!("not refused")
    };
    assert!(reason.starts_with("the provider answered 422 Unprocessable Entity: no end no end"), "{reason}");
    assert!(reason.len() < LONGEST_EXPLANATION + 60 && !reason.contains('\n'), "{reason}");
}

#[tokio::test]
async fn a_refusal_without_an_explanation_tells_the_status() {
    let reason = "the provider answered 400 Bad Request".into();
    assert_eq!(taken(400, " \n").await.unwrap(), Answer::Refused { reason });
}

#[tokio::test]
async fn a_decision_that_never_ends_is_unknown() {
    for status in [StatusCode::CREATED, StatusCode::PAYMENT_REQUIRED] {
        let result = taken_endless(status).await;
        assert!(matches!(result, Err(Unknown::TooLong(_))), "{status}: {result:?}");
    }
}

#[tokio::test]
async fn a_provider_that_does_not_answer_in_time_is_unknown() {
    let (_, listener) = listener().await;
    let url = format!("http://{}", listener.local_addr().unwrap());
    let result = charge(&client(&url, "50")).await;
    assert!(matches!(result, Err(Unknown::NoAnswer(_))), "{result:?}");
}

#[tokio::test]
async fn a_connection_that_is_lost_or_refused_is_unknown() {
    let (url, listener) = listener().await;
    let provider = client(&url, "20000");
    let losing = async { drop(listener.accept().await.unwrap()) };
    let (result, ()) = tokio::join!(charge(&provider), losing);
    assert!(matches!(result, Err(Unknown::NoAnswer(_))), "{result:?}");

    drop(listener);
    let result = charge(&provider).await;
    let Err(unknown @ Unknown::NoAnswer(_)) = result else { panic!("{result:?}") };
    assert!(!unknown.to_string().contains(&url), "{unknown}");
}
