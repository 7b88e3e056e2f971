//! A page as an answer.

use askama::Template;
use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use tracing::error;

use crate::{
    accounts::{Login, Role},
    app::App,
    error::internal,
};

/// A page loads what comes from here, sends what it sends to here, and is shown in no other page. No script or style stands in the
/// markup, so that whatever might get into it runs nothing.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Answers with a page.
pub(super) fn page(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => {
            let policy = [(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY))];
            (status, policy, Html(html)).into_response()
        }
        Err(error) => {
            error!(%error, "cannot write a page");
            internal().into_response()
        }
    }
}

/// Who looks at a page, as it says at the top.
#[derive(Clone, Debug, Default)]
pub(super) struct Visitor {
    /// Who is logged in.
    pub(super) email: Option<String>,
    /// Whether operators' things are shown.
    pub(super) is_admin: bool,
}

impl Visitor {
    /// A page is shown to whoever asks. Who cannot be recognised now, because Redis does not answer, is nobody.
    pub(super) async fn of(app: &App, headers: &HeaderMap) -> Self {
        let Some(token) = app.cookie.token_of(headers) else { return Self::default() };
        let session = app.sessions.load(&token).await.ok().flatten();
        session.map(|session| Self::from(session.data)).unwrap_or_default()
    }
}

impl From<Login> for Visitor {
    fn from(login: Login) -> Self {
        Self { email: Some(login.email.to_string()), is_admin: login.role == Role::Admin }
    }
}
