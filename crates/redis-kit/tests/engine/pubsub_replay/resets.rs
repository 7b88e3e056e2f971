//! A journal that is not what it was: trimmed, or lost.

use redis_kit::{
    pubsub::{Position, ReplayEvent, Since, live},
    stream::StreamId,
};

use super::{Event, Press, Reader, STREAMS, id, kept, news};

/// As retention does it.
async fn trim(press: &Press, partition: usize, below: StreamId) {
    let (stream, below) = (STREAMS[partition], below.to_string());
    press.bench.run::<()>(&["XTRIM", stream, "MINID", &below]).await;
    press.bench.run::<()>(&["SET", &format!("{stream}:trimmed"), &below]).await;
}

fn reset(from: StreamId, to: StreamId) -> Event {
    ReplayEvent::Reset { partition: 0, from, to }
}

/// An entry that follows whatever stood before.
async fn hears_after_reset(reader: &mut Reader, prev: StreamId, n: u64) {
    let position = Position { partition: 0, prev, id: id(n) };
    assert_eq!(reader.next().await, ReplayEvent::Entry { announcement: news(n), position });
}

#[tokio::test]
async fn a_position_that_was_trimmed_beyond_is_reset_to_what_is_left() {
    let press = Press::start().await;
    press.append(0, 1..=5).await;
    trim(&press, 0, id(4)).await;
    let mut reader = press.subscribe(Since::Positions(vec![id(2)])).await;
    let to = StreamId { milliseconds: 3, sequence: u64::MAX };
    let event = reader.next().await;
    assert_eq!(event, reset(id(2), to));
    assert_eq!(event.place(), (0, to));
    hears_after_reset(&mut reader, to, 4).await;
    reader.hears(0, [5]).await;
}

#[tokio::test]
async fn a_position_up_to_which_was_trimmed_is_good() {
    let press = Press::start().await;
    press.append(0, 1..=5).await;
    // The entry at the position itself may stay or go.
    for below in [id(2), StreamId { milliseconds: 2, sequence: 1 }] {
        trim(&press, 0, below).await;
        press.subscribe(Since::Positions(vec![id(2)])).await.hears(0, 3..=5).await;
    }
    trim(&press, 0, StreamId { milliseconds: 5, sequence: 1 }).await;
    let mut reader = press.subscribe(Since::Positions(vec![id(5)])).await;
    reader.hears_nothing_but(&press, 0, 6).await;
}

#[tokio::test]
async fn a_journal_that_is_trimmed_past_a_reader_who_was_cut_off_is_a_reset() {
    let press = Press::start().await;
    let mut reader = Reader::listening(&press).await;
    press.announce(0, [1]).await;
    reader.hears(0, [1]).await;
    press.append(0, 2..=9).await;
    trim(&press, 0, id(8)).await;
    press.announce(0, [10]).await;
    let to = StreamId { milliseconds: 7, sequence: u64::MAX };
    assert_eq!(reader.next().await, reset(id(1), to));
    hears_after_reset(&mut reader, to, 8).await;
    reader.hears(0, 9..=10).await;
}

#[tokio::test]
async fn a_journal_that_somebody_trimmed_by_hand_is_a_reset_too() {
    let press = Press::start().await;
    press.append(0, 1..=5).await;
    press.bench.run::<()>(&["XTRIM", STREAMS[0], "MAXLEN", "1"]).await;
    let mut reader = press.subscribe(Since::Positions(vec![id(2)])).await;
    assert_eq!(reader.next().await, reset(id(2), id(0)));
    hears_after_reset(&mut reader, id(0), 5).await;
}

#[tokio::test]
async fn lost_data_is_told_and_what_comes_after_is_heard_from_its_start() {
    let press = Press::start().await;
    let mut reader = press.subscribe(kept()).await;
    press.announce(0, 1..=3).await;
    reader.does(0, 1..=3).await;
    press.bench.run::<()>(&["FLUSHALL"]).await;
    // As the publisher tells it that begins anew: after no entry.
    press.append(0, [7]).await;
    press.publish(&live(&news(7), Position { partition: 0, prev: id(0), id: id(7) }).unwrap()).await;
    let event = reader.next().await;
    assert_eq!(event, reset(id(3), id(0)));
    reader.0.done(&event);
    hears_after_reset(&mut reader, id(0), 7).await;
}

#[tokio::test]
async fn lost_data_is_told_to_whoever_was_away() {
    let press = Press::start().await;
    press.append(0, 1..=3).await;
    press.bench.run::<()>(&["FLUSHALL"]).await;
    let mut reader = press.subscribe(Since::Positions(vec![id(3)])).await;
    assert_eq!(reader.next().await, reset(id(3), id(0)));
    reader.hears_nothing_but(&press, 0, 1).await;
}

#[tokio::test]
async fn a_journal_that_lost_its_end_is_gone_on_with_after_what_is_left() {
    let press = Press::start().await;
    press.append(0, 1..=3).await;
    // The position was told before a failover to a replica that had not got as far.
    let mut reader = press.subscribe(Since::Positions(vec![id(5)])).await;
    assert_eq!(reader.next().await, reset(id(5), id(3)));
    reader.hears_nothing_but(&press, 0, 4).await;
}
