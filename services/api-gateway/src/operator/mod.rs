//! What operators see of the system and ask for, as the command `orderly` does: admins alone.
//!
//! | to follow | open |
//! |---|---|
//! | how the consumer groups are doing | `groups.rs` |
//! | what they gave up, and why | `letters.rs` |
//! | having something done, and what came of it | `actions.rs` |
//! | payments that wait for a person | `parked.rs` |
//! | how long a reason is | `text.rs` |
//!
//! How each is found out and asked for is in `common::operations`.

mod actions;
mod groups;
mod letters;
mod parked;
mod text;

use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

pub(crate) fn routes() -> OpenApiRouter<App> {
    groups::routes().merge(letters::routes()).merge(actions::routes()).merge(parked::routes())
}
