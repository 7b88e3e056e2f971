//! Sessions as axum's handlers ask for them.

use axum_core::{
    extract::{FromRef, FromRequestParts, OptionalFromRequestParts},
    response::{IntoResponse, Response},
};
use http::{StatusCode, request::Parts};
use serde::{Serialize, de::DeserializeOwned};

use super::{cookie::SessionCookie, record::Session, sessions::Sessions, token::Token};
use crate::Error;

/// The session of a request, by its cookie. As `Option<SessionOf<D>>` it may also be none; a Redis that fails is an error
/// either way.
///
/// The application's state is asked for the [`Sessions`] and the [`SessionCookie`] (axum's `FromRef`).
#[derive(Debug)]
pub struct SessionOf<D> {
    /// By which to log out or to rotate.
    pub token: Token,
    /// What it leads to.
    pub session: Session<D>,
}

/// Why a request has no session. As a response: an empty 401, 503 while Redis cannot answer, or 500. Wrap the extractor to
/// answer something else.
#[derive(Debug, thiserror::Error)]
pub enum SessionRejection {
    /// There is none.
    #[error("there is no session")]
    Missing,
    /// Nobody knows.
    #[error(transparent)]
    Failed(#[from] Error),
}

impl IntoResponse for SessionRejection {
    fn into_response(self) -> Response {
        let status = match self {
            Self::Missing => StatusCode::UNAUTHORIZED,
            Self::Failed(error) if error.is_transient() => StatusCode::SERVICE_UNAVAILABLE,
            Self::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        status.into_response()
    }
}

impl<D, S> OptionalFromRequestParts<S> for SessionOf<D>
where
    D: Serialize + DeserializeOwned,
    S: Sync,
    Sessions<D>: FromRef<S>,
    SessionCookie: FromRef<S>,
{
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, SessionRejection> {
        let Some(token) = SessionCookie::from_ref(state).token_of(&parts.headers) else { return Ok(None) };
        let session = Sessions::from_ref(state).load(&token).await?;
        Ok(session.map(|session| Self { token, session }))
    }
}

impl<D, S> FromRequestParts<S> for SessionOf<D>
where
    D: Serialize + DeserializeOwned,
    S: Sync,
    Sessions<D>: FromRef<S>,
    SessionCookie: FromRef<S>,
{
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, SessionRejection> {
        let found = <Self as OptionalFromRequestParts<S>>::from_request_parts(parts, state).await?;
        found.ok_or(SessionRejection::Missing)
    }
}
