//! Ports, flags, and what a wrong one is answered with.

use std::{net::TcpListener, time::Duration};

use local_redis::ReservedPort;
use nix::sys::signal::Signal;
use test_support::{Options, System, send};
use tokio::time::sleep;

use crate::{crashes::post_through, options, system};

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
    let reserved = [(); 3].map(|()| ReservedPort::free().unwrap());
    let [gateway, redis, sandbox] = reserved.each_ref().map(|port| port.number().to_string());
    let ports = ["--port", &gateway, "--redis-port", &redis, "--sandbox-port", &sandbox];
    let system = System::start(&options().args(ports)).await;
    assert!(system.gateway().ends_with(&gateway), "{}", system.gateway());
    assert!(system.redis_url().ends_with(&redis), "{}", system.redis_url());
    assert!(system.sandbox().ends_with(&sandbox), "{}", system.sandbox());
}

/// Else a stranger may have it when the service is started again, and answer in its place.
#[tokio::test]
async fn nobody_else_gets_a_port_while_its_service_is_dead() {
    let system = system().await;
    let gateway = system.service("api-gateway").await.unwrap();
    for (url, pid) in [(system.gateway(), gateway), (system.sandbox(), system.sandbox_pid().await.unwrap())] {
        let address = url.strip_prefix("http://").unwrap();
        send(pid, Signal::SIGKILL);
        for _ in 0..100 {
            let bound = TcpListener::bind(address);
            assert!(bound.is_err(), "{address} could be had after the death of its service");
            sleep(Duration::from_millis(5)).await;
        }
    }
    // The gateway may still be starting.
    let ids = post_through(&system, "afterwards", 1).await;
    system.wait_for_status(&ids[0], "paid", Duration::from_secs(20)).await;
}

#[tokio::test]
async fn a_server_file_that_is_none_is_a_clear_error() {
    let error = refused(&options().args(["--redis-server", "/nonexistent/redis-server"])).await;
    assert!(error.contains("/nonexistent/redis-server"), "{error}");
}

#[tokio::test]
async fn a_port_in_the_environment_is_the_gateways_alone() {
    let reserved = ReservedPort::free().unwrap();
    let free = reserved.number().to_string();
    // Were it everybody's, the services would fight for it.
    let system = System::start(&options().args(["--port", &free]).env("PORT", &free)).await;
    system.place_order().await;
}
