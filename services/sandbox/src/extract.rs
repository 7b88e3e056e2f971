//! Axum's extractors, refusing with `application/problem+json`.

use std::fmt::Display;

use axum::{
    extract::{FromRequest, FromRequestParts, Request},
    http::request::Parts,
    response::IntoResponse,
};
use common::problem::Problem;

/// `E`, whose refusal keeps its status and reason but is told as a [`Problem`].
pub(crate) struct Checked<E>(pub(crate) E);

impl<S, E> FromRequest<S> for Checked<E>
where
    S: Send + Sync,
    E: FromRequest<S, Rejection: Display>,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        E::from_request(request, state).await.map(Self).map_err(problem)
    }
}

impl<S, E> FromRequestParts<S> for Checked<E>
where
    S: Send + Sync,
    E: FromRequestParts<S, Rejection: Display>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        E::from_request_parts(parts, state).await.map(Self).map_err(problem)
    }
}

fn problem(rejection: impl IntoResponse + Display) -> Problem {
    let detail = rejection.to_string();
    Problem::new(rejection.into_response().status(), detail)
}
