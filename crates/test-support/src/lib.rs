//! What Orderly's tests share.
//!
//! | to | use |
//! |---|---|
//! | wait for a condition, and say what was missing | [`eventually`] |
//! | break the connection between a client and Redis | [`FaultProxy`] |
//! | break it in one of several ways for a while | [`Cut`] |
//! | say how times are spread | [`Spread`] |
//! | compare contenders in a benchmark | [`Table`], [`median`] |
//! | have a database on a real PostgreSQL | [`postgres()`] |
//! | run one service inside the test | [`ServiceUnderTest`] |
//! | run the whole system in real processes | [`System`] |

#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a test that cannot go on panics, and says why"
)]

mod cut;
mod eventually;
mod fault_proxy;
mod postgres;
mod service;
mod spread;
mod system;
mod table;

pub use cut::Cut;
pub use eventually::eventually;
pub use fault_proxy::FaultProxy;
pub use postgres::postgres;
pub use service::{ServiceUnderTest, config};
pub use spread::Spread;
pub use system::{Options, System, is_running, send};
pub use table::{Table, median};
