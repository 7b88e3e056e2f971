//! Asking a service whether it is there and ready, with nothing but a socket.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use serde_json::Value;

/// How long each step of asking may take.
const LIMIT: Duration = Duration::from_secs(2);

/// Asks `/readyz`. The inner error names the parts that are not well. Blocks; fails if nobody answers in time.
pub fn ask_ready(address: SocketAddr) -> io::Result<Result<(), String>> {
    let answer = ask(address, "/readyz")?;
    if answer.starts_with("HTTP/1.1 200") {
        return Ok(Ok(()));
    }
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Ok(Err(unwell_parts(body)))
}

/// Whether who listens there answers `/livez` as our services do, and so is one of them. Blocks.
pub fn is_one_of_ours(address: SocketAddr) -> bool {
    let answer = ask(address, "/livez").unwrap_or_default();
    answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\nlive\n")
}

fn ask(address: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.write_all(
        format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").as_bytes(),
    )?;
    let mut answer = String::new();
    stream.take(64 * 1024).read_to_string(&mut answer)?;
    Ok(answer)
}

/// From the body of `/readyz`, as `crate::http` writes it.
fn unwell_parts(body: &str) -> String {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let parts = body["parts"].as_object().into_iter().flatten();
    let unwell: Vec<String> =
        parts.filter_map(|(part, reason)| Some(format!("{part}: {}", reason.as_str()?))).collect();
    if unwell.is_empty() { "it gives no reason".into() } else { unwell.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_that_are_not_well_are_named_with_their_reasons() {
        let body = r#"{"ready":false,"parts":{"worker":"has not polled for 9 s"}}"#;
        assert_eq!(unwell_parts(body), "worker: has not polled for 9 s");
        assert_eq!(unwell_parts("<html>"), "it gives no reason");
    }
}
