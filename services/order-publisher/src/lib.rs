//! Announces every order event on a pub/sub channel.
