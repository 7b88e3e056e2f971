use std::time::Duration;

use redis::{
    ConnectionInfo, IntoConnectionInfo, ProtocolVersion,
    io::tcp::{TcpSettings, socket2::TcpKeepalive},
};

use crate::Error;

/// Reads the addresses of a URL, at least one. All get the user, the password and the database of the first.
pub(super) fn read(url: &str) -> Result<Vec<ConnectionInfo>, Error> {
    // Several TLS providers may be linked in; rustls wants to be told which one. The first caller decides.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut parts = url.split(',');
    let first = with_our_settings(parse(parts.next().unwrap_or_default())?);
    let scheme = url.split_once("://").map_or("redis", |(scheme, _)| scheme);
    let others = parts.map(|part| {
        let whole = if part.contains("://") { part.to_owned() } else { format!("{scheme}://{part}") };
        Ok(first.clone().set_addr(parse(&whole)?.addr().clone()))
    });
    std::iter::once(Ok(first.clone())).chain(others).collect()
}

fn parse(url: &str) -> Result<ConnectionInfo, Error> {
    url.trim().into_connection_info().map_err(Error::Url)
}

fn with_our_settings(info: ConnectionInfo) -> ConnectionInfo {
    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(15));
    let tcp = TcpSettings::default().set_nodelay(true).set_keepalive(keepalive);
    info.set_redis_settings(settings).set_tcp_settings(tcp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_gets_the_login_of_the_first() {
        for url in ["redis://user:secret@a:1/2,b:2", "redis://user:secret@a:1/2,redis://b:2"] {
            let seeds = read(url).unwrap();
            assert_eq!(seeds.len(), 2);
            assert_eq!(seeds[1].addr().to_string(), "b:2");
            assert_eq!(seeds[1].redis_settings().username(), Some("user"));
            assert_eq!(seeds[1].redis_settings().db(), 2);
        }
    }

    #[test]
    fn an_address_that_is_none_is_refused_wherever_it_stands() {
        for url in ["", "localhost", "redis://a:1,", "redis://a:1,b:none"] {
            assert!(matches!(read(url), Err(Error::Url(_))), "{url}");
        }
    }
}
