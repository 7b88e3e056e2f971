//! Which address a request comes from, when proxies stand in between.
//!
//! Anybody can write a forwarding header, so it counts only as far as it was written by proxies that are trusted. Each
//! appends the address it was called from. Read from the end, the first that is no trusted proxy is the client; what
//! stands before it is the client's own claim.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, header::FORWARDED, request::Parts},
};
use clap::{Args, ValueEnum};
use common::problem::Problem;
use ipnet::{IpNet, Ipv6Net};

use crate::error::internal;

/// Which proxies stand in front of the gateway.
#[derive(Args, Clone, Debug)]
pub(crate) struct ProxyArgs {
    /// The proxies whose word counts about where a request comes from: addresses and networks, such as 10.0.0.0/8
    #[arg(long, env = "TRUSTED_PROXIES", value_name = "NETWORK", value_delimiter = ',', value_parser = network)]
    trusted_proxies: Vec<IpNet>,
    /// The header in which they say it. The other is not looked at: a proxy passes on what it does not know
    #[arg(long, env = "FORWARDED_HEADER", value_enum, default_value_t = ForwardedHeader::XForwardedFor)]
    forwarded_header: ForwardedHeader,
}

/// Where proxies say whom they were called by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ForwardedHeader {
    /// A list of addresses
    XForwardedFor,
    /// RFC 7239
    Forwarded,
}

fn network(text: &str) -> Result<IpNet, String> {
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse().or_else(|_| address()).map_err(|_| "neither an address nor a network".into())
}

impl ProxyArgs {
    /// Nobody is trusted.
    #[cfg(test)]
    pub(super) fn none() -> Self {
        Self { trusted_proxies: Vec::new(), forwarded_header: ForwardedHeader::XForwardedFor }
    }

    /// The client's address, given that of whoever holds the connection.
    pub(super) fn client_of(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let (mut client, steps) = (plain(peer), self.steps(headers));
        for step in steps.iter().rev() {
            if !self.is_trusted(client) {
                break;
            }
            // A proxy may hide what is behind it (`unknown`, `_secret`). Then it is as far as can be seen.
            let Some(before) = step else { break };
            client = plain(*before);
        }
        client
    }

    fn is_trusted(&self, address: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(&address))
    }

    /// The addresses that were passed on, oldest first.
    fn steps(&self, headers: &HeaderMap) -> Vec<Option<IpAddr>> {
        if self.trusted_proxies.is_empty() {
            return Vec::new();
        }
        let (name, read): (_, fn(&str) -> Option<IpAddr>) = match self.forwarded_header {
            ForwardedHeader::XForwardedFor => (HeaderName::from_static("x-forwarded-for"), node),
            ForwardedHeader::Forwarded => (FORWARDED, forwarded_for),
        };
        let lines = headers.get_all(name);
        let lines = lines.iter().map(|line| line.to_str().unwrap_or_default());
        lines.flat_map(|line| line.split(',')).map(|step| read(step.trim())).collect()
    }
}

/// The address in one element of `Forwarded`: `for=192.0.2.43;proto=https`, or `for="[2001:db8::1]:4711"`. No address
/// holds a comma or a semicolon, so an element that is cut at one inside quotes holds none.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
    let value = value.trim();
    node(value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value))
}

/// An address, with a port or without.
fn node(text: &str) -> Option<IpAddr> {
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::from);
    let with_port = || text.parse::<SocketAddr>().ok().map(|socket| socket.ip());
    text.parse().ok().or_else(bracketed).or_else(with_port)
}

/// IPv4 inside IPv6 is IPv4.
fn plain(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// The client's address, as far as it can be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClientAddress(pub(crate) IpAddr);

impl ClientAddress {
    /// That of whoever sent these headers over a connection of `peer`; in tests there is none.
    pub(super) fn of(peer: Option<IpAddr>, headers: &HeaderMap, proxies: &ProxyArgs) -> Self {
        Self(proxies.client_of(peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), headers))
    }
}

impl<S: Sync> FromRequestParts<S> for ClientAddress {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get().copied().ok_or_else(internal)
    }
}

impl ClientAddress {
    /// Who that is, for limits.
    pub(crate) fn household(self) -> String {
        household(self.0)
    }
}

/// Who an address is, for limits: a household or a company has a whole /64 of IPv6 at the least, and can call from a new
/// address every time.
fn household(address: IpAddr) -> String {
    const PREFIX: u8 = 64;
    match plain(address) {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => Ipv6Net::new_assert(address, PREFIX).trunc().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use proptest::prelude::*;

    use super::*;

    #[derive(Parser)]
    struct CommandLine {
        #[command(flatten)]
        proxies: ProxyArgs,
    }

    fn proxies(flags: &str) -> ProxyArgs {
        CommandLine::parse_from(["gateway"].into_iter().chain(flags.split_whitespace())).proxies
    }

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    fn client(flags: &str, peer: &str, lines: &[(&'static str, &str)]) -> String {
        proxies(flags).client_of(peer.parse().unwrap(), &headers(lines)).to_string()
    }

    const TRUSTED: &str = "--trusted-proxies 10.0.0.0/8,2001:db8::/32";

    #[test]
    fn nobody_is_believed_unless_trusted() {
        let lines = [("x-forwarded-for", "192.0.2.1"), ("forwarded", "for=192.0.2.1")];
        assert_eq!(client("", "10.0.0.1", &lines), "10.0.0.1");
        assert_eq!(client(TRUSTED, "203.0.113.9", &lines), "203.0.113.9");
    }

    #[test]
    fn the_client_is_the_last_that_is_no_trusted_proxy() {
        for (said, client_is) in [
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.1, 10.1.1.1", "192.0.2.1"),
            // What stands before the client is its own invention.
            ("198.51.100.7, 192.0.2.1, 10.1.1.1", "192.0.2.1"),
            ("10.9.9.9", "10.9.9.9"),
            ("192.0.2.1:5000", "192.0.2.1"),
            ("2001:db8:1::1, 2a00::1", "2a00::1"),
            ("[2a00::1]:443", "2a00::1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            // What is no address hides all before it.
            ("192.0.2.1, garbage", "10.0.0.1"),
            ("192.0.2.1, garbage, 10.1.1.1", "10.1.1.1"),
            ("", "10.0.0.1"),
        ] {
            assert_eq!(client(TRUSTED, "10.0.0.1", &[("x-forwarded-for", said)]), client_is, "{said}");
        }
    }

    #[test]
    fn several_lines_are_one_list() {
        let lines = [("x-forwarded-for", "192.0.2.1"), ("x-forwarded-for", "192.0.2.2")];
        assert_eq!(client(TRUSTED, "10.0.0.1", &lines), "192.0.2.2");
    }

    #[test]
    fn a_header_that_the_proxy_does_not_write_is_not_looked_at() {
        let lines = [("x-forwarded-for", "192.0.2.1"), ("forwarded", "for=192.0.2.2")];
        assert_eq!(client(TRUSTED, "10.0.0.1", &lines), "192.0.2.1");
        let other = format!("{TRUSTED} --forwarded-header forwarded");
        assert_eq!(client(&other, "10.0.0.1", &lines), "192.0.2.2");
    }

    #[test]
    fn forwarded_is_read_as_its_rfc_says() {
        let flags = format!("{TRUSTED} --forwarded-header forwarded");
        for (said, client_is) in [
            ("for=192.0.2.43", "192.0.2.43"),
            ("by=10.0.0.1; For=\"192.0.2.43:47011\";proto=http", "192.0.2.43"),
            ("for=\"[2a00::7]:4711\"", "2a00::7"),
            ("for=192.0.2.43, for=198.51.100.17", "198.51.100.17"),
            ("for=unknown", "10.0.0.1"),
            ("for=_hidden, for=\"_SEVKISEK\"", "10.0.0.1"),
            ("proto=http", "10.0.0.1"),
        ] {
            assert_eq!(client(&flags, "10.0.0.1", &[("forwarded", said)]), client_is, "{said}");
        }
    }

    #[test]
    fn a_household_is_a_network_in_ipv6() {
        let household = |text: &str| household(text.parse().unwrap());
        assert_eq!(household("192.0.2.1"), "192.0.2.1");
        assert_eq!(household("::ffff:192.0.2.1"), "192.0.2.1");
        assert_eq!(household("2001:db8:1:2:3:4:5:6"), household("2001:db8:1:2::1"));
        assert_ne!(household("2001:db8:1:2::1"), household("2001:db8:1:3::1"));
    }

    proptest! {
        #[test]
        fn whatever_is_claimed_does_not_change_what_a_proxy_appends(claim in "[ -~]{0,60}") {
            let said = format!("{claim}, 192.0.2.1");
            prop_assert_eq!(client(TRUSTED, "10.0.0.1", &[("x-forwarded-for", &said)]), "192.0.2.1");
        }
    }
}
