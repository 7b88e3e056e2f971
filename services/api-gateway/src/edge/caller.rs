//! Who may send a request: somebody who is logged in, or an admin.

use axum::{
    extract::FromRequestParts,
    http::{StatusCode, request::Parts},
};
use common::problem::Problem;
use redis_kit::session::{SessionOf, SessionRejection};

use crate::{
    accounts::{Login, Role},
    app::App,
    error::redis_failed,
};

/// Somebody with a session; 401 for others.
pub(crate) struct LoggedIn(pub(crate) SessionOf<Login>);

/// An admin; 401 without a session, 403 with another's.
pub(crate) struct Admin(pub(crate) SessionOf<Login>);

impl FromRequestParts<App> for LoggedIn {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let session = <SessionOf<Login> as FromRequestParts<App>>::from_request_parts(parts, app).await;
        session.map(Self).map_err(refusal)
    }
}

impl FromRequestParts<App> for Admin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let LoggedIn(session) = LoggedIn::from_request_parts(parts, app).await?;
        match session.session.data.role {
            Role::Admin => Ok(Self(session)),
            Role::Customer => Err(Problem::new(StatusCode::FORBIDDEN, "only an admin may do this")),
        }
    }
}

/// What a session that cannot be had means to the client.
fn refusal(rejection: SessionRejection) -> Problem {
    match rejection {
        SessionRejection::Missing => not_logged_in(),
        SessionRejection::Failed(error) => redis_failed(&error),
    }
}

fn not_logged_in() -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "there is no session; log in with POST /login")
}
