//! The HTTP side that every service has, made for clients that are slow, broken or hostile.
//!
//! | to follow | open |
//! |---|---|
//! | where a service listens | `listen.rs` |
//! | connections that come, are too many, and are drained | `serve.rs` |
//! | one connection | `connection.rs`, and the bytes beneath it `client_stream.rs` |
//! | one request and its answer | `answer.rs`, counted in `answered.rs`, and the timer of both `lazy_timer.rs` |
//! | how much a client may take | `limits.rs`, `descriptors.rs` |
//! | `/livez`, `/readyz`, `/metrics` | `probes.rs` |
//!
//! # What happens → what then
//!
//! | what happens | what then |
//! |---|---|
//! | a head that does not come whole in time, a kept connection on which nothing comes | closed without a word: nothing was asked |
//! | a head that is no HTTP, or too large | 400 or 431 and closed. hyper answers by itself, so there is no problem document |
//! | a body that does not come whole in time | 408 and closed; the handler is dropped |
//! | a handler that does not answer in time | 503; the handler is dropped where it waits, so what it did is unknown |
//! | a body that the handler does not want | its answer is sent, and read before the connection goes: a second of what still comes is thrown away |
//! | a client that does not read its answer | closed when nothing could be sent for the time allowed |
//! | a client that closes its side while it waits | it is taken for gone: its handler is dropped, and the connection closed |
//! | more connections than allowed | 503 with `Retry-After`, and closed; beyond [`REFUSALS`] of these at a time, closed at once |
//! | no descriptors left | the connection waits in the backlog until there are some |
//! | the shutdown | see [`serve`] |
//!
//! # What it does not do
//!
//! - A client that reads a byte now and then keeps its connection for as long as its answer lasts, and so does every
//!   listener of an event stream. Both count among the connections allowed.
//! - Connections are not counted by address: behind a balancer all of them come from one. Whoever takes all that are
//!   allowed keeps others out, probes included, for as long as the limits let him.
//! - There is no TLS and no HTTP/2: both are the balancer's.

mod answer;
mod answered;
mod client_stream;
mod connection;
mod descriptors;
mod lazy_timer;
mod limits;
mod listen;
mod probes;
mod serve;

pub use limits::HttpLimits;
pub use listen::HttpArgs;
pub use probes::{Mount, routes, unknown_route};
pub use serve::{REFUSALS, serve, serve_over};
