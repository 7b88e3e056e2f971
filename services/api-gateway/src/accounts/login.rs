//! Logging in and out, and what one's sessions are.

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    http::{HeaderMap, StatusCode, header},
    response::{AppendHeaders, IntoResponse},
};
use common::problem::Problem;
use redis_kit::session::{Session, SessionId, SessionOf, Token};
use serde::{Deserialize, Serialize};
use tracing::info;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Account, Email, Password, Role};
use crate::{
    app::App,
    database::database_failed,
    docs::{Conflict, Invalid, NotFound, Unauthorized, Unavailable},
    edge::{
        ClientAddress, LoggedIn,
        body::{JsonBody, parse},
    },
    error::redis_failed,
};

/// How much of a browser's name is kept.
const USER_AGENT: usize = 120;

/// What a session holds: whose it is, and from where.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Login {
    pub(crate) account_id: Uuid,
    pub(crate) customer_id: String,
    pub(crate) email: Email,
    pub(crate) role: Role,
    /// The client's address at the login.
    pub(crate) address: String,
    /// What its browser called itself.
    pub(crate) user_agent: String,
}

/// The body of `POST /login`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Credentials {
    #[schema(format = "email", max_length = 254)]
    email: String,
    #[schema(value_type = String, format = "password", max_length = 256)]
    password: Password,
}

/// The body of `PUT /me/password`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasswordChange {
    #[schema(value_type = String, format = "password", max_length = 256)]
    current_password: Password,
    #[schema(value_type = String, format = "password", min_length = 8, max_length = 256)]
    new_password: Password,
}

/// Who is logged in, and by which session.
#[derive(Serialize, ToSchema)]
pub(crate) struct Me {
    email: String,
    /// In whose name this account orders.
    customer_id: String,
    role: Role,
    session: SessionView,
}

/// One of somebody's sessions.
#[derive(Serialize, ToSchema)]
pub(crate) struct SessionView {
    /// By which it can be ended; it opens nothing.
    id: String,
    #[schema(format = "date-time", value_type = String)]
    created_at: jiff::Timestamp,
    #[schema(format = "date-time", value_type = String)]
    last_seen_at: jiff::Timestamp,
    /// When it ends, however much it is used.
    #[schema(format = "date-time", value_type = String)]
    ends_at: jiff::Timestamp,
    address: String,
    user_agent: String,
    /// Whether this very request came with it.
    current: bool,
}

/// All of somebody's sessions.
#[derive(Serialize, ToSchema)]
pub(crate) struct SessionList {
    sessions: Vec<SessionView>,
}

/// How many sessions were ended.
#[derive(Serialize, ToSchema)]
pub(crate) struct Ended {
    ended: usize,
}

/// Log in: a session in a cookie
///
/// A session that the client came with ends.
#[utoipa::path(post, path = "/login", tag = "accounts", request_body = Credentials, responses(
    (status = 200, description = "Logged in", body = Me, headers(("Set-Cookie" = String, description = "The session"))),
    Unauthorized, Invalid, Unavailable,
))]
pub(super) async fn log_in(
    State(app): State<App>,
    from: ClientAddress,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<impl IntoResponse, Problem> {
    let Credentials { email, password } = parse(&body)?;
    let (account, hash) = check(&app, from, &email, password).await?;
    let old = app.cookie.token_of(&headers);
    let login = login(account, from, &headers);
    let (token, session) = begin(&app, login, old.as_ref()).await?;
    // Whoever changes a password ends the sessions that there are; this one may have begun after that.
    let now = app.accounts.by_id(session.data.account_id).await.map_err(database_failed)?;
    if now.is_none_or(|(_, now)| now != hash) {
        app.sessions.revoke(&token).await.map_err(|error| redis_failed(&error))?;
        return Err(wrong());
    }
    info!(account_id = %session.data.account_id, "logged in");
    Ok(with_cookie(&app, &token, session))
}

/// Finds the account whose password this is, and the hash that says so. All that is wrong looks alike, and takes as long.
async fn check(
    app: &App,
    from: ClientAddress,
    email: &str,
    password: Password,
) -> Result<(Account, String), Problem> {
    // What cannot be an address or a password is nobody's.
    let email = Email::parse(email).ok_or_else(wrong)?;
    password.check("/password").map_err(|_| wrong())?;
    let is_known = app.familiar.knows(&email, from).await?;
    let attempt = app.limits.login(&email, from, is_known).await?;
    let found = app.accounts.by_email(&email).await.map_err(database_failed)?;
    let hash = found.as_ref().map(|(_, hash)| hash.clone());
    let verified = app.passwords.verify(password, hash).await;
    if matches!(verified, Ok(false)) {
        return Err(wrong());
    }
    // It was no guess; or nobody knows, and it was not the client's fault.
    app.limits.forgive(attempt).await;
    verified?;
    app.familiar.remember(&email, from).await;
    found.ok_or_else(wrong)
}

fn wrong() -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "no account has this e-mail address and password")
}

fn login(account: Account, from: ClientAddress, headers: &HeaderMap) -> Login {
    let user_agent =
        headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    Login {
        account_id: account.id,
        customer_id: account.customer_id,
        email: account.email,
        role: account.role,
        address: from.0.to_string(),
        user_agent: user_agent.chars().take(USER_AGENT).collect(),
    }
}

async fn begin(app: &App, login: Login, old: Option<&Token>) -> Result<(Token, Session<Login>), Problem> {
    let tag = login.account_id.simple().to_string();
    app.sessions.begin(&tag, login, old).await.map_err(|error| redis_failed(&error))
}

fn with_cookie(app: &App, token: &Token, session: Session<Login>) -> impl IntoResponse + use<> {
    let cookie = app.cookie.set(token, &session);
    (AppendHeaders([(header::SET_COOKIE, cookie)]), Json(me(session)))
}

/// Log out: the session ends
#[utoipa::path(post, path = "/logout", tag = "accounts", responses(
    (status = 204, description = "There is no session any more"), Unavailable,
))]
pub(super) async fn log_out(
    State(app): State<App>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Problem> {
    if let Some(token) = app.cookie.token_of(&headers) {
        app.sessions.revoke(&token).await.map_err(|error| redis_failed(&error))?;
    }
    Ok((StatusCode::NO_CONTENT, AppendHeaders([(header::SET_COOKIE, app.cookie.clear())])))
}

/// Who is logged in
#[utoipa::path(get, path = "/me", tag = "accounts", security(("session" = [])), responses(
    (status = 200, description = "The account and its session", body = Me), Unauthorized, Unavailable,
))]
pub(super) async fn show_me(LoggedIn(SessionOf { session, .. }): LoggedIn) -> Json<Me> {
    Json(me(session))
}

/// Change the password: all other sessions end
#[utoipa::path(put, path = "/me/password", tag = "accounts", security(("session" = [])), request_body = PasswordChange, responses(
    (status = 200, description = "Changed; this session goes on under a new cookie", body = Me),
    Unauthorized, Conflict, Invalid, Unavailable,
))]
pub(super) async fn change_password(
    State(app): State<App>,
    from: ClientAddress,
    LoggedIn(SessionOf { token, session }): LoggedIn,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<impl IntoResponse, Problem> {
    let PasswordChange { current_password, new_password } = parse(&body)?;
    new_password.check("/new_password")?;
    let login = &session.data;
    // Whoever has found a session open may not guess either.
    let (account, from_hash) = check(&app, from, login.email.as_str(), current_password).await?;
    let to_hash = app.passwords.hash(new_password).await?;
    // Before, because a password that was changed may let no session live on, whatever dies in between; and after, because
    // some may have begun with the old one meanwhile.
    end_others(&app, session.tag(), &token).await?;
    if !app.accounts.change_password(account.id, &from_hash, &to_hash).await.map_err(database_failed)? {
        return Err(Problem::new(StatusCode::CONFLICT, "the password was changed meanwhile; log in again"));
    }
    let (new, session) = begin(&app, self::login(account, from, &headers), Some(&token)).await?;
    end_others(&app, session.tag(), &new).await?;
    info!(account_id = %session.data.account_id, "changed the password");
    Ok(with_cookie(&app, &new, session))
}

/// Ends all sessions of a user but the one of this token. Returns how many there were.
async fn end_others(app: &App, tag: &str, token: &Token) -> Result<usize, Problem> {
    app.sessions.revoke_all(tag, Some(token)).await.map_err(|error| redis_failed(&error))
}

/// One's own sessions
#[utoipa::path(get, path = "/me/sessions", tag = "accounts", security(("session" = [])), responses(
    (status = 200, description = "Every session of this account", body = SessionList), Unauthorized, Unavailable,
))]
pub(super) async fn list_sessions(
    State(app): State<App>,
    LoggedIn(SessionOf { session, .. }): LoggedIn,
) -> Result<Json<SessionList>, Problem> {
    let all = app.sessions.list(session.tag()).await.map_err(|error| redis_failed(&error))?;
    let sessions = all.into_iter().map(|one| view(one.id() == session.id(), &one)).collect();
    Ok(Json(SessionList { sessions }))
}

/// End all of one's other sessions
#[utoipa::path(delete, path = "/me/sessions", tag = "accounts", security(("session" = [])), responses(
    (status = 200, description = "They are ended, everywhere and at once", body = Ended), Unauthorized, Unavailable,
))]
pub(super) async fn end_sessions(
    State(app): State<App>,
    LoggedIn(SessionOf { token, session }): LoggedIn,
) -> Result<Json<Ended>, Problem> {
    Ok(Json(Ended { ended: end_others(&app, session.tag(), &token).await? }))
}

/// End one of one's sessions
#[utoipa::path(delete, path = "/me/sessions/{id}", tag = "accounts", security(("session" = [])),
    params(("id" = String, Path, description = "As the list tells it")), responses(
    (status = 204, description = "It is ended, everywhere and at once"), Unauthorized, NotFound, Unavailable,
))]
pub(super) async fn end_session(
    State(app): State<App>,
    LoggedIn(SessionOf { session, .. }): LoggedIn,
    id: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, Problem> {
    let unknown = || Problem::new(StatusCode::NOT_FOUND, "no session of yours has this id");
    let id = id.ok().and_then(|Path(text)| SessionId::parse(&text)).ok_or_else(unknown)?;
    let ended = app.sessions.revoke_by_id(session.tag(), &id).await;
    if ended.map_err(|error| redis_failed(&error))? { Ok(StatusCode::NO_CONTENT) } else { Err(unknown()) }
}

fn me(session: Session<Login>) -> Me {
    let view = view(true, &session);
    let Login { email, customer_id, role, .. } = session.data;
    Me { email: email.to_string(), customer_id, role, session: view }
}

fn view(current: bool, session: &Session<Login>) -> SessionView {
    SessionView {
        id: session.id().as_str().to_owned(),
        created_at: session.created(),
        last_seen_at: session.last_seen(),
        ends_at: session.ends(),
        address: session.data.address.clone(),
        user_agent: session.data.user_agent.clone(),
        current,
    }
}
