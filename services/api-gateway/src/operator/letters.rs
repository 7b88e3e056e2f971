//! What the consumer groups gave up, and why.

use axum::{
    Json,
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    http::StatusCode,
};
use common::{
    messages::LetterFilter,
    names::groups,
    operations::letters::{Cause, Letter, Look, Place, moment_of_look},
    problem::Problem,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    app::App,
    docs::{BadRequest, Forbidden, NotFound, Unauthorized, Unavailable},
    edge::{
        Admin,
        query::{bad_request, parameters},
    },
    error::redis_failed,
};

/// How many letters are looked at for one answer. Taking orders comes first.
const MOST_LETTERS: usize = 10_000;

/// How many causes one answer tells.
const MOST_CAUSES: usize = 100;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list_causes)).routes(routes!(show_letter))
}

/// Which letters are meant: those that fit all that is said.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// Only those that this consumer group gave up
    #[param(example = "payment-workers")]
    group: Option<String>,
    /// Only messages of this type
    #[param(example = "payment.requested")]
    r#type: Option<String>,
    /// Only those whose reason contains this text
    reason: Option<String>,
    /// Only those that were given up then or later
    since: Option<Timestamp>,
}

/// The dead letters that were there at one moment.
#[derive(Serialize, ToSchema)]
struct Seen {
    /// What means these letters, and none that comes later. A replay or a drop that repeats it does what was seen.
    filter: LetterFilter,
    /// How many letters were counted.
    letters: u64,
    /// Whether all that fit were counted, and all causes are here. If not, say more about which letters are meant.
    complete: bool,
    /// Those with the most letters first.
    causes: Vec<Cause>,
}

/// Dead letters, those with the same cause together (admin)
///
/// A cause is the group, the type of the message, and the reason, in which ids and numbers are left out (`…`). Some ten
/// thousand letters are looked at, and a hundred causes told; `complete` says whether that was all.
#[utoipa::path(get, path = "/operator/dead-letters", tag = "operator", security(("session" = [])), params(Wanted), responses(
    (status = 200, description = "What was given up, as things stand", body = Seen),
    BadRequest, Unauthorized, Forbidden, Unavailable,
))]
async fn list_causes(
    State(app): State<App>,
    _admin: Admin,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<Seen>, Problem> {
    let Wanted { group, r#type: message_type, reason: reason_contains, since } = parameters(wanted)?;
    let groups = read_groups(group.as_deref())?;
    let until = moment_of_look(&app.installation).await.map_err(|error| redis_failed(&error))?;
    let filter = LetterFilter { message_type, reason_contains, since, until };
    let look = Look::take(&app.installation, &groups, filter, MOST_LETTERS).await;
    let look = look.map_err(|error| redis_failed(&error.source))?;
    let letters = look.count();
    let Look { mut causes, filter, complete } = look;
    let complete = complete && causes.len() <= MOST_CAUSES;
    causes.truncate(MOST_CAUSES);
    Ok(Json(Seen { filter, letters, complete, causes }))
}

/// The group that is meant, or all.
fn read_groups(named: Option<&str>) -> Result<Vec<&'static str>, Problem> {
    let groups: Vec<_> = groups::all().filter(|group| named.is_none_or(|named| named == *group)).collect();
    if groups.is_empty() { Err(bad_request(no_group())) } else { Ok(groups) }
}

/// What there is instead of a group that there is not.
pub(super) fn no_group() -> String {
    let groups: Vec<&str> = groups::all().collect();
    format!("no such group; there are {}", groups.join(", "))
}

/// One dead letter, with all that is known of it (admin)
#[utoipa::path(get, path = "/operator/dead-letters/{group}/{partition}/{id}", tag = "operator", security(("session" = [])),
    params(("group" = String, Path, description = "The group that gave it up", example = "payment-workers"),
        ("partition" = u16, Path, description = "The partition of its stream"),
        ("id" = String, Path, description = "The letter's own id", example = "1700000000000-0", pattern = "^[0-9]{1,20}-[0-9]{1,20}$")),
    responses(
        (status = 200, description = "The letter", body = Letter), Unauthorized, Forbidden, NotFound, Unavailable,
    ))]
async fn show_letter(
    State(app): State<App>,
    _admin: Admin,
    place: Result<Path<(String, String, String)>, PathRejection>,
) -> Result<Json<Letter>, Problem> {
    let unknown = || {
        Problem::new(StatusCode::NOT_FOUND, "there is no such letter; it may have been replayed or dropped")
    };
    let place = place.ok().and_then(|Path((group, partition, id))| read_place(&group, &partition, &id));
    let place = place.ok_or_else(unknown)?;
    let mut found = Letter::find(&app.installation, &place).await.map_err(|error| redis_failed(&error))?;
    found.pop().map(Json).ok_or_else(unknown)
}

/// Where the letter is; a letter has one address.
fn read_place(group: &str, partition: &str, id: &str) -> Option<Place> {
    let text = format!("{group}/{partition}/{id}");
    text.parse().ok().filter(|place: &Place| place.group.is_some() && place.to_string() == text)
}
