//! HTTP/1.1 byte by byte, for requests that no client library would send.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::timeout,
};

use crate::harness::{Answer, PATIENCE};

/// One connection to the gateway.
pub(crate) struct RawConnection(BufReader<TcpStream>);

impl RawConnection {
    pub(crate) async fn to(address: SocketAddr) -> Self {
        Self(BufReader::new(TcpStream::connect(address).await.unwrap()))
    }

    /// Sends a request, its last header being `host`, and reads the answer.
    pub(crate) async fn ask(&mut self, head: &str, body: &[u8]) -> Answer {
        self.send(format!("{head}\r\nhost: shop\r\n\r\n").as_bytes()).await;
        self.send(body).await;
        self.answer().await
    }

    /// An answer may come, and the connection close, before everything is sent.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        let _ = self.0.get_mut().write_all(bytes).await;
    }

    /// Reads one answer, whose length must be told by `content-length`.
    pub(crate) async fn answer(&mut self) -> Answer {
        timeout(PATIENCE, self.read()).await.expect("no answer")
    }

    async fn read(&mut self) -> Answer {
        let status_line = self.line().await;
        let status = status_line.split(' ').nth(1).unwrap_or_else(|| panic!("no answer: {status_line:?}"));
        let mut headers = reqwest::header::HeaderMap::new();
        loop {
            let line = self.line().await;
            let Some((name, value)) = line.split_once(": ") else { break };
            let name: reqwest::header::HeaderName = name.parse().unwrap();
            headers.append(name, value.parse().unwrap());
        }
        let length = headers.get("content-length").map_or("0", |length| length.to_str().unwrap());
        let mut body = vec![0; length.parse().unwrap()];
        self.0.read_exact(&mut body).await.unwrap();
        Answer { status: status.parse().unwrap(), headers, body }
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).await.unwrap();
        line.trim_end().to_owned()
    }

    /// Whether the other side has closed the connection.
    pub(crate) async fn is_closed(&mut self) -> bool {
        timeout(PATIENCE, self.0.read_to_end(&mut Vec::new())).await.is_ok()
    }

    /// All that still comes until the other side closes the connection.
    pub(crate) async fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        // A connection that is reset is closed too.
        let _ = timeout(PATIENCE, self.0.read_to_end(&mut rest)).await.expect("the connection closes");
        String::from_utf8_lossy(&rest).into_owned()
    }
}
