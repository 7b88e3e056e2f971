//! The dead letters of every group of both streams.

use common::{names::groups, operations::letters::each_of};
use jiff::Timestamp;
use redis_kit::{
    Connection, Error,
    stream::dead_letters::{DeadLetter, Filter},
};

use super::{ahead::order_id, ledger::Letter};
/// Tells every dead letter of `group` on a stream, or those that were given up `since`.
pub(super) async fn read(
    redis: &Connection,
    stream: &str,
    group: &str,
    since: Option<Timestamp>,
    mut tell: impl FnMut(Letter),
) -> Result<(), Error> {
    let tell = |letter: &DeadLetter| tell(told(stream, group, letter));
    each_of(redis, stream, group, &Filter { since, ..Filter::default() }, tell).await
}

fn told(stream: &str, group: &str, letter: &DeadLetter) -> Letter {
    let message_type = letter.message_type().unwrap_or("something without a type");
    let brings_outcome = matches!(
        (group, message_type),
        (groups::PAYMENT_PRODUCER, "order.placed") | (groups::PAYMENT_WORKERS, "payment.requested")
    );
    Letter {
        order_id: letter.text("data").and_then(order_id),
        brings_outcome,
        text: format!(
            "{group} gave up {message_type} (letter {} beside {stream}): {}",
            letter.id, letter.reason
        ),
    }
}
