//! What stands behind the `?`.

use std::ops::RangeInclusive;

use axum::{
    extract::{Query, rejection::QueryRejection},
    http::StatusCode,
};
use common::problem::Problem;

/// 400, with what is wrong.
pub(crate) fn bad_request(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, detail)
}

/// What was given; 400 for what this route does not know.
pub(crate) fn parameters<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, Problem> {
    query.map(|Query(parameters)| parameters).map_err(|rejection| bad_request(rejection.body_text()))
}

/// A number, or the default; 400 if it is none of these.
pub(crate) fn within(
    given: Option<u32>,
    default: u32,
    range: RangeInclusive<u32>,
    name: &str,
) -> Result<u32, Problem> {
    let number = given.unwrap_or(default);
    let (least, most) = (range.start(), range.end());
    if range.contains(&number) {
        Ok(number)
    } else {
        Err(bad_request(format!("{name} is from {least} to {most}")))
    }
}
