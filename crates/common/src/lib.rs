//! What Orderly's services share, and nothing that only one of them needs.
//!
//! | module | holds |
//! |---|---|
//! | [`messages`] | the only types that travel between services |
//! | [`names`] | every stream, channel, group and key |
//! | [`partition`] | which partition an order belongs to |
//! | [`positions`] | a place in the journals of all partitions |
//! | [`money`] | amounts without floats |
//! | [`process`] | the body of every `main`: command line, logs, runtime, signals |
//! | [`service`] | the bootstrap of every service on Redis |
//! | [`store`] | what the Redis must be that holds orders |
//! | [`control`] | what operators ask for, and who carries it out |
//! | [`operations`] | what operators see and do, by the command and by the gateway alike |
//! | [`upkeep`] | what the owner of a stream does for it |
//! | [`http`], [`health`], [`problem`] | the HTTP server and its probes, readiness, errors over HTTP |
//! | [`probe`] | asking another service whether it is ready |
//! | [`first_written`] | values that the first service ever writes |
//! | [`heartbeat`], [`instances`] | how each instance shows itself in Redis, and how all are found |
//! | [`steadily`] | asking what may be away for a moment |
//! | [`crash`] | points at which tests let a process die |
//! | [`telemetry`], [`shutdown`] | logs and metrics; when to stop |

pub mod control;
pub mod crash;
pub mod first_written;
pub mod health;
pub mod heartbeat;
pub mod http;
pub mod instances;
pub mod messages;
pub mod money;
pub mod names;
pub mod operations;
pub mod partition;
pub mod positions;
pub mod probe;
pub mod problem;
pub mod process;
pub mod seconds;
pub mod service;
pub mod shutdown;
pub mod steadily;
pub mod store;
pub mod telemetry;
pub mod upkeep;
