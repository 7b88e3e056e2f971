//! Whether the ports are free that the system takes by default, and if not, who has them.

use std::{
    io::{self, ErrorKind},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use common::{instances::Instance, names::services, probe::is_one_of_ours};
use tokio::{net::TcpSocket, task::spawn_blocking};

use super::{DoctorArgs, finding::Finding};

const GATEWAY: &str = "gateway-port";
const SANDBOX: &str = "sandbox-port";

/// Who has a port.
enum Holder {
    Nobody,
    /// Somebody who answers as our services do.
    OneOfOurs,
    Stranger,
    /// Nobody can listen there.
    Unusable(io::Error),
}

pub(super) async fn examine(args: &DoctorArgs, instances: &[Instance]) -> Vec<Finding> {
    vec![gateway(args, instances).await, sandbox(args.sandbox_port).await]
}

async fn gateway(args: &DoctorArgs, instances: &[Instance]) -> Finding {
    let address = SocketAddr::new(args.listen_host, args.port);
    let known =
        instances.iter().find(|instance| instance.address.is_some_and(|known| known.port() == args.port));
    let other = "choose another: orderly up --port PORT, or PORT in the environment";
    match holder(address).await {
        Holder::Nobody => Finding::ok(GATEWAY, format!("{address} is free")),
        Holder::OneOfOurs => match known {
            Some(instance) => Finding::ok(GATEWAY, format!("{address} is {} of this system", instance.name)),
            None => Finding::warning(
                GATEWAY,
                format!(
                    "at {address} answers an Orderly that is another one: a second one cannot start there"
                ),
                format!(
                    "stop it, or {other}; or name the Redis that it works on with --redis-url, to look at that"
                ),
            ),
        },
        Holder::Stranger => {
            let seen = format!("a stranger listens at {address}: a gateway cannot start there");
            let fix = format!("{other}; or stop it: {} tells who it is", who(args.port));
            let mut ours = instances.iter().filter(|instance| instance.service == services::API_GATEWAY);
            match ours.find_map(|instance| instance.address) {
                // It was told another port already.
                Some(elsewhere) => {
                    let seen = format!("{seen}. That of this system is at {elsewhere}");
                    Finding::warning(GATEWAY, seen, fix)
                }
                None => Finding::problem(GATEWAY, seen, fix),
            }
        }
        Holder::Unusable(error) => Finding::problem(
            GATEWAY,
            format!("nobody can listen at {address}: {error}"),
            format!("{other}; the address is that of --listen-host (LISTEN_HOST)"),
        ),
    }
}

/// Under `up` it has any port. By itself it has this one, where payment-worker looks for a provider unless told another.
async fn sandbox(port: u16) -> Finding {
    let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    match holder(address).await {
        Holder::Nobody => Finding::ok(SANDBOX, format!("{address} is free")),
        Holder::OneOfOurs => Finding::ok(SANDBOX, format!("{address} is one of Orderly's")),
        Holder::Stranger => Finding::warning(
            SANDBOX,
            format!(
                "a stranger listens at {address}: a sandbox that is run by itself cannot start there, and a payment-worker \
                 that is not told its provider asks the stranger"
            ),
            format!(
                "run it elsewhere (orderly service sandbox --port PORT), and tell payment-worker (PROVIDER_URL); {} tells who \
                 it is. `orderly up` does both by itself",
                who(port)
            ),
        ),
        Holder::Unusable(error) => Finding::warning(
            SANDBOX,
            format!("nobody can listen at {address}: {error}"),
            "run it elsewhere: orderly service sandbox --port PORT",
        ),
    }
}

fn who(port: u16) -> String {
    format!("`ss -ltnp 'sport = :{port}'`")
}

async fn holder(address: SocketAddr) -> Holder {
    match bind(address) {
        Ok(()) => Holder::Nobody,
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            let reached = reachable(address);
            match spawn_blocking(move || is_one_of_ours(reached)).await {
                Ok(true) => Holder::OneOfOurs,
                _ => Holder::Stranger,
            }
        }
        Err(error) => Holder::Unusable(error),
    }
}

/// Never listens: whoever starts in this moment gets the port.
fn bind(address: SocketAddr) -> io::Result<()> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)
}

/// Who listens everywhere listens here.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}
