//! Pub/sub: broadcast to everybody who listens, with or without a memory.
//!
//! | to hear | use | it promises |
//! |---|---|---|
//! | whatever is published while one listens | [`Subscription`] | at most once, and says when it may have missed something |
//! | everything that a journal announces | [`ReplaySubscription`] | every entry in its partition's order, or an explicit reset |
//!
//! # Replay
//! Pub/sub forgets: what is published while a subscriber is away, slow, or cut off is gone for it. But if every
//! message announces an entry of a stream, the stream remembers. So each live message is one JSON object that carries, beside
//! its own fields, where its entry stands: `partition`, `prev` (the entry before it) and `id` ([`Position`]). Who has
//! heard everything up to `last` of a partition
//!
//! - drops what it knows: `id ≤ last`;
//! - takes what follows: `prev ≤ last < id`;
//! - and else reads the stream, because there is a gap.
//!
//! [`ReplaySubscription`] also looks into the stream where `prev < last`: the publisher stands where it has never stood, and that may
//! not be the stream that it was.
//!
//! That a partition's last message was lost shows when the next one comes; lest that take long, a [`tip`] is announced
//! every second, which is never taken and shows the gap.
//!
//! Live messages cost one `PUBLISH` for any number of subscribers and come at once; the stream is only read after a gap. A
//! position is an id for each partition, kept by the caller ([`Since::Positions`]: a browser's `Last-Event-ID`) or in
//! Redis ([`Since::Kept`]: a service that must not miss anything while it is away).
//!
//! # Publishing
//! The publisher follows the streams in order and publishes [`live`] in the same script that records it has handled the
//! entry, so that every entry is announced. What is announced is made from the entry by [`Announcement::of`], which is also
//! how a subscriber makes it. Should messages be lost all the same, doubled, or come late, the rule heals it.
//! What heals nothing is a message with an invented position, so not everybody should be allowed to publish on the channel.
//!
//! # On a cluster
//! A message reaches the subscribers of every node, whichever node it was published on, also from a script. A
//! subscription is at one node; what is lost between two nodes, nobody says, but replay finds.

mod announcement;
mod journal;
mod keeper;
mod metrics;
mod progress;
mod replay;
mod subscription;
mod track;

pub use announcement::{Announcement, Position, live, tip};
pub use replay::{ReplayEvent, ReplayStatus, ReplaySubscription, Since};
pub use subscription::{Event, Subscription, SubscriptionStatus};
