//! Leaderboards: members ranked by their scores, in one ranking or in several side by side (of the hour, the day, the week and
//! all time), and what is trending.
//!
//! | to | use | it promises |
//! |---|---|---|
//! | bring points | [`Leaderboard::update`] | the best, the last or the sum, in all rankings at once; nobody's points are lost to a race |
//! | bring what follows from a stream | [`Leaderboard::update_from`] | each entry counts once, however often it comes |
//! | show the first | [`Leaderboard::top`], [`Leaderboard::page`] | ranks, scores, metadata and the number of members of one moment, in one round trip |
//! | show somebody's place | [`Leaderboard::standing`], [`Leaderboard::around`] | the same of a member and its neighbours |
//! | decide ties | [`Ties`] | by who came first, or a shared rank, with gaps behind it or without |
//! | rank by the hour, the day, the week | [`Window`] | rankings that end and expire by themselves |
//! | rank the lowest first | [`SortOrder`] | as for times in a race |
//! | show what is popular now | [`Trending`] | what is old weighs less, without a scan and without a job |
//! | let somebody be forgotten | [`Leaderboard::remove`], [`Trending::remove`] | gone from every ranking that is kept |
//!
//! # An example
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! # let server = local_redis::Server::ephemeral(local_redis::Durability::Volatile).await?;
//! # let redis = redis_kit::Redis::open(&server.url())?;
//! use redis_kit::leaderboard::{BoardOptions, Leaderboards, Update, Window};
//!
//! let boards = Leaderboards::new(&redis, "game:")?;
//! let options = BoardOptions { windows: vec![Window::Day, Window::AllTime], ..BoardOptions::default() };
//! let game = boards.board("level-7", &options)?;
//!
//! game.update([Update::new("player1", 1500), Update::new("player2", 2200).with_metadata("Ada")]).await?;
//! // Not better than before.
//! game.update([Update::new("player1", 900)]).await?;
//!
//! let top = game.top(Window::Day.now(), 10).await?;
//! let told: Vec<_> = top.standings.iter().map(|one| (one.rank, &*one.member, one.score)).collect();
//! assert_eq!(told, [(1, "player2", 2200), (2, "player1", 1500)]);
//! assert_eq!(top.standings[0].metadata.as_deref(), Some("Ada"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! A game with ties and windows is `examples/leaderboard.rs`.
//!
//! # Once, however often it comes
//! A consumer that dies between a board's update and its acknowledgement brings the same entry again. So a board remembers for each
//! source (one partition of a stream) the position of the last entry that it took, and skips what is not beyond it; the update
//! script reads and moves that cursor in the same step. A source's entries must come in their order, as they do in ordered mode.
//!
//! # What a ranking sorts by
//! Redis sorts by double-precision numbers, exact for whole numbers of up to 53 bits. If who came first is to be before those
//! who reached the same score later, the time is kept in the bits below the score ([`Ties::FirstToReach`]), and both must
//! fit: a board whose scores and times do not is refused when it is made ([`InvalidBoard::TooManyBits`]), and says by how
//! much. A score that would be beyond the board's highest or lowest is cut to that, and counted
//! ([`Applied::cut`]).
//!
//! Ranks that are shared are counted: by how many members are better, or, if none is to be left out ([`Ties::Dense`]), by how
//! many scores are, which stand in a sorted set of their own.
//!
//! # Windows
//! In UTC. An update counts in the periods that its own time lies in, not in those of its arrival, so that what comes late is
//! where it belongs, and nothing is counted for a period that is gone. Each key is given its end when it is first written, and by
//! every later update if somebody took that away.
//!
//! # What is trending
//! The score of something that happened halves with every half-life. Nothing is ever recomputed: see `decay.rs` for how. A
//! member that hardly weighs anything is forgotten, some with every update.
//!
//! # What happens, and what then
//! | what happens | then |
//! |---|---|
//! | the answer to an update is lost | it may count; by [`Leaderboard::update_from`] bringing it again is safe, and so it is for [`Operator::Best`] |
//! | two processes bring the same source | what one has brought the other's is skipped for; nothing counts twice |
//! | a source's entries come out of order | those behind the cursor are taken for repeated and skipped |
//! | Redis is full | updates go on: the stream that they come from could not be trimmed otherwise. Members, not updates, take room |
//! | Redis fails over | board and cursor lose the same; a source is then to be read again from before that |
//! | a key holds another type | that board's updates and looks fail, and nothing is written; those of others go on |
//! | a ranking of very many members expires | Redis frees it as a whole, and serves nobody meanwhile unless `lazyfree-lazy-expire` is `yes` |
//!
//! # What it does not promise
//! That members are ordered among equals by anything but their names, unless it is by who came first. That a ranking is an archive: a
//! week's is gone a week after it ended, unless [`BoardOptions::keep_past`] says otherwise.
//!
//! # Keys
//! All of a board carry its name as their hash tag:
//!
//! | key | is |
//! |---|---|
//! | `<prefix>leaderboard:{<board>}:day:2026-11-27`, `…:hour:2026-11-27T13`, `…:week:2026-W48`, `…:all` | a sorted set: a ranking |
//! | `…:scores` behind it | a sorted set: the scores that there are, if ties are dense |
//! | `…:metadata` behind the longest | a hash: what is known of members |
//! | `…:cursors` | a hash: how far the board has got with each source |
//! | `…:trending`, `…:trending:metadata`, `…:trending:cursors` | the same of what is trending |
//!
//! # Metrics
//! | name | labels | counts |
//! |---|---|---|
//! | `leaderboard_updates_total` | `outcome`: `taken`, `repeated` | updates |
//! | `leaderboard_scores_cut_total` | | scores that were beyond what their board allows |

mod board;
mod boards;
mod change;
mod decay;
mod error;
mod happening;
mod keys;
mod look;
mod options;
mod periods;
mod scale;
mod scripts;
mod shape;
mod standing;
mod trending;
mod update;
mod window;

pub use board::Leaderboard;
pub use boards::Leaderboards;
pub use error::InvalidBoard;
pub use options::{BoardOptions, Operator, SortOrder, Ties, TrendingOptions};
pub use standing::{Neighbours, Page, Standing};
pub use trending::Trending;
pub use update::{Applied, Update};
pub use window::{Period, UnknownWindow, Window};
