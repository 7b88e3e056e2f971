//! Errors of this service as answers.

use axum::http::StatusCode;
use common::problem::Problem;
use tracing::{error, warn};

/// What Redis's failure means to a client. Whether a write was carried out is unknown then, and the answer says how to
/// find out.
pub(crate) fn redis_failed(error: &redis_kit::Error) -> Problem {
    if error.is_transient() {
        warn!(%error, "Redis did not carry out a request");
        Problem::unavailable(
            "the order store does not answer; try again, with the same Idempotency-Key if you sent one",
        )
    } else {
        error!(%error, "Redis refuses what this gateway needs");
        internal()
    }
}

/// An error that the client can do nothing about.
pub(crate) fn internal() -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "something went wrong here; the log has the details")
}
