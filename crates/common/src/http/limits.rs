//! How much a client may take.

use std::time::Duration;

use clap::{Args, value_parser};

use crate::seconds::seconds;

/// How much a service lets its HTTP clients take.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// Connections at a time; lowered to what the system's limit on open files allows
    #[arg(long, env = "HTTP_MAX_CONNECTIONS", default_value = "10000", value_name = "COUNT")]
    pub max_connections: u32,
    /// Bytes of a request's head, its first line included
    #[arg(long, env = "HTTP_MAX_HEADER_BYTES", default_value = "16384", value_name = "BYTES", value_parser = value_parser!(u32).range(1024..=65_536))]
    pub max_header_bytes: u32,
    /// Seconds in which the head of a request must have come, counted from when the connection is free for it; so a
    /// kept connection is closed after as long
    #[arg(long, env = "HTTP_HEADER_TIMEOUT", default_value = "30", value_name = "SECONDS", value_parser = seconds)]
    pub header_timeout: Duration,
    /// Seconds from a request's head until its body must have come whole and its answer have begun
    #[arg(long, env = "HTTP_REQUEST_TIMEOUT", default_value = "30", value_name = "SECONDS", value_parser = seconds)]
    pub request_timeout: Duration,
    /// Seconds for which a client may read nothing of its answer
    #[arg(long, env = "HTTP_WRITE_TIMEOUT", default_value = "30", value_name = "SECONDS", value_parser = seconds)]
    pub write_timeout: Duration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            max_header_bytes: 16 * 1024,
            header_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct CommandLine {
        #[command(flatten)]
        limits: HttpLimits,
    }

    #[test]
    fn the_limits_of_an_empty_command_line_are_the_default_ones() {
        assert_eq!(CommandLine::parse_from(["service"]).limits, HttpLimits::default());
    }

    #[test]
    fn limits_that_nothing_could_keep_are_refused() {
        for refused in ["--max-header-bytes=100", "--header-timeout=0", "--request-timeout=never"] {
            assert!(CommandLine::try_parse_from(["service", refused]).is_err(), "{refused}");
        }
    }
}
