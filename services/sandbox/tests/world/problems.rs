use reqwest::StatusCode;

use crate::harness::Sandbox;

const CHARGE: &str = r#"{"amount":"99.00","currency":"EUR","reference":"order-1"}"#;
const KEY: (&str, &str) = ("idempotency-key", "key-1");

/// Sends one bad request and returns the problem it was answered with.
async fn refused(
    sandbox: &Sandbox,
    (method, path): (&str, &str),
    headers: &[(&str, &str)],
    body: &str,
    status: u16,
) -> serde_json::Value {
    let answer = sandbox.caller.send(method, path, headers, body).await.unwrap();
    assert_eq!(answer.status.as_u16(), status, "{method} {path} {headers:?} {body:.200}: {answer:?}");
    assert_eq!(answer.content_type, "application/problem+json", "{method} {path} {body:.200}");
    let problem = answer.json();
    assert_eq!(problem["status"], status);
    problem
}

#[tokio::test]
async fn every_refused_request_is_answered_with_a_problem_and_charges_nothing() {
    let sandbox = Sandbox::start().await;
    let charges = ("POST", "/charges");
    let large = CHARGE.replace("order-1", &"x".repeat(20_000));
    for (route, headers, body, status) in [
        (("GET", "/nothing"), &[] as &[_], "", 404),
        (("GET", "/charges/unknown"), &[], "", 404),
        (("GET", "/users/%FF"), &[], "", 400),
        (("DELETE", "/charges"), &[], "", 405),
        (("POST", "/faults"), &[], "{}", 405),
        (charges, &[], CHARGE, 400),
        (charges, &[("idempotency-key", "")], CHARGE, 400),
        (charges, &[("idempotency-key", "two words")], CHARGE, 400),
        (charges, &[("idempotency-key", &"k".repeat(256))], CHARGE, 400),
        (charges, &[KEY], "not JSON", 400),
        (charges, &[KEY, ("content-type", "text/plain")], CHARGE, 415),
        (charges, &[KEY], &large, 413),
        (charges, &[KEY], r#"{"amount":"99.00","currency":"EUR"}"#, 422),
        (charges, &[KEY], &CHARGE.replace("\"99.00\"", "99.00"), 422),
        (charges, &[KEY], &CHARGE.replace('}', r#","card":"4242"}"#), 422),
        (("GET", "/charges?limit=0"), &[], "", 422),
        (("GET", "/charges?limit=10001"), &[], "", 422),
        (("GET", "/charges?limit=many"), &[], "", 400),
        (("GET", "/charges?offset=1"), &[], "", 400),
    ] {
        refused(&sandbox, route, headers, body, status).await;
    }
    assert_eq!(sandbox.caller.get("/charges").await.json()["count"], 0);
}

#[tokio::test]
async fn a_charge_without_meaning_is_told_field_by_field() {
    let sandbox = Sandbox::start().await;
    for (body, pointers) in [
        (r#"{"amount":"0.00","currency":"EUR","reference":"o"}"#, &["/amount"] as &[_]),
        (r#"{"amount":"99.001","currency":"EUR","reference":"o"}"#, &["/amount"]),
        (r#"{"amount":"1.5","currency":"JPY","reference":"o"}"#, &["/amount"]),
        (r#"{"amount":"1e3","currency":"EURO","reference":""}"#, &["/amount", "/currency", "/reference"]),
    ] {
        let problem = refused(&sandbox, ("POST", "/charges"), &[KEY], body, 422).await;
        let errors = problem["errors"].as_array().unwrap();
        let told: Vec<_> = errors.iter().map(|error| error["pointer"].as_str().unwrap()).collect();
        assert_eq!(told, pointers, "{body}");
    }
}

#[tokio::test]
async fn faults_without_meaning_are_refused_and_change_nothing() {
    let sandbox = Sandbox::start().await;
    for (body, pointer) in [
        (r#"{"decline_rate":1.1}"#, Some("/decline_rate")),
        (r#"{"timeout_rate":-0.1}"#, Some("/timeout_rate")),
        (r#"{"error_rate":0.6,"reset_rate":0.6}"#, Some("")),
        (r#"{"latency":{"kind":"fixed","ms":60001}}"#, Some("/latency/ms")),
        (r#"{"latency":{"kind":"uniform","min_ms":2,"max_ms":1}}"#, Some("/latency/max_ms")),
        (r#"{"latency":{"kind":"log_normal","median_ms":0,"p99_ms":5}}"#, Some("/latency/p99_ms")),
        (r#"{"latency":{"kind":"log_normal","median_ms":9,"p99_ms":5}}"#, Some("/latency/p99_ms")),
        (r#"{"latency":{"kind":"slow"}}"#, None),
        (r#"{"latency":{"kind":"none","ms":1}}"#, None),
        (r#"{"eror_rate":0.5}"#, None),
    ] {
        let problem = refused(&sandbox, ("PUT", "/faults"), &[], body, 422).await;
        assert_eq!(problem["errors"][0]["pointer"].as_str(), pointer, "{body}");
    }
    let faults = sandbox.caller.get("/faults").await.json();
    assert_eq!((&faults["decline_rate"], &faults["latency"]["kind"]), (&0.0.into(), &"none".into()));
}

#[tokio::test]
async fn a_method_that_a_route_lacks_is_answered_with_those_it_has() {
    let sandbox = Sandbox::start().await;
    let url = format!("{}/charges", sandbox.caller.url);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let response = client.delete(url).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(response.headers()["allow"], "POST,GET,HEAD");
}
