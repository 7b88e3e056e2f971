//! How the consumer groups are doing.

use axum::{Json, extract::State};
use common::{
    operations::groups::{self, Group},
    problem::Problem,
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    app::App,
    docs::{Forbidden, Unauthorized, Unavailable},
    edge::Admin,
    error::redis_failed,
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list_groups))
}

/// Every consumer group.
#[derive(Serialize, ToSchema)]
struct GroupList {
    /// Ours, and behind those of each stream whatever other groups read it.
    groups: Vec<Group>,
}

/// The consumer groups, each over all partitions of its stream (admin)
#[utoipa::path(get, path = "/operator/groups", tag = "operator", security(("session" = [])), responses(
    (status = 200, description = "How each is doing now", body = GroupList), Unauthorized, Forbidden, Unavailable,
))]
async fn list_groups(State(app): State<App>, _admin: Admin) -> Result<Json<GroupList>, Problem> {
    let groups = groups::all(&app.installation).await.map_err(|error| redis_failed(&error))?;
    Ok(Json(GroupList { groups }))
}
