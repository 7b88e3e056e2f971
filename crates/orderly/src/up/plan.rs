//! What is to run, and what each process is told.

use std::{ffi::OsString, net::Ipv4Addr, path::PathBuf, time::Duration};

use anyhow::Context;
use clap::ValueEnum;
use tokio::net::TcpListener;

use super::args::UpArgs;
use crate::services::Service;

/// One process to run.
#[derive(Clone, Debug)]
pub(super) struct Process {
    pub(super) service: Service,
    /// Its name in the log, and among the instances of its service.
    pub(super) label: String,
    /// Which colour its lines have; those of one service share it.
    pub(super) colour: usize,
    /// Its port, where others must know it.
    pub(super) port: Option<u16>,
    pub(super) environment: Vec<(&'static str, OsString)>,
}

/// The decisions made before anything starts.
pub(super) struct Plan {
    instances: Vec<(Service, String)>,
    gateway_port: Option<u16>,
    sandbox_port: Option<u16>,
    books: PathBuf,
    no_proxy: String,
}

impl Plan {
    /// Fails if a port that was asked for is taken.
    pub(super) async fn new(args: &UpArgs) -> anyhow::Result<Self> {
        let data_dir = args.data_dir()?;
        std::fs::create_dir_all(&data_dir).with_context(|| {
            format!("cannot create {}; name another folder with --data-dir", data_dir.display())
        })?;
        let gateway_port = if args.wants(Service::ApiGateway) {
            Some(usable_port(args.port, "--port").await?)
        } else {
            None
        };
        let sandbox_port = if args.wants(Service::Sandbox) {
            Some(usable_port(args.sandbox_port.unwrap_or(0), "--sandbox-port").await?)
        } else {
            None
        };
        let books = data_dir.join("charges.jsonl");
        let given = std::env::var("NO_PROXY").or_else(|_| std::env::var("no_proxy"));
        let no_proxy = with_loopback(&given.unwrap_or_default());
        Ok(Self { instances: instances(args), gateway_port, sandbox_port, books, no_proxy })
    }

    /// The length of the longest name in the log.
    pub(super) fn longest_name(&self) -> usize {
        self.instances.iter().map(|(_, label)| label.len()).max().unwrap_or_default()
    }

    /// Every process to start.
    pub(super) fn processes(&self, redis_url: &str) -> Vec<Process> {
        self.instances.iter().map(|(service, label)| self.process(*service, label, redis_url)).collect()
    }

    fn process(&self, service: Service, label: &str, redis_url: &str) -> Process {
        let port = match service {
            Service::ApiGateway => self.gateway_port,
            Service::Sandbox => self.sandbox_port,
            _ => None,
        };
        let mut environment: Vec<(&'static str, OsString)> = vec![
            ("REDIS_URL", redis_url.into()),
            ("ORDERLY_INSTANCE", label.into()),
            // A port in the environment of `up` is the gateway's; everybody else takes any.
            ("PORT", port.unwrap_or(0).to_string().into()),
            ("NO_PROXY", self.no_proxy.clone().into()),
        ];
        if service == Service::Sandbox {
            environment.push(("SANDBOX_BOOKS", self.books.clone().into()));
        }
        if let (Service::PaymentWorker, Some(port)) = (service, self.sandbox_port) {
            environment.push(("PROVIDER_URL", format!("http://127.0.0.1:{port}").into()));
        }
        Process { service, label: label.into(), colour: service as usize, port, environment }
    }

    /// What a person wants to know once everything is ready.
    pub(super) fn welcome(&self, redis: &str, took: Duration) -> String {
        let mut lines =
            vec![String::new(), format!("Orderly is ready ({:.1} s).", took.as_secs_f64()), String::new()];
        if let Some(port) = self.gateway_port {
            lines.push(format!("  gateway   http://127.0.0.1:{port}"));
        }
        lines.push(format!("  redis     {redis}"));
        if let Some(port) = self.sandbox_port {
            lines.push(format!("  sandbox   http://127.0.0.1:{port}"));
        }
        if let Some(port) = self.gateway_port {
            lines.push(String::new());
            lines.push("Place an order:".into());
            lines.push(format!(
                "  curl -i http://127.0.0.1:{port}/orders -H 'Content-Type: application/json' \
                 -d '{{\"customer_id\":\"42\",\"items\":[{{\"sku\":\"BOOK-1\",\"quantity\":2}}]}}'"
            ));
        }
        lines.push(String::new());
        lines.push("Ctrl-C stops everything; the data stays.".into());
        lines.push(String::new());
        lines.join("\n")
    }
}

/// Every process that is wanted, with its name.
fn instances(args: &UpArgs) -> Vec<(Service, String)> {
    let mut services: Vec<Service> =
        Service::value_variants().iter().copied().filter(|service| args.wants(*service)).collect();
    // Who listens comes before who announces.
    services.sort_by_key(|service| *service != Service::NotificationSubscriber);
    let mut instances = Vec::new();
    for service in services {
        let name = service.name();
        match service {
            Service::PaymentWorker => {
                instances.extend((1..=args.workers).map(|n| (service, format!("{name}-{n}"))));
            }
            _ => instances.push((service, name.to_owned())),
        }
    }
    instances
}

/// A proxy that the shell names for the world outside is not to be asked for the sandbox on this machine.
fn with_loopback(no_proxy: &str) -> String {
    if no_proxy.is_empty() { "127.0.0.1".into() } else { format!("{no_proxy},127.0.0.1") }
}

/// Checks that a port can be listened on, before anything is started; 0 picks a free one.
async fn usable_port(port: u16, flag: &str) -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .with_context(|| format!("port {port} cannot be used; choose another with {flag}"))?;
    Ok(listener.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_shell_exempts_from_its_proxy_stays_exempt() {
        assert_eq!(with_loopback(""), "127.0.0.1");
        assert_eq!(with_loopback("localhost,.corp"), "localhost,.corp,127.0.0.1");
    }
}
