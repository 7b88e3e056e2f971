use tower_layer::Layer;

use super::service::RateLimit;
use crate::rate_limit::Limiter;

/// Limits the calls of an HTTP service, and tells callers how they stand.
///
/// `subjects` says of a request who is limited: a [`Subject`](crate::rate_limit::Subject), several of them, or none
/// (`Option`, `Vec` and arrays all do). `reject` makes the answer to what is not allowed from the
/// [`Verdict`](crate::rate_limit::Verdict): 429 for a denial, 503 where Redis did not answer. Every call costs 1.
///
/// Whoever is limited finds `RateLimit-Policy` and `RateLimit` in every answer, and `Retry-After` in that to a denial.
///
/// ```
/// use http::{Request, Response, StatusCode};
/// use redis_kit::rate_limit::{Limiter, Outcome, Policies, RateLimitLayer, Subject, Verdict};
///
/// fn by_api_key<B>(request: &Request<B>, policies: &Policies) -> Option<Subject> {
///     let key = request.headers().get("x-api-key")?.to_str().ok()?;
///     Some(Subject::new(&format!("key:{key}"), policies))
/// }
///
/// fn reject(verdict: &Verdict) -> Response<String> {
///     let mut answer = Response::new("not now".to_owned());
///     *answer.status_mut() = match verdict.outcome() {
///         Outcome::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
///         _ => StatusCode::TOO_MANY_REQUESTS,
///     };
///     answer
/// }
///
/// # fn layers(limiter: Limiter, policies: Policies) {
/// let layer = RateLimitLayer::new(limiter, move |request: &Request<()>| by_api_key(request, &policies), reject);
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct RateLimitLayer<Subjects, Reject> {
    limiter: Limiter,
    subjects: Subjects,
    reject: Reject,
}

impl<Subjects, Reject> RateLimitLayer<Subjects, Reject> {
    /// A layer that asks this limiter.
    pub fn new(limiter: Limiter, subjects: Subjects, reject: Reject) -> Self {
        Self { limiter, subjects, reject }
    }
}

impl<Inner, Subjects: Clone, Reject: Clone> Layer<Inner> for RateLimitLayer<Subjects, Reject> {
    type Service = RateLimit<Inner, Subjects, Reject>;

    fn layer(&self, inner: Inner) -> Self::Service {
        RateLimit {
            inner,
            limiter: self.limiter.clone(),
            subjects: self.subjects.clone(),
            reject: self.reject.clone(),
        }
    }
}
