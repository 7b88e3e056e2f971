//! Every service there is, linked into this one program.

use std::{ffi::OsString, process::ExitCode};

use clap::ValueEnum;

/// A service that this program can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Service {
    ApiGateway,
    OrderPublisher,
    PaymentProducer,
    PaymentWorker,
    NotificationSubscriber,
    Sandbox,
}

impl Service {
    /// The name by which people and Redis know it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ApiGateway => api_gateway::NAME,
            Self::OrderPublisher => order_publisher::NAME,
            Self::PaymentProducer => payment_producer::NAME,
            Self::PaymentWorker => payment_worker::NAME,
            Self::NotificationSubscriber => notification_subscriber::NAME,
            Self::Sandbox => sandbox::NAME,
        }
    }

    /// Becomes the service until it ends, as its own program would.
    pub(crate) fn main(self, arguments: Vec<OsString>) -> ExitCode {
        let name = self.name();
        let args = std::iter::once(OsString::from(name)).chain(arguments);
        match self {
            Self::ApiGateway => common::process::main(name, args, api_gateway::run),
            Self::OrderPublisher => common::process::main(name, args, order_publisher::run),
            Self::PaymentProducer => common::process::main(name, args, payment_producer::run),
            Self::PaymentWorker => common::process::main(name, args, payment_worker::run),
            Self::NotificationSubscriber => common::process::main(name, args, notification_subscriber::run),
            Self::Sandbox => common::process::main(name, args, sandbox::run),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;
    use common::names::services;
    use tokio_util::sync::CancellationToken;

    use super::Service;

    /// Compiles only if what `run` returns may be spawned on any runtime.
    fn can_be_spawned<Config, Running: Future + Send>(_: impl FnOnce(Config, CancellationToken) -> Running) {}

    #[test]
    fn those_that_carry_out_what_operators_ask_for_are_all_but_the_sandbox() {
        let all = Service::value_variants().iter().map(|service| service.name());
        let mut ours: Vec<&str> = all.filter(|name| *name != sandbox::NAME).collect();
        let mut listed = services::ALL;
        ours.sort_unstable();
        listed.sort_unstable();
        assert_eq!(ours, listed);
    }

    #[test]
    fn every_service_can_be_run_inside_another_program() {
        can_be_spawned(api_gateway::run);
        can_be_spawned(order_publisher::run);
        can_be_spawned(payment_producer::run);
        can_be_spawned(payment_worker::run);
        can_be_spawned(notification_subscriber::run);
        can_be_spawned(sandbox::run);
    }
}
