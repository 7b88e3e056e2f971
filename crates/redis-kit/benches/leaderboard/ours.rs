use redis_kit::{
    leaderboard::{BoardOptions, Leaderboard, Leaderboards, Update, Window},
    stream::StreamId,
};

use crate::{
    any, member, points,
    rig::{Rig, rate},
};

/// How many of a stream's entries are brought together.
const TOGETHER: usize = 50;

fn board(rig: &Rig, name: &str, options: &BoardOptions) -> Leaderboard {
    Leaderboards::new(&rig.redis, "").expect("a connection").board(name, options).expect("a board")
}

pub(crate) async fn fill(rig: &Rig, name: &str, options: &BoardOptions, members: usize) {
    let board = board(rig, name, options);
    for from in (0..members).step_by(500) {
        let updates = (from..members.min(from + 500))
            .map(|number| Update::new(member(number), i64::try_from(number).expect("a small number")));
        board.update(updates).await.expect("an answer");
    }
}

pub(crate) async fn update(rig: &Rig, name: &str, options: &BoardOptions, members: usize) -> f64 {
    let (board, is_best) = (board(rig, name, options), name == "best");
    rate(rig.cycles, |task, cycles| {
        let board = board.clone();
        async move {
            for n in 0..cycles {
                let update = Update::new(member(any(task, n, members)), points(is_best, n));
                board.update([update]).await.expect("an answer");
            }
        }
    })
    .await
}

/// Each task is a source of its own, and brings its entries as a consumer would that reads so many at once.
pub(crate) async fn entries(rig: &Rig, name: &str, options: &BoardOptions, members: usize) -> f64 {
    let board = board(rig, name, options);
    // Positions that were not there in the round before.
    let now = u64::try_from(jiff::Timestamp::now().as_microsecond()).expect("after 1970");
    rate(rig.cycles, |task, cycles| {
        let (board, source) = (board.clone(), format!("stream:{task}"));
        async move {
            for from in (0..cycles).step_by(TOGETHER) {
                let entries = (from..cycles.min(from + TOGETHER)).map(|n| {
                    let position = StreamId { milliseconds: now + n as u64, sequence: 0 };
                    (position, Update::new(member(any(task, n, members)), 1))
                });
                board.update_from(&source, entries.collect()).await.expect("an answer");
            }
        }
    })
    .await
}

pub(crate) async fn top(rig: &Rig, name: &str, options: &BoardOptions) -> f64 {
    let board = board(rig, name, options);
    rate(rig.cycles, |_, cycles| {
        let board = board.clone();
        async move {
            for _ in 0..cycles {
                let page = board.top(Window::AllTime.now(), 10).await.expect("an answer");
                assert_eq!(page.standings.len(), 10);
            }
        }
    })
    .await
}

pub(crate) async fn around(
    rig: &Rig,
    name: &str,
    options: &BoardOptions,
    members: usize,
    neighbours: u32,
) -> f64 {
    let board = board(rig, name, options);
    rate(rig.cycles, |task, cycles| {
        let board = board.clone();
        async move {
            for n in 0..cycles {
                let member = member(any(task, n, members));
                let found = board.around(Window::AllTime.now(), &member, neighbours).await;
                assert!(found.expect("an answer").is_some());
            }
        }
    })
    .await
}
