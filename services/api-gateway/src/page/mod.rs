//! The pages for people: how orders flow through the system, live, and what became of one of them.
//!
//! | to follow | open |
//! |---|---|
//! | a request | `routes.rs` |
//! | what a page is made of | `shop.rs`, `order.rs`; their markup is in `templates/`, looks and scripts are in `assets/` |
//! | what is told to all who watch, once a second and at each event | `live/` |
//! | what the streams tell of one order | `story/` |
//! | what browsers may do with a page | `answer.rs`, `assets.rs` |
//!
//! Everything is in the program itself. A page asks nothing of another host, and runs nothing but its own scripts.

mod answer;
mod assets;
mod live;
mod order;
mod routes;
mod shop;
mod story;

pub(crate) use live::Live;
pub(crate) use routes::routes;
