//! A client that says what it likes, byte by byte.

use std::{collections::BTreeMap, io, net::SocketAddr, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::harness::PATIENCE;

/// Between two bytes of a client that is slow on purpose.
const TRICKLE: Duration = Duration::from_millis(20);

/// One connection.
pub(crate) struct Client(BufReader<TcpStream>);

/// An answer that has come whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap()
    }

    /// Whether it is its connection's last one.
    pub(crate) fn closes(&self) -> bool {
        self.headers.get("connection").is_some_and(|value| value == "close")
    }

    /// Checks that it is a problem document of this status.
    #[track_caller]
    pub(crate) fn is_problem(&self, status: u16) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.headers["content-type"], "application/problem+json");
        let problem: Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(problem["status"], status);
        assert_eq!(self.headers.contains_key("retry-after"), status == 503, "{self:?}");
    }
}

impl Client {
    pub(crate) async fn to(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap())
    }

    pub(crate) fn over(stream: TcpStream) -> Self {
        Self(BufReader::new(stream))
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.get_ref().local_addr().unwrap()
    }

    pub(crate) fn into_stream(self) -> TcpStream {
        self.0.into_inner()
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.send(get(path)).await;
        self.answer().await
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.get_mut().write_all(bytes.as_ref()).await.unwrap();
    }

    /// Sends to a server that may have closed.
    pub(crate) async fn send_if_open(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.0.get_mut().write_all(bytes.as_ref()).await;
    }

    /// Sends a byte now and then, until the server answers or closes.
    pub(crate) async fn trickle(&mut self, byte: &str) {
        let (reading, mut writing) = self.0.get_mut().split();
        let sending = async {
            while writing.write_all(byte.as_bytes()).await.is_ok() {
                sleep(TRICKLE).await;
            }
        };
        let answered = async {
            tokio::select! {
                () = sending => {}
                readable = reading.readable() => readable.unwrap(),
            }
        };
        timeout(PATIENCE, answered).await.expect("the server puts up with it");
    }

    /// Ends this side of the connection.
    pub(crate) async fn close_own_side(&mut self) {
        self.0.get_mut().shutdown().await.unwrap();
    }

    /// Reads one answer, whose length must be told by `content-length`.
    pub(crate) async fn answer(&mut self) -> Answer {
        let answer = timeout(PATIENCE, self.read_answer()).await.expect("an answer in time");
        answer.expect("a whole answer")
    }

    /// The same, if there is one.
    pub(crate) async fn answer_or_close(&mut self) -> io::Result<Answer> {
        timeout(PATIENCE, self.read_answer()).await.expect("an answer or a close in time")
    }

    async fn read_answer(&mut self) -> io::Result<Answer> {
        let status_line = self.line().await?;
        let status = status_line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or(io::ErrorKind::UnexpectedEof)?;
        let headers = self.headers().await?;
        let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await?;
        Ok(Answer { status, headers, body })
    }

    async fn headers(&mut self) -> io::Result<BTreeMap<String, String>> {
        let mut headers = BTreeMap::new();
        while let Some((name, value)) = self.line().await?.split_once(": ") {
            headers.insert(name.to_owned(), value.to_owned());
        }
        Ok(headers)
    }

    async fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.0.read_line(&mut line).await?;
        Ok(line.trim_end().to_owned())
    }

    /// Everything until the server closes, which it must do in time and in order: a reset is an error.
    pub(crate) async fn rest(&mut self) -> String {
        let mut rest = String::new();
        let read = timeout(PATIENCE, self.0.read_to_string(&mut rest)).await;
        read.expect("the connection is closed in time").expect("the connection is closed in order");
        rest
    }

    /// Waits until the server closes, in order or not.
    pub(crate) async fn until_closed(&mut self) {
        let mut rest = Vec::new();
        // A reset is a close as well.
        let _ =
            timeout(PATIENCE, self.0.read_to_end(&mut rest)).await.expect("the connection is closed in time");
    }
}

pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: shop\r\n\r\n")
}
