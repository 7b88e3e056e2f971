//! What browsers are told about every answer.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

/// Unless a route says otherwise: an answer is what it says it is, is embedded nowhere, runs nothing, is not shown to other
/// sites, and is kept by no cache, because it may be of one caller alone. (That only TLS is used from now on is for the proxy
/// to say which does TLS.)
const DEFAULTS: [(HeaderName, &str); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
];

pub(super) fn add_defaults(headers: &mut HeaderMap) {
    for (name, value) in DEFAULTS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}
