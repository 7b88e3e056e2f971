//! The only types that travel between services. A stream's entries are one enum; every field that a newer writer adds is
//! ignored by older readers.

mod announcement;
mod control;
mod hop;
mod order;
mod payment;
mod receipt;

pub use announcement::Announcement;
pub use control::{Action, ControlEvent, LetterFilter};
pub use hop::{Taken, Tried};
pub use order::{LineItem, OrderEvent, OrderId};
pub use payment::{ParkedPayment, PaymentId, PaymentTask, Resolution, Verdict};
pub use receipt::Receipt;
