//! The `orderly` command. `orderly up` runs the whole system on this machine, each service as a process of its own;
//! `orderly load` places orders at it, and `orderly verify` tells whether nothing was lost or charged twice.

mod audit;
mod awaited;
mod books;
mod chaos;
mod command;
mod completions;
mod control;
mod data_dir;
mod dlq;
mod doctor;
mod groups;
mod http;
mod installation;
mod load;
mod moment;
mod payments;
mod printable;
mod report;
mod services;
mod signals;
mod tail;
mod up;
mod verify;

use std::{ffi::OsString, process::ExitCode};

use clap::{Parser, Subcommand};

use services::Service;

#[derive(Parser)]
#[command(version, about = "Takes orders, charges each exactly once, and tells everyone who listens")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the whole system on this machine: Redis, every service, and a sandbox that plays the outside world
    Up(up::UpArgs),
    /// See and settle what became of payments
    #[command(subcommand)]
    Payments(payments::PaymentsCommand),
    /// See what the consumer groups have given up, and replay or drop it
    #[command(subcommand)]
    Dlq(dlq::DlqCommand),
    /// See how the consumer groups are doing, and pause and resume them
    #[command(subcommand)]
    Groups(groups::GroupsCommand),
    /// Break something on purpose where `orderly up` runs the system, and see that nothing is lost
    #[command(subcommand)]
    Chaos(chaos::ChaosCommand),
    /// Tell who asked the services for what, when and why, and what came of it; the newest first
    ///
    /// Exit code 0: it is told. 1: Redis cannot be asked.
    Audit(audit::AuditArgs),
    /// Check what clients were promised, the journal and the provider's books against each other; the system may run
    ///
    /// Exit code 0: all agrees. 1: something does not; what, and of which order, is printed. 2: that could not be found out,
    /// as when Redis or the provider cannot be reached.
    ///
    /// Orders that are still in flight are no disagreement, unless --settled. Dead letters are one: they wait for somebody
    /// to replay or drop them.
    Verify(verify::VerifyArgs),
    /// Place orders at a running system, and check that each that was accepted comes to an end, once
    ///
    /// Exit code 0: each came to an end, once. 1: something was lost or doubled; how many, and which orders, is printed. 2: that
    /// could not be found out: the gateway or Redis cannot be reached, or no order was accepted.
    ///
    /// Ctrl-C stops placing orders, waits for the outcomes of those that were accepted, and tells the verdict all the same; a
    /// second one ends it at once. Answers other than 201 are counted and told, and no disagreement;
    /// latencies are those of accepted orders.
    Load(load::LoadArgs),
    /// Say what is wrong with an installation, and what to do about it
    ///
    /// Looks at ports of this machine, at each server of the Redis (version, persistence, memory, scripts, permissions, clock,
    /// latency), and at what it holds: services that do not run or are not ready, groups that are missing, paused or late, dead letters,
    /// parked payments, old entries that do not go. Where Redis cannot be reached it looks at what `up` needs of this
    /// machine. It changes nothing, and each finding says what to do.
    ///
    /// Exit code 0: no problem; there may be warnings. 1: at least one problem. 2: no problem was found, but something could not be
    /// found out, such as what this user may not ask.
    Doctor(doctor::DoctorArgs),
    /// Tell what happens to orders, as it happens
    ///
    /// Events of one order come in the order in which they happened, those of different orders side by side. When Redis was
    /// away it goes on where it was, and tells what happened meanwhile. Where entries are gone that it would have told, it
    /// says so.
    ///
    /// Exit code 0: ended by Ctrl-C, or because nobody reads it any more. 1: it could not begin.
    Tail(tail::TailArgs),
    /// Print what makes a shell complete this command's words
    ///
    /// For bash: `orderly completions bash > ~/.local/share/bash-completion/completions/orderly`. For zsh: into a file `_orderly` in a
    /// folder of `$fpath`. For fish: `orderly completions fish > ~/.config/fish/completions/orderly.fish`.
    Completions(completions::CompletionsArgs),
    /// Run one service as this process; `up` starts its services so. See `orderly service NAME --help`
    #[command(disable_help_flag = true)]
    Service {
        /// Which one
        name: Service,
        /// What the service itself is told
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
        arguments: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Up(args) => up::main(&args),
        Command::Payments(command) => payments::main(&command),
        Command::Dlq(command) => dlq::main(&command),
        Command::Groups(command) => groups::main(&command),
        Command::Chaos(command) => chaos::main(&command),
        Command::Audit(args) => audit::main(&args),
        Command::Verify(args) => verify::main(&args),
        Command::Load(args) => load::main(&args),
        Command::Doctor(args) => doctor::main(&args),
        Command::Tail(args) => tail::main(&args),
        Command::Completions(args) => completions::main(&args),
        Command::Service { name, arguments } => name.main(arguments),
    }
}
