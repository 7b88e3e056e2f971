use std::{
    mem,
    task::{Context, Poll},
};

use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, header::RETRY_AFTER};
use tower_service::Service;

use crate::rate_limit::{Limiter, RATE_LIMIT, RATE_LIMIT_POLICY, Subject, Verdict};

/// A service whose calls are limited: see [`RateLimitLayer`](super::RateLimitLayer).
#[derive(Clone, Debug)]
pub struct RateLimit<Inner, Subjects, Reject> {
    pub(super) inner: Inner,
    pub(super) limiter: Limiter,
    pub(super) subjects: Subjects,
    pub(super) reject: Reject,
}

impl<Inner, Subjects, Limited, Reject, Body, Answer> Service<Request<Body>>
    for RateLimit<Inner, Subjects, Reject>
where
    Inner: Service<Request<Body>, Response = Response<Answer>> + Clone + Send + 'static,
    Inner::Future: Send,
    Subjects: Fn(&Request<Body>) -> Limited,
    Limited: IntoIterator<Item = Subject>,
    Reject: Fn(&Verdict) -> Response<Answer> + Clone + Send + 'static,
    Body: Send + 'static,
{
    type Response = Inner::Response;
    type Error = Inner::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let subjects: Vec<Subject> = (self.subjects)(&request).into_iter().collect();
        let (limiter, reject) = (self.limiter.clone(), self.reject.clone());
        // The one that is ready; a clone of it may not be.
        let clone = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, clone);
        Box::pin(async move {
            if subjects.is_empty() {
                return inner.call(request).await;
            }
            let verdict = limiter.check(&subjects, 1).await;
            let mut answer = if verdict.is_allowed() { inner.call(request).await? } else { reject(&verdict) };
            tell(&verdict, answer.headers_mut());
            Ok(answer)
        })
    }
}

/// Adds the fields. What other limits say stays: the fields are lists, which may be split.
fn tell(verdict: &Verdict, fields: &mut HeaderMap) {
    let policy = (HeaderName::from_static(RATE_LIMIT_POLICY), verdict.policy_field());
    let limit = (HeaderName::from_static(RATE_LIMIT), verdict.limit_field());
    for (name, value) in [policy, limit] {
        if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
            fields.append(name, value);
        }
    }
    if let Some(value) = verdict.retry_after_field().and_then(|value| HeaderValue::try_from(value).ok()) {
        fields.entry(RETRY_AFTER).or_insert(value);
    }
}
