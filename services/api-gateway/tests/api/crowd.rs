//! Ten thousand clients that hold on to their connections, and others that want to be served meanwhile. The gateway runs
//! as its own program here: both ends in one process would need twice the descriptors.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::{net::TcpStream, process::Command, time::timeout};

use crate::{
    harness::PATIENCE,
    program::{Program, program},
    raw::RawConnection,
};

/// How many hold on.
const CROWD: u64 = 10_000;

/// Descriptors of the other tests of this process.
const OTHERS: u64 = 1000;

/// Within which others are answered meanwhile.
const QUICKLY: Duration = Duration::from_secs(2);

/// A gateway whose Redis is away: it answers probes.
async fn lonely(command: &mut Command) -> Program {
    Program::start(command.args(["--redis-url", "redis://127.0.0.1:1"])).await
}

/// With so many descriptors and no more.
async fn with_descriptors(limit: u32) -> Program {
    let limited = format!("ulimit -n {limit}; exec \"$0\" \"$@\"");
    lonely(Command::new("sh").args(["-c", &limited, env!("CARGO_BIN_EXE_api-gateway")])).await
}

/// As many of the [`CROWD`] as this process may have.
fn possible_crowd() -> u64 {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    // Not everywhere can a limit be raised to infinity.
    setrlimit(Resource::RLIMIT_NOFILE, hard.min(CROWD + OTHERS), hard).unwrap();
    CROWD.min(hard.saturating_sub(OTHERS))
}

async fn connected(address: SocketAddr, count: u64) -> Vec<TcpStream> {
    let mut connections = Vec::new();
    for _ in 0..count {
        connections
            .push(timeout(PATIENCE, TcpStream::connect(address)).await.expect("a connection").unwrap());
    }
    connections
}

#[tokio::test]
async fn ten_thousand_idle_connections_keep_nobody_waiting() {
    let program = lonely(program().args(["--max-connections", "11000", "--header-timeout", "600"])).await;
    let _crowd = connected(program.address, possible_crowd()).await;
    for _ in 0..20 {
        let begun = Instant::now();
        assert_eq!(program.answer().await.status, 200);
        assert!(begun.elapsed() < QUICKLY, "{:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn as_many_connections_as_the_limit_on_open_files_allows_are_served_and_the_next_is_refused() {
    let program = with_descriptors(300).await;
    // The limit less the gateway's reserve of 256.
    let mut crowd = Vec::new();
    for _ in 0..44 {
        let mut connection = RawConnection::to(program.address).await;
        assert_eq!(connection.ask("GET /livez HTTP/1.1", b"").await.status, 200);
        crowd.push(connection);
    }
    program.answer().await.problem(503);
    assert_eq!(crowd[0].ask("GET /livez HTTP/1.1", b"").await.status, 200);
}

#[tokio::test]
async fn a_gateway_that_ran_out_of_descriptors_goes_on_when_there_are_some() {
    // Fewer than it needs to refuse the crowd.
    let program = with_descriptors(40).await;
    let mut first = RawConnection::to(program.address).await;
    assert_eq!(first.ask("GET /livez HTTP/1.1", b"").await.status, 200);
    let crowd = connected(program.address, 80).await;
    program.answer().await.problem(503);
    drop(crowd);
    assert_eq!(first.ask("GET /livez HTTP/1.1", b"").await.status, 200);
    drop(first);
    test_support::eventually("room for a connection", PATIENCE, || async {
        let answer = program.answer().await;
        if answer.status == 200 { Ok(()) } else { Err(answer.text()) }
    })
    .await;
}
