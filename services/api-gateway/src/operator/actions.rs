//! Having something done by the service that owns it, and what came of all that was asked for.

use axum::{
    Json,
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    http::{StatusCode, header},
    response::IntoResponse,
};
use common::{
    control::owner,
    messages::{Action, Receipt},
    operations::requests::{self, CarriedOut, Newest, Request},
    problem::Problem,
};
use jiff::Timestamp;
use redis_kit::stream::StreamId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::{
    letters::no_group,
    text::{self, wrong},
};
use crate::{
    app::App,
    docs::{BadRequest, Forbidden, Invalid, NotFound, Unauthorized, Unavailable},
    edge::{
        Admin,
        body::{JsonBody, all_is_read, parse},
        query::{parameters, within},
    },
    error::redis_failed,
    plain_id::is_plain_id,
};

/// How many actions a list has, unless the client says.
const LIMIT: u32 = 50;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list_actions, ask)).routes(routes!(show_action))
}

/// The body of `POST /operator/actions`.
#[derive(Serialize, Deserialize, ToSchema)]
struct NewAction {
    #[serde(flatten)]
    action: Action,
    /// Why, for whoever reads of it. A pause must say
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 500)]
    why: Option<String>,
}

impl NewAction {
    /// 422 for what means nothing.
    fn read(body: &[u8]) -> Result<Self, Problem> {
        let new: Self = parse(body)?;
        match (owner(&new.action), new.action.group()) {
            (Some(_), _) => {}
            (None, Some(_)) => return Err(wrong("/group", no_group())),
            (None, None) => return Err(wrong("/action", "nobody knows how to do this")),
        }
        all_is_read(body, &new)?;
        if let Some((field, most)) = new.action.beyond_limits() {
            return Err(wrong(&format!("/{field}"), format!("is from 1 to {most}")));
        }
        if let Action::KillWorker { worker: Some(worker) } | Action::FreezeWorker { worker: Some(worker), .. } =
            &new.action
            && !is_plain_id(worker)
        {
            return Err(wrong("/worker", "no instance has such a name"));
        }
        match (&new.why, &new.action) {
            (Some(why), _) => text::check("/why", why)?,
            (None, Action::PauseGroup { .. }) => {
                return Err(wrong("/why", "say why, for whoever finds the group paused"));
            }
            (None, _) => {}
        }
        Ok(new)
    }
}

/// Where the action is told of that was asked for.
#[derive(Serialize, ToSchema)]
struct Asked {
    #[schema(value_type = String, example = "1700000000000-0")]
    id: StreamId,
}

/// Have something done (admin)
///
/// The service that owns the thing carries it out, in a moment or as soon as one runs; what came of it is told at `Location`.
/// Who asks is written down. To ask again because there was no answer does no harm: a replay or a drop means the letters that
/// were there `until` a look, and finds none of them a second time; a pause or the end of one changes nothing twice. What is broken
/// on purpose, which only `orderly up` does for development, is broken twice.
#[utoipa::path(post, path = "/operator/actions", tag = "operator", security(("session" = [])), request_body = NewAction, responses(
    (status = 202, description = "It is written down, and will be carried out", body = Asked, headers(
        ("Location" = String, description = "Where it is told what came of it"),
    )),
    Unauthorized, Forbidden, Invalid, Unavailable,
))]
async fn ask(
    State(app): State<App>,
    Admin(admin): Admin,
    JsonBody(body): JsonBody,
) -> Result<impl IntoResponse, Problem> {
    let NewAction { action, why } = NewAction::read(&body)?;
    let by = admin.session.data.email.as_str();
    let asked = requests::ask(&app.installation, action, by, why.as_deref()).await;
    let id = asked.map_err(|error| redis_failed(&error))?;
    let location = [(header::LOCATION, format!("/operator/actions/{id}"))];
    Ok((StatusCode::ACCEPTED, location, Json(Asked { id })))
}

/// Something that was asked for, and what came of it.
#[derive(Serialize, ToSchema)]
struct ActionView {
    #[schema(value_type = String, example = "1700000000000-0")]
    id: StreamId,
    /// What the services' logs call it.
    message_id: Uuid,
    #[serde(flatten)]
    action: Action,
    /// Who asked for it.
    by: String,
    /// Why, if they said.
    why: Option<String>,
    asked_at: Timestamp,
    /// What came of it; nothing as long as nobody has carried it out.
    carried_out: Option<CarriedOut>,
    /// What the orders came to meanwhile, where something was broken on purpose; it is counted a while after.
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<Receipt>,
}

impl From<Request> for ActionView {
    fn from(request: Request) -> Self {
        let Request { stream_id, at, id, action, by, why, carried_out, receipt } = request;
        Self { id: stream_id, message_id: id, action, by, why, asked_at: at, carried_out, receipt }
    }
}

/// How much of the list is wanted.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// How many actions
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
}

/// What was asked for lately.
#[derive(Serialize, ToSchema)]
struct ActionList {
    /// The newest first.
    actions: Vec<ActionView>,
    /// Entries among these that this version cannot read, as a newer one wrote them.
    unreadable: usize,
}

/// Who had what done, when and why, and what came of it (admin)
///
/// By the command as well as here.
#[utoipa::path(get, path = "/operator/actions", tag = "operator", security(("session" = [])), params(Wanted), responses(
    (status = 200, description = "The newest of them", body = ActionList),
    BadRequest, Unauthorized, Forbidden, Unavailable,
))]
async fn list_actions(
    State(app): State<App>,
    _admin: Admin,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<ActionList>, Problem> {
    let limit = within(parameters(wanted)?.limit, LIMIT, 1..=200, "limit")?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let newest = requests::newest(&app.installation, limit).await;
    let Newest { requests, unreadable } = newest.map_err(|error| redis_failed(&error))?;
    let actions = requests.into_iter().map(ActionView::from).collect();
    Ok(Json(ActionList { actions, unreadable: unreadable.len() }))
}

/// One thing that was asked for, and what came of it (admin)
#[utoipa::path(get, path = "/operator/actions/{id}", tag = "operator", security(("session" = [])),
    params(("id" = String, Path, description = "As `Location` told it", example = "1700000000000-0", pattern = "^[0-9]{1,20}-[0-9]{1,20}$")),
    responses(
        (status = 200, description = "What is known of it now", body = ActionView), Unauthorized, Forbidden, NotFound, Unavailable,
    ))]
async fn show_action(
    State(app): State<App>,
    _admin: Admin,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<ActionView>, Problem> {
    let unknown = || Problem::new(StatusCode::NOT_FOUND, "nothing was asked for by this id");
    let id = id.ok().and_then(|Path(text)| read_id(&text)).ok_or_else(unknown)?;
    let found = requests::find(&app.installation, id).await.map_err(|error| redis_failed(&error))?;
    found.map(|request| Json(request.into())).ok_or_else(unknown)
}

/// An action has one address.
fn read_id(text: &str) -> Option<StreamId> {
    text.parse().ok().filter(|id: &StreamId| id.to_string() == text)
}
