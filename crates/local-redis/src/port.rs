//! Ports that stay free until they are used, and whenever their server is down for a moment.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, UdpSocket};
use std::ops::Range;

use tokio::net::TcpSocket;

use crate::Error;

/// Below those that systems hand out by themselves, to servers that ask for any and to every connection: a port from there
/// might be anybody's between being found and being used, or while its server is being started again.
const CHOICE: Range<u16> = 20_000..30_000;

/// How many are looked at before giving up; normally nearly all are free.
const LOOKED_AT: usize = 1000;

/// A TCP port of 127.0.0.1 that nobody else gets in this way, for as long as the value lives: neither before a server
/// listens on it nor while that server is being started again.
///
/// What holds it is the UDP port of the same number, which no Redis uses. The system itself keeps account of those, and a
/// process that dies lets go of its own.
#[derive(Debug)]
pub struct ReservedPort {
    number: u16,
    _reservation: UdpSocket,
}

impl ReservedPort {
    /// A port that nobody listens on now, and that the system gives to nobody by itself.
    ///
    /// # Errors
    /// [`Error::Process`] if none was found.
    pub fn free() -> Result<Self, Error> {
        let mut random = std::iter::repeat_with(|| fastrand::u16(CHOICE)).take(LOOKED_AT);
        let none =
            || Error::Process { action: "find a port for", source: ErrorKind::AddrNotAvailable.into() };
        random.find_map(Self::of).ok_or_else(none)
    }

    /// This port, unless somebody has it.
    pub(crate) fn of(number: u16) -> Option<Self> {
        // First of all: two that look at one port must not both find it free, nor each see only the other's look.
        let reservation = UdpSocket::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
        is_free(number).then_some(Self { number, _reservation: reservation })
    }

    /// The port's number.
    pub fn number(&self) -> u16 {
        self.number
    }
}

/// Whether nobody has this TCP port of 127.0.0.1.
///
/// The port is bound and never listened on: a process that another thread starts has copies of all sockets of this one for
/// a moment, and a copied listener would keep the very server out that was asked for.
pub(crate) fn is_free(port: u16) -> bool {
    let bind = |socket: TcpSocket| {
        socket.set_reuseaddr(true)?;
        socket.bind((Ipv4Addr::LOCALHOST, port).into())
    };
    TcpSocket::new_v4().and_then(bind).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Durability, Server};

    #[tokio::test]
    async fn nobody_else_gets_a_servers_port_while_it_is_down() {
        let mut server = Server::ephemeral(Durability::Volatile).await.unwrap();
        server.kill().await.unwrap();
        assert!(is_free(server.port()), "nobody listens");
        assert!(ReservedPort::of(server.port()).is_none());
        server.restart().await.unwrap();
    }

    #[test]
    fn whoever_has_reserved_a_port_may_listen_and_nobody_else_gets_it() {
        let port = ReservedPort::free().unwrap();
        assert!(ReservedPort::of(port.number()).is_none());
        assert!(is_free(port.number()));
    }
}
