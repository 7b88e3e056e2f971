//! Reading dead letters.

use redis_kit::{
    Connection, Error,
    stream::dead_letters::{DeadLetter, DeadLetters, Filter},
};

use crate::steadily::steadily;

/// Letters that are in memory at a time.
const PAGE: usize = 500;

/// Tells every dead letter of `group` on a stream that fits, oldest first.
pub(crate) async fn each(
    redis: &Connection,
    stream: &str,
    group: &str,
    filter: &Filter,
    mut tell: impl FnMut(&DeadLetter),
) -> Result<(), Error> {
    let letters = DeadLetters::new(redis.clone(), stream, group);
    let mut after = None;
    loop {
        let page = steadily(Error::is_transient, || letters.list(after, PAGE, filter)).await?;
        page.letters.iter().for_each(&mut tell);
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}
