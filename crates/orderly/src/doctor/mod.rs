//! `orderly doctor`: what is wrong with an installation, and what to do about it.
//!
//! | what is looked at | file |
//! |---|---|
//! | ports that the system takes by default | `ports.rs` |
//! | what `up` needs of this machine, where there is no Redis | `machine.rs` |
//! | which server it is, and whether it serves | `server.rs`, of each `node.rs` |
//! | whether it keeps what it confirmed, and has room | `persistence.rs`, `memory.rs` |
//! | whether it runs our scripts, and lets us | `scripts.rs` |
//! | how far away it is, in two senses | `clock.rs`, `latency.rs` |
//! | which instances live | `readiness.rs` |
//! | whether each group has somebody, and gets on | `groups.rs` |
//! | what waits for a person | `by_hand.rs` |
//! | whether old entries go | `retention.rs` |
//!
//! Each makes findings (`finding.rs`), which `report.rs` prints. Nothing is changed by looking.

mod by_hand;
mod clock;
mod finding;
mod groups;
mod latency;
mod machine;
mod memory;
mod node;
mod persistence;
mod ports;
mod readiness;
mod report;
mod retention;
mod scripts;
mod server;

use std::{
    net::{IpAddr, Ipv4Addr},
    process::ExitCode,
};

use common::{
    instances::{Instance, instances},
    names::{Names, services},
    operations::groups::all as all_groups,
    service::InstallationArgs,
    store::Durability,
    upkeep::RetentionArgs,
};
use redis_kit::Redis;

use crate::{
    data_dir::DataDirArgs,
    installation::Installation,
    report::{in_words, print, tell_unknown},
};
use finding::Finding;
use node::Node;
use report::Report;

/// What `orderly doctor` is told.
#[derive(clap::Args)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    installation: InstallationArgs,
    /// The gateway's port
    #[arg(long, env = "PORT", default_value_t = api_gateway::DEFAULT_PORT)]
    port: u16,
    /// The address that the gateway listens on
    #[arg(long, env = "LISTEN_HOST", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), value_name = "ADDRESS")]
    listen_host: IpAddr,
    /// The port of a sandbox that is run by itself
    #[arg(long, default_value_t = sandbox::DEFAULT_PORT, value_name = "PORT")]
    sandbox_port: u16,
    /// What the gateway promises, as it is told
    #[arg(long, env = "DURABILITY", value_enum, default_value_t = Durability::Always)]
    durability: Durability,
    #[command(flatten)]
    retention: RetentionArgs,
    #[command(flatten)]
    data_dir: DataDirArgs,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs `orderly doctor`. The exit code is 0 if there is no problem, 1 if there is one, 2 if that could not be told.
pub(crate) fn main(args: &DoctorArgs) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let report = runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(examine(args)));
    let printed = report.and_then(|report| {
        print(&if args.json { report.json()? } else { report.to_string() })?;
        Ok(report.exit_code())
    });
    printed.unwrap_or_else(|error| tell_unknown("doctor", &in_words(&error), args.json))
}

async fn examine(args: &DoctorArgs) -> anyhow::Result<Report> {
    let server = Redis::open(&args.installation.redis_url)?;
    let (mut findings, instances) = match server.nodes().await {
        Ok(nodes) => examine_redis(&server, &nodes, args).await,
        Err(error) => {
            let mut findings = vec![server::unreachable(&server.address(), &error, args)];
            findings.extend(machine::examine(args).await);
            (findings, Vec::new())
        }
    };
    findings.extend(ports::examine(args, &instances).await);
    Ok(Report::new(findings))
}

async fn examine_redis(server: &Redis, nodes: &[Redis], args: &DoctorArgs) -> (Vec<Finding>, Vec<Instance>) {
    let names = Names::new(&args.installation.key_prefix);
    let mut findings = vec![server::reached(&server.address(), nodes.len())];
    let scheme = args.installation.redis_url.split("://").next().unwrap_or_default();
    for node in nodes {
        let of_node = match Node::look(node, scheme).await {
            Ok(mut node) => examine_node(&mut node, &names, args).await,
            Err(error) => vec![server::silent(&error)],
        };
        let at = |finding: Finding| if nodes.len() > 1 { finding.at(&node.address()) } else { finding };
        findings.extend(of_node.into_iter().map(at));
    }
    let (seen, instances) = examine_installation(server, names, args)
        .await
        .unwrap_or_else(|error| (vec![cannot_ask(&error)], Vec::new()));
    findings.extend(seen);
    (findings, instances)
}

/// What one server is by itself.
async fn examine_node(node: &mut Node, names: &Names, args: &DoctorArgs) -> Vec<Finding> {
    let mut findings = server::examine(node).await;
    findings.extend(persistence::examine(node, args.durability).await);
    findings.extend(memory::examine(node));
    findings.extend(scripts::examine(node, names).await);
    findings.extend(clock::examine(node).await);
    findings.extend(latency::examine(node).await);
    findings
}

/// What the servers hold, and who works on it.
async fn examine_installation(
    server: &Redis,
    names: Names,
    args: &DoctorArgs,
) -> anyhow::Result<(Vec<Finding>, Vec<Instance>)> {
    let Some(installation) = Installation::on(server.clone(), server.commands()?, names).await? else {
        return Ok((vec![nothing_there(&server.address())], Vec::new()));
    };
    let seen = format!("its data is in {} partitions", installation.partitions.count());
    let mut findings = vec![Finding::ok("installation", seen)];
    let mut instances = instances(&installation.redis, &installation.names).await?;
    // A system need not have a supervisor.
    instances.retain(|instance| services::ALL.contains(&&*instance.service));
    findings.extend(readiness::examine(&instances).await);
    let rows = all_groups(&installation).await?;
    findings.extend(groups::examine(&rows, &instances, &installation).await?);
    findings.extend(by_hand::examine(&rows, &installation).await?);
    findings.extend(retention::examine(&installation, &args.retention).await?);
    Ok((findings, instances))
}

fn nothing_there(address: &str) -> Finding {
    Finding::warning(
        "installation",
        format!("Redis at {address} holds no installation of this name"),
        "start the system once (orderly up), or name another with --redis-url or --key-prefix",
    )
}

fn cannot_ask(error: &anyhow::Error) -> Finding {
    Finding::unknown(
        "installation",
        format!("cannot ask what there is: {}", in_words(error)),
        "mend what else is found here, and ask again; a user who may not read (NOPERM) needs +@read +@scripting and its keys",
    )
}
