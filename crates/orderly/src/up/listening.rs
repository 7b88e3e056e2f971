//! A port that stays the system's own while the service behind it is not there.

use std::{
    net::{IpAddr, SocketAddr, TcpListener},
    os::fd::OwnedFd,
    sync::Arc,
};

use anyhow::Context;
use command_fds::{CommandFdExt, FdMapping};
use tokio::process::Command;

/// Where the first socket stands that a process is started with, by the protocol of systemd's socket activation.
const FIRST_SOCKET: i32 = 3;

/// A socket that listens from before its service is started until `up` ends. Nobody else can get the port meanwhile, and
/// answer in the service's place. Who connects while the service is being started again waits for it.
#[derive(Clone, Debug)]
pub(super) struct Listening {
    pub(super) address: SocketAddr,
    socket: Arc<TcpListener>,
}

impl Listening {
    /// Listens on a port; 0 picks a free one. Fails, with the `flag` that chooses another, if it is taken.
    pub(super) async fn on(host: IpAddr, port: u16, flag: &str) -> anyhow::Result<Self> {
        let wanted = SocketAddr::new(host, port);
        let listening = async {
            let socket = tokio::net::TcpListener::bind(wanted).await?.into_std()?;
            Ok::<_, std::io::Error>(Self { address: socket.local_addr()?, socket: Arc::new(socket) })
        };
        listening.await.with_context(|| format!("cannot listen on {wanted}; choose another port with {flag}"))
    }

    /// Has the process that `command` starts accept the connections.
    pub(super) fn pass_to(&self, command: &mut Command) -> anyhow::Result<()> {
        let parent_fd = OwnedFd::from(self.socket.try_clone().context("cannot share a socket")?);
        command.env("LISTEN_FDS", "1");
        command.fd_mappings(vec![FdMapping { parent_fd, child_fd: FIRST_SOCKET }])?;
        Ok(())
    }
}
