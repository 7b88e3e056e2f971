//! The routes of accounts.

use axum::{Json, extract::State, http::StatusCode};
use common::problem::Problem;
use serde::{Deserialize, Serialize};
use tracing::info;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Account, Added, Email, Password, Role, login};
use crate::{
    app::App,
    database::database_failed,
    docs::{Conflict, Forbidden, Invalid, Unauthorized, Unavailable},
    edge::{
        Admin,
        body::{JsonBody, parse},
    },
};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(login::log_in))
        .routes(routes!(login::log_out))
        .routes(routes!(login::show_me))
        .routes(routes!(login::change_password))
        .routes(routes!(login::list_sessions, login::end_sessions))
        .routes(routes!(login::end_session))
        .routes(routes!(add_account))
}

/// The body of `POST /accounts`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewAccount {
    #[schema(format = "email", max_length = 254)]
    email: String,
    #[schema(value_type = String, format = "password", min_length = 8, max_length = 256)]
    password: Password,
    role: Role,
}

/// An account, as an admin sees it.
#[derive(Serialize, ToSchema)]
struct AccountView {
    email: String,
    /// In whose name it orders.
    customer_id: String,
    role: Role,
}

/// Make an account (admin)
#[utoipa::path(post, path = "/accounts", tag = "accounts", security(("session" = [])), request_body = NewAccount, responses(
    (status = 201, description = "Made", body = AccountView), Unauthorized, Forbidden, Conflict, Invalid, Unavailable,
))]
async fn add_account(
    State(app): State<App>,
    Admin(admin): Admin,
    JsonBody(body): JsonBody,
) -> Result<(StatusCode, Json<AccountView>), Problem> {
    let NewAccount { email, password, role } = parse(&body)?;
    let email = Email::from_field(&email)?;
    password.check("/password")?;
    let account = Account::new(email, role);
    let hash = app.passwords.hash(password).await?;
    if app.accounts.add(&account, &hash).await.map_err(database_failed)? == Added::Taken {
        return Err(Problem::new(StatusCode::CONFLICT, "there is an account with this e-mail address"));
    }
    info!(account_id = %account.id, by = %admin.session.data.account_id, "made an account");
    let Account { email, customer_id, role, .. } = account;
    Ok((StatusCode::CREATED, Json(AccountView { email: email.to_string(), customer_id, role })))
}
