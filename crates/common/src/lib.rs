//! What services share: messages, names, money, configuration, telemetry, health, shutdown.

pub mod health;
pub mod http;
pub mod problem;
pub mod process;
pub mod shutdown;
pub mod telemetry;
