//! Ports that stay free until they are used.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;

use crate::Error;

/// Below those that systems hand out by themselves, to servers that ask for any and to every connection: a port from there
/// might be anybody's between being found and being used, or while its server is being started again.
const CHOICE: Range<u16> = 20_000..30_000;

/// How many are looked at before giving up; normally nearly all are free.
const LOOKED_AT: usize = 1000;

/// A port of 127.0.0.1 that nobody listens on now, and that the system gives to nobody by itself.
///
/// # Errors
/// [`Error::Process`] if none was found.
pub fn free_port() -> Result<u16, Error> {
    let mut random = std::iter::repeat_with(|| fastrand::u16(CHOICE)).take(LOOKED_AT);
    let none = || Error::Process { action: "find a port for", source: ErrorKind::AddrNotAvailable.into() };
    random.find(|port| is_free(*port)).ok_or_else(none)
}

pub(crate) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}
