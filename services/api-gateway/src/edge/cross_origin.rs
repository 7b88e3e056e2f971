//! Protection against requests that another site makes in a browser's name (CSRF).
//!
//! A browser sends the session's cookie along whoever made it send the request, but says which site that was. So a
//! request that changes something and comes from another origin is refused: by `Sec-Fetch-Site`, which all browsers send
//! since 2023, else by `Origin`. A client that sends neither is no browser, and does what its owner wants.
//!
//! Source: Filippo Valsorda, "Cross-Site Request Forgery", 2025; the OWASP cheat sheet on CSRF, "Fetch Metadata".

use axum::{
    extract::Request,
    http::{HeaderMap, Method, StatusCode, header},
};
use common::problem::Problem;

/// What to answer to a request that another site made a browser send.
pub(super) fn refusal(request: &Request) -> Option<Problem> {
    if changes_nothing(request.method()) || is_own(request.headers()) {
        return None;
    }
    let detail = "a browser sent this in the name of another site; only this site's own pages may";
    Some(Problem::new(StatusCode::FORBIDDEN, detail))
}

fn changes_nothing(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

fn is_own(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    if let Some(site) = text("sec-fetch-site") {
        return matches!(site, "same-origin" | "none");
    }
    match text("origin") {
        None => true,
        // Which scheme a proxy in front took cannot be told here; a host that cannot be told apart is the same.
        Some(origin) => {
            let authority = origin.split_once("://").map(|(_, authority)| authority);
            authority.is_some_and(|authority| text(header::HOST.as_str()) == Some(authority))
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;

    use super::*;

    fn own(lines: &[(&'static str, &str)]) -> bool {
        is_own(
            &lines
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
                .collect(),
        )
    }

    #[test]
    fn what_another_site_sends_is_told_from_what_the_own_pages_and_other_clients_send() {
        for (lines, expected) in [
            (&[][..], true),
            (&[("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-site", "none")], true),
            (&[("sec-fetch-site", "cross-site")], false),
            // Another subdomain may be somebody else's.
            (&[("sec-fetch-site", "same-site")], false),
            (&[("sec-fetch-site", "")], false),
            (&[("origin", "https://shop.example"), ("host", "shop.example")], true),
            (&[("origin", "http://127.0.0.1:8080"), ("host", "127.0.0.1:8080")], true),
            (&[("origin", "https://evil.example"), ("host", "shop.example")], false),
            (&[("origin", "https://shop.example:8443"), ("host", "shop.example")], false),
            (&[("origin", "https://shop.example")], false),
            (&[("origin", "null"), ("host", "shop.example")], false),
            // What the browser says of the site goes before what can be concluded from its name.
            (&[("sec-fetch-site", "cross-site"), ("origin", "https://a"), ("host", "a")], false),
        ] {
            assert_eq!(own(lines), expected, "{lines:?}");
        }
    }
}
