//! What is to run, and what each process is told.

use std::{
    ffi::OsString,
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
    time::Duration,
};

use anyhow::Context;
use api_gateway::FirstAdmin;
use clap::ValueEnum;

use super::{args::UpArgs, listening::Listening};
use crate::services::Service;

/// Where the sandbox listens: it is nobody's but this machine's.
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// One process to run.
#[derive(Clone, Debug)]
pub(super) struct Process {
    pub(super) service: Service,
    /// Its name in the log, and among the instances of its service.
    pub(super) label: String,
    /// Which colour its lines have; those of one service share it.
    pub(super) colour: usize,
    /// Where it listens, if others must know.
    pub(super) listening: Option<Listening>,
    pub(super) environment: Vec<(&'static str, OsString)>,
}

/// The decisions made before anything starts.
pub(super) struct Plan {
    instances: Vec<(Service, String)>,
    gateway: Option<Listening>,
    sandbox: Option<Listening>,
    books: PathBuf,
    /// Where the gateway keeps what it keeps in SQL.
    database_url: String,
    no_proxy: String,
}

impl Plan {
    /// Listens where others must know; fails if a port that was asked for is taken.
    pub(super) async fn new(args: &UpArgs) -> anyhow::Result<Self> {
        let data_dir = args.data_dir.folder()?;
        std::fs::create_dir_all(&data_dir).with_context(|| {
            format!("cannot create {}; name another folder with --data-dir", data_dir.display())
        })?;
        let gateway = if args.wants(Service::ApiGateway) {
            Some(Listening::on(args.listen_host, args.port, "--port").await?)
        } else {
            None
        };
        let sandbox = if args.wants(Service::Sandbox) {
            Some(Listening::on(LOOPBACK, args.sandbox_port.unwrap_or(0), "--sandbox-port").await?)
        } else {
            None
        };
        let books = data_dir.join("charges.jsonl");
        let in_a_file = || format!("sqlite:{}", data_dir.join("orderly.db").display());
        let database_url = std::env::var("DATABASE_URL").unwrap_or_else(|_| in_a_file());
        let given = std::env::var("NO_PROXY").or_else(|_| std::env::var("no_proxy"));
        let no_proxy = with_loopback(&given.unwrap_or_default());
        Ok(Self { instances: instances(args), gateway, sandbox, books, database_url, no_proxy })
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
        let listening = match service {
            Service::ApiGateway => self.gateway.clone(),
            Service::Sandbox => self.sandbox.clone(),
            _ => None,
        };
        let mut environment: Vec<(&'static str, OsString)> = vec![
            ("REDIS_URL", redis_url.into()),
            ("ORDERLY_INSTANCE", label.into()),
            // A port in the environment of `up` is the gateway's, which is given a socket; everybody else takes any.
            ("PORT", "0".into()),
            ("NO_PROXY", self.no_proxy.clone().into()),
        ];
        if service == Service::Sandbox {
            environment.push(("SANDBOX_BOOKS", self.books.clone().into()));
        }
        if let Some(sandbox) = self.sandbox_url() {
            match service {
                Service::PaymentWorker => environment.push(("PROVIDER_URL", sandbox.into())),
                Service::ApiGateway => environment.push(("USER_API_URL", sandbox.into())),
                _ => {}
            }
        }
        if service == Service::ApiGateway {
            environment.push(("DATABASE_URL", self.database_url.clone().into()));
            // Everybody who tries it out comes from this one machine.
            for limit in ["REQUESTS_PER_MINUTE", "GUEST_ORDERS_PER_MINUTE"] {
                let told = std::env::var_os(limit).unwrap_or_else(|| "0".into());
                environment.push((limit, told));
            }
        }
        Process { service, label: label.into(), colour: service as usize, listening, environment }
    }

    /// Where the sandbox is, if it is to run.
    pub(super) fn sandbox_url(&self) -> Option<String> {
        self.sandbox.as_ref().map(|sandbox| format!("http://{}", sandbox.address))
    }

    /// Makes an admin if there is none, and if the gateway is to run.
    pub(super) async fn first_admin(&self) -> anyhow::Result<Option<FirstAdmin>> {
        if self.gateway.is_none() {
            return Ok(None);
        }
        let email = std::env::var("ADMIN_EMAIL").unwrap_or_else(|_| api_gateway::DEFAULT_ADMIN.into());
        api_gateway::first_admin(&self.database_url, &email).await
    }

    /// What a person wants to know once everything is ready. The password is told nowhere else, and never again.
    pub(super) fn welcome(&self, redis: &str, admin: Option<&FirstAdmin>, took: Duration) -> String {
        let mut lines =
            vec![String::new(), format!("Orderly is ready ({:.1} s).", took.as_secs_f64()), String::new()];
        if let Some(gateway) = &self.gateway {
            lines.push(format!("  gateway   http://{}", gateway.address));
            lines.push(format!("  API       http://{}/docs", gateway.address));
        }
        lines.push(format!("  redis     {redis}"));
        if let Some(sandbox) = self.sandbox_url() {
            lines.push(format!("  sandbox   {sandbox}"));
        }
        if let Some(FirstAdmin { email, password }) = admin {
            lines.push(format!("  admin     {email}, password {password} (told only now)"));
        }
        if let Some(gateway) = &self.gateway {
            lines.push(String::new());
            lines.push("Place an order:".into());
            lines.push(format!(
                "  curl -i http://{}/orders -H 'Content-Type: application/json' \
                 -d '{{\"customer_id\":\"42\",\"items\":[{{\"sku\":\"BOOK-1\",\"quantity\":2}}]}}'",
                gateway.address
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_shell_exempts_from_its_proxy_stays_exempt() {
        assert_eq!(with_loopback(""), "127.0.0.1");
        assert_eq!(with_loopback("localhost,.corp"), "localhost,.corp,127.0.0.1");
    }
}
