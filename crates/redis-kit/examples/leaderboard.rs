//! A game: the best of each player, of the day and of all time; who came first among equals; somebody's neighbours; and which
//! levels are popular now.
//!
//! ```sh
//! cargo run -p redis-kit --example leaderboard
//! ```
//!
//! It runs on the Redis that `REDIS_URL` names, or else on a private one.

use std::{error::Error, time::Duration};

use jiff::{SignedDuration, Timestamp};
use local_redis::{Durability, Server};
use redis_kit::{
    Redis,
    leaderboard::{BoardOptions, Leaderboards, Standing, Ties, TrendingOptions, Update, Window},
};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Result<()> {
    if let Ok(url) = std::env::var("REDIS_URL") {
        demonstrate(&Redis::open(&url)?).await?;
    } else {
        let server = Server::ephemeral(Durability::Volatile).await?;
        demonstrate(&Redis::open(&server.url())?).await?;
    }
    Ok(())
}

/// What the players are told, a line each.
pub(crate) async fn demonstrate(redis: &Redis) -> Result<Vec<String>> {
    let boards = Leaderboards::new(redis, "game:")?;
    let options = BoardOptions {
        windows: vec![Window::Day, Window::AllTime],
        // Scores up to a hundred million, and times to the hour, fit in what Redis sorts by.
        scores: 0..=100_000_000,
        ties: Ties::FirstToReach { resolution: Duration::from_hours(1) },
        ..BoardOptions::default()
    };
    let game = boards.board("game", &options)?;
    let now = Timestamp::now();
    let yesterday = now - SignedDuration::from_hours(24);
    let mut told = Vec::new();

    game.update([
        Update::new("player3", 2200).at(yesterday).with_metadata("Grace"),
        Update::new("player1", 1500).at(now).with_metadata("Ada"),
        Update::new("player2", 2200).at(now).with_metadata("Alan"),
        Update::new("player4", 900).at(now).with_metadata("Edsger"),
        // Not the best of player1.
        Update::new("player1", 700).at(now),
    ])
    .await?;

    for (name, period) in [("today", Window::Day.at(now)), ("all time", Window::AllTime.at(now))] {
        for standing in game.top(period, 3).await?.standings {
            told.push(format!("{name}: {}", line(&standing)));
        }
    }
    if let Some(found) = game.around(Window::AllTime.at(now), "player1", 1).await? {
        let names =
            |some: &[Standing]| some.iter().map(|one| one.member.clone()).collect::<Vec<_>>().join(", ");
        let (above, below) = (names(&found.above), names(&found.below));
        told.push(format!("player1 stands behind {above} and before {below}, of {} in all", found.members));
    }

    let levels = boards.trending("levels", &TrendingOptions::default())?;
    levels.update([Update::new("cave", 30).at(yesterday), Update::new("tower", 20).at(now)]).await?;
    let trending = levels.top(2).await?.standings;
    let weights: Vec<_> = trending.iter().map(|one| format!("{} {:.0}", one.member, one.score)).collect();
    told.push(format!("levels by now: {}", weights.join(", ")));

    for line in &told {
        println!("{line}");
    }
    Ok(told)
}

fn line(standing: &Standing) -> String {
    let Standing { rank, member, score, metadata, .. } = standing;
    format!("{rank}. {member} ({}) {score}", metadata.as_deref().unwrap_or("?"))
}
