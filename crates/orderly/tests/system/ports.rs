//! Ports, flags, and what a wrong one is answered with.

use std::net::TcpListener;

use test_support::{Options, System};

use crate::options;

async fn refused(options: &Options) -> String {
    let output = options.command().output().await.unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A port that is taken for as long as the listener lives.
fn taken() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    (listener, port)
}

#[tokio::test]
async fn a_busy_port_is_named_with_the_flag_that_chooses_another() {
    for flag in ["--port", "--redis-port", "--sandbox-port"] {
        let (_listener, port) = taken();
        let error = refused(&options().args([flag, &port])).await;
        assert!(error.contains(&port) && error.contains(flag), "{flag}: {error}");
    }
}

#[tokio::test]
async fn ports_can_be_chosen() {
    let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let (gateway, redis, sandbox) = (free(), free(), free());
    let ports = ["--port", &gateway, "--redis-port", &redis, "--sandbox-port", &sandbox];
    let system = System::start(&options().args(ports)).await;
    assert!(system.gateway().ends_with(&gateway), "{}", system.gateway());
    assert!(system.redis_url().ends_with(&redis), "{}", system.redis_url());
    assert!(system.sandbox().ends_with(&sandbox), "{}", system.sandbox());
}

#[tokio::test]
async fn a_server_file_that_is_none_is_a_clear_error() {
    let error = refused(&options().args(["--redis-server", "/nonexistent/redis-server"])).await;
    assert!(error.contains("/nonexistent/redis-server"), "{error}");
}

#[tokio::test]
async fn a_port_in_the_environment_is_the_gateways_alone() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    // Were it everybody's, the services would fight for it.
    let system = System::start(&options().args(["--port", &free]).env("PORT", &free)).await;
    system.place_order().await;
}
