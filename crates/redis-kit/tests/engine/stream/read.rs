//! Looking back over a stream.

use redis_kit::stream::{Slot, StreamId, read_at, read_before};

use crate::harness::{Bench, Job, STREAM, id};

async fn before(bench: &Bench, position: Option<StreamId>, count: usize) -> Vec<Slot<Job>> {
    read_before(&mut bench.commands(), STREAM, position, count).await.unwrap()
}

fn ids(slots: &[Slot<Job>]) -> Vec<String> {
    slots.iter().map(|slot| slot.id().to_string()).collect()
}

#[tokio::test]
async fn what_stands_before_a_place_is_told_newest_first_and_page_by_page() {
    let bench = Bench::start().await;
    assert_eq!(before(&bench, None, 10).await.len(), 0);
    for entry in ["1-0", "1-1", "2-0", "3-0"] {
        bench.run::<String>(&["XADD", STREAM, entry, "type", "job.unknown"]).await;
    }
    let newest = before(&bench, None, 3).await;
    assert_eq!(ids(&newest), ["3-0", "2-0", "1-1"]);
    assert!(newest.iter().all(|slot| matches!(slot, Slot::Undecodable { .. })), "{newest:?}");
    let last = newest.last().map(Slot::id);
    assert_eq!(ids(&before(&bench, last, 3).await), ["1-0"]);
    assert_eq!(before(&bench, Some(id("1-0")), 3).await.len(), 0);
}

#[tokio::test]
async fn one_entry_is_read_where_it_stands_and_nowhere_else() {
    let bench = Bench::start().await;
    let stood = id(&bench.want(&["a"]).await[0]);
    let at = async |place| read_at::<Job>(&mut bench.commands(), STREAM, place).await.unwrap();
    let Some(Slot::Entry(entry)) = at(stood).await else { panic!("it is not there") };
    assert_eq!((entry.id, entry.message.name()), (stood, "a"));
    for place in [StreamId::ZERO, StreamId { sequence: stood.sequence + 1, ..stood }] {
        assert!(at(place).await.is_none());
    }
}
