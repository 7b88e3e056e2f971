//! Where a service listens.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use anyhow::Context;
use clap::Args;
use listenfd::ListenFd;
use tokio::net::TcpListener;

use super::HttpLimits;

/// Where a service listens, and how much it lets clients take.
#[derive(Args, Clone, Debug)]
pub struct HttpArgs {
    /// The address to listen on
    #[arg(long, env = "LISTEN_HOST", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), value_name = "ADDRESS")]
    pub listen_host: IpAddr,
    /// The port to listen on; 0 takes any free one [default: api-gateway 8080, sandbox 8090, others 0]
    #[arg(long, env = "PORT")]
    pub port: Option<u16>,
    #[command(flatten)]
    /// How much it lets clients take
    pub limits: HttpLimits,
}

impl HttpArgs {
    /// The listener that this process was started with, if it was (socket activation: `LISTEN_FDS`, as systemd sets it).
    /// Else binds the port asked for, or `default_port`; fails with what to do when it is taken.
    pub async fn bind(&self, default_port: u16) -> anyhow::Result<TcpListener> {
        if let Some(listener) = given_listener().context("cannot use the socket given by LISTEN_FDS")? {
            return Ok(listener);
        }
        let address = SocketAddr::new(self.listen_host, self.port.unwrap_or(default_port));
        TcpListener::bind(address)
            .await
            .with_context(|| format!("cannot listen on {address}; choose another port with --port or PORT"))
    }
}

fn given_listener() -> io::Result<Option<TcpListener>> {
    let Some(listener) = ListenFd::from_env().take_tcp_listener(0)? else { return Ok(None) };
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener).map(Some)
}
