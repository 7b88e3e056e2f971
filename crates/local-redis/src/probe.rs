//! Does a server answer, and is it the one that was meant?

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisResult};

/// What a starting server's port has to say.
#[derive(Debug)]
pub(crate) enum Readiness {
    /// The expected process answers and has all its data.
    Ready,
    /// Not yet, and why.
    NotYet(String),
    /// Another server has the port, so the expected one can never get it.
    Stranger,
}

/// Asks for more than a PONG: another process may have won the race for a free port, and be a Redis as well.
pub(crate) async fn readiness(port: u16, pid: Option<u32>, limit: Duration) -> Readiness {
    match info(port, limit).await {
        Err(error) => Readiness::NotYet(error.to_string()),
        Ok(info) if field(&info, "process_id") != pid.map(|pid| pid.to_string()).as_deref() => {
            Readiness::Stranger
        }
        Ok(info) if field(&info, "loading") == Some("0") => Readiness::Ready,
        Ok(_) => Readiness::NotYet("it is loading its data".to_owned()),
    }
}

async fn info(port: u16, limit: Duration) -> RedisResult<String> {
    let client = Client::open(("127.0.0.1", port))?;
    let mut connection = connect(&client, limit).await?;
    // INFO is answered while loading, PING is not.
    redis::cmd("INFO").arg("server").arg("persistence").query_async(&mut connection).await
}

pub(crate) async fn connect(client: &Client, limit: Duration) -> RedisResult<MultiplexedConnection> {
    let config =
        AsyncConnectionConfig::new().set_connection_timeout(Some(limit)).set_response_timeout(Some(limit));
    client.get_multiplexed_async_connection_with_config(&config).await
}

pub(crate) fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
}

#[cfg(test)]
mod tests {
    use super::field;

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let info = "# Persistence\r\nloading:0\r\nasync_loading:1\r\n";
        assert_eq!(field(info, "loading"), Some("0"));
        assert_eq!(field(info, "load"), None);
    }
}
