//! Pub/sub: broadcast to whoever listens now.
//!
//! Delivery is at most once: what is published while a subscriber is away is gone for it. So a [`Subscription`] says when it
//! began to hear, and begins to hear again after a lost connection; what was missed in between can only be
//! read from a stream.

mod subscription;

pub use subscription::{Event, Subscription, SubscriptionStatus};
