use std::{
    future::pending,
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::watch,
    task::JoinSet,
    time::sleep,
};

/// A TCP proxy on loopback that fails when told to. It starts in normal order; each fault replaces the one before.
///
/// It is as honest as TCP: a stream never goes on after a gap. A connection on which bytes were swallowed stays dead
/// in that direction, also after [`FaultProxy::pass`], and the other side has to notice by itself.
///
/// Dropped, it closes every connection.
pub struct FaultProxy {
    address: SocketAddr,
    fault: watch::Sender<Fault>,
    resets: watch::Sender<()>,
    /// The accepting task, which owns those of the connections; they are aborted when the set is dropped.
    _accepting: JoinSet<()>,
}

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    Delay(Duration),
    Refuse,
    Silence,
    DropReplies,
}

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Request,
    Reply,
}

impl Fault {
    fn swallows(self, way: Way) -> bool {
        self == Self::Silence || (self == Self::DropReplies && way == Way::Reply)
    }
}

impl FaultProxy {
    /// Starts a proxy on a free port, which connects to `target` once for each connection made to it.
    pub async fn start(target: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (fault, faults) = watch::channel(Fault::None);
        let resets = watch::Sender::new(());
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, target, faults, resets.clone()));
        Ok(Self { address, fault, resets, _accepting: accepting })
    }

    /// Where to connect to instead of the target.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same as a Redis URL.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Back to normal: everything passes, on new connections and on those that have lost nothing.
    pub fn pass(&self) {
        self.fault.send_replace(Fault::None);
    }

    /// Every chunk that is read takes this much longer.
    pub fn delay(&self, pause: Duration) {
        self.fault.send_replace(Fault::Delay(pause));
    }

    /// New connections are reset as soon as they are made. Those that stand go on.
    pub fn refuse(&self) {
        self.fault.send_replace(Fault::Refuse);
    }

    /// Half-open: nothing gets through in either direction, not even an end, and nothing is closed. New connections
    /// are accepted, and as silent.
    pub fn silence(&self) {
        self.fault.send_replace(Fault::Silence);
    }

    /// Requests reach the target and are carried out; what it answers is never heard.
    pub fn drop_replies(&self) {
        self.fault.send_replace(Fault::DropReplies);
    }

    /// Resets (RST) all connections that stand, once. New ones are as the present fault has it.
    pub fn reset_connections(&self) {
        self.resets.send_replace(());
    }
}

async fn accept(
    listener: TcpListener,
    target: SocketAddr,
    faults: watch::Receiver<Fault>,
    resets: watch::Sender<()>,
) {
    let mut connections = JoinSet::new();
    loop {
        // An error is the peer's, which went away before it was accepted.
        if let Ok((client, _)) = listener.accept().await {
            connections.spawn(connect(client, target, faults.clone(), resets.subscribe()));
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn connect(
    client: TcpStream,
    target: SocketAddr,
    faults: watch::Receiver<Fault>,
    resets: watch::Receiver<()>,
) {
    let refused = *faults.borrow() == Fault::Refuse;
    match TcpStream::connect(target).await {
        Ok(server) if !refused => relay(client, server, faults, resets).await,
        _ => reset(&client),
    }
}

async fn relay(
    mut client: TcpStream,
    mut server: TcpStream,
    faults: watch::Receiver<Fault>,
    mut resets: watch::Receiver<()>,
) {
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let relayed = async {
        tokio::try_join!(
            pump(from_client, to_server, Way::Request, &faults),
            pump(from_server, to_client, Way::Reply, &faults),
        )
    };
    let ended_well = tokio::select! {
        _ = resets.changed() => false,
        ended = relayed => ended.is_ok(),
    };
    if !ended_well {
        reset(&client);
        reset(&server);
    }
}

async fn pump(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    way: Way,
    faults: &watch::Receiver<Fault>,
) -> io::Result<()> {
    let mut chunk = vec![0; 16 * 1024];
    let mut has_gap = false;
    loop {
        let length = from.read(&mut chunk).await?;
        let fault = *faults.borrow();
        if let Fault::Delay(pause) = fault {
            sleep(pause).await;
        }
        has_gap |= fault.swallows(way);
        match (has_gap, length) {
            (true, 0) => pending().await,
            (true, _) => {}
            (false, 0) => return to.shutdown().await,
            (false, _) => to.write_all(&chunk[..length]).await?,
        }
    }
}

/// Makes the coming drop send a RST instead of a FIN.
fn reset(connection: &TcpStream) {
    // It fails only on a connection that is gone already.
    let _ = connection.set_zero_linger();
}

#[cfg(test)]
mod tests {
    use local_redis::ReservedPort;
    use tokio::{
        sync::mpsc::{UnboundedReceiver, unbounded_channel},
        time::{Instant, timeout},
    };

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    /// A server that says back what it hears, and tells the test what it heard; an empty text is a connection's end.
    async fn echo() -> (SocketAddr, UnboundedReceiver<String>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (ears, server) = unbounded_channel();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let ears = ears.clone();
                tokio::spawn(async move {
                    let mut chunk = [0; 64];
                    while let Ok(length @ 1..) = client.read(&mut chunk).await {
                        let _ = ears.send(String::from_utf8_lossy(&chunk[..length]).into_owned());
                        let _ = client.write_all(&chunk[..length]).await;
                    }
                    let _ = ears.send(String::new());
                });
            }
        });
        (address, server)
    }

    async fn connected(proxy: &FaultProxy) -> TcpStream {
        TcpStream::connect(proxy.address()).await.unwrap()
    }

    async fn ask(connection: &mut TcpStream, question: &str) -> io::Result<String> {
        connection.write_all(question.as_bytes()).await?;
        let mut answer = vec![0; 64];
        let length = timeout(LIMIT, connection.read(&mut answer)).await.expect("an answer or an end")?;
        answer.truncate(length);
        Ok(String::from_utf8(answer).unwrap())
    }

    /// Asks on a new connection. A reset may be noticed while connecting, or only then.
    async fn ask_anew(proxy: &FaultProxy, question: &str) -> io::Result<String> {
        ask(&mut TcpStream::connect(proxy.address()).await?, question).await
    }

    /// That nothing comes can only be seen by waiting a little.
    async fn hears_nothing(connection: &mut TcpStream) -> bool {
        timeout(Duration::from_millis(50), connection.read(&mut [0; 64])).await.is_err()
    }

    async fn heard(server: &mut UnboundedReceiver<String>) -> String {
        timeout(LIMIT, server.recv()).await.expect("the server hears something").unwrap()
    }

    #[tokio::test]
    async fn in_normal_order_bytes_and_ends_pass() {
        let (target, mut server) = echo().await;
        let proxy = FaultProxy::start(target).await.unwrap();
        assert_eq!(proxy.url(), format!("redis://{}", proxy.address()));
        let mut client = connected(&proxy).await;
        assert_eq!(ask(&mut client, "a").await.unwrap(), "a");
        assert_eq!(heard(&mut server).await, "a");
        drop(client);
        assert_eq!(heard(&mut server).await, "");
    }

    #[tokio::test]
    async fn a_delay_holds_up_request_and_reply() {
        let proxy = FaultProxy::start(echo().await.0).await.unwrap();
        let mut client = connected(&proxy).await;
        proxy.delay(Duration::from_millis(30));
        let started = Instant::now();
        assert_eq!(ask(&mut client, "a").await.unwrap(), "a");
        assert!(started.elapsed() >= Duration::from_millis(60));
    }

    #[tokio::test]
    async fn a_reset_breaks_what_stands_and_new_connections_work() {
        let (target, mut server) = echo().await;
        let proxy = FaultProxy::start(target).await.unwrap();
        let mut client = connected(&proxy).await;
        ask(&mut client, "a").await.unwrap();
        proxy.reset_connections();
        let error = timeout(LIMIT, client.read(&mut [0; 64])).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        assert_eq!([heard(&mut server).await, heard(&mut server).await], ["a", ""]);
        assert_eq!(ask_anew(&proxy, "b").await.unwrap(), "b");
    }

    #[tokio::test]
    async fn refusing_resets_new_connections_only() {
        let proxy = FaultProxy::start(echo().await.0).await.unwrap();
        let mut old = connected(&proxy).await;
        ask(&mut old, "a").await.unwrap();
        proxy.refuse();
        assert!(ask_anew(&proxy, "b").await.is_err());
        assert_eq!(ask(&mut old, "c").await.unwrap(), "c");
        proxy.pass();
        assert_eq!(ask_anew(&proxy, "d").await.unwrap(), "d");
    }

    #[tokio::test]
    async fn silence_lets_nothing_through_and_closes_nothing() {
        let (target, mut server) = echo().await;
        let proxy = FaultProxy::start(target).await.unwrap();
        let mut client = connected(&proxy).await;
        ask(&mut client, "a").await.unwrap();
        assert_eq!(heard(&mut server).await, "a");
        proxy.silence();
        client.write_all(b"b").await.unwrap();
        assert!(hears_nothing(&mut client).await);

        // The old connection has a gap and stays dead; only a new one works.
        proxy.pass();
        client.write_all(b"c").await.unwrap();
        assert!(hears_nothing(&mut client).await);
        assert_eq!(ask_anew(&proxy, "d").await.unwrap(), "d");
        assert_eq!(heard(&mut server).await, "d");
    }

    #[tokio::test]
    async fn requests_are_carried_out_while_replies_are_dropped() {
        let (target, mut server) = echo().await;
        let proxy = FaultProxy::start(target).await.unwrap();
        let mut client = connected(&proxy).await;
        proxy.drop_replies();
        client.write_all(b"a").await.unwrap();
        assert_eq!(heard(&mut server).await, "a");
        assert!(hears_nothing(&mut client).await);
    }

    #[tokio::test]
    async fn a_target_that_is_gone_is_told_by_a_reset() {
        let reserved = ReservedPort::free().unwrap();
        let gone = (Ipv4Addr::LOCALHOST, reserved.number()).into();
        let proxy = FaultProxy::start(gone).await.unwrap();
        assert!(ask_anew(&proxy, "a").await.is_err());
    }
}
