//! The dead letters of every group of both streams.

use common::names::groups;
use redis_kit::{
    Connection, Error,
    stream::dead_letters::{DeadLetter, DeadLetters, Filter},
};

use super::{ahead::order_id, ledger::Letter};
use crate::steadily::steadily;

/// Letters that are in memory at a time.
const PAGE: usize = 500;

/// Tells every dead letter of `group` on a stream.
pub(super) async fn read(
    redis: &Connection,
    stream: &str,
    group: &str,
    mut tell: impl FnMut(Letter),
) -> Result<(), Error> {
    let letters = DeadLetters::new(redis.clone(), stream, group);
    let (mut after, filter) = (None, Filter::default());
    loop {
        let page = steadily(Error::is_transient, || letters.list(after, PAGE, &filter)).await?;
        page.letters.iter().map(|letter| told(stream, group, letter)).for_each(&mut tell);
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
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
