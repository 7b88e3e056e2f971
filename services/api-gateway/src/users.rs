//! The user directory, an API of somebody else's, read through the cache.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    http::StatusCode,
    response::IntoResponse,
};
use common::{names::Names, problem::Problem};
use redis_kit::cache::{Cache, Cached, Policy, Source};
use reqwest::{Client, Url};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    app::App,
    cached::{self, cache_headers},
    docs::{NotFound, Unavailable},
    plain_id::is_plain_id,
};

/// How long a user is taken for what the directory said.
const POLICY: Policy = Policy { ttl: Duration::from_mins(1), ..cached::POLICY };

/// How long the directory may take to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(3);

/// Looks users up.
pub(crate) struct Users {
    cache: Cache,
    names: Names,
    directory: Arc<Directory>,
}

/// A user, as the directory knows them.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct User {
    id: String,
    name: String,
    email: String,
}

/// A user, and who said so.
#[derive(Serialize, ToSchema)]
struct UserAnswer {
    source: Who,
    #[schema(value_type = User)]
    data: Arc<User>,
}

/// Who said so.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum Who {
    /// What was kept of an earlier answer.
    RedisCache,
    /// The directory, just now.
    Api,
}

impl Users {
    pub(crate) fn new(cache: Cache, names: Names, directory: &str) -> anyhow::Result<Self> {
        // It may hold a password, so it is not shown.
        let unusable = "cannot use USER_API_URL; expected http://host:port/path";
        let base: Url = directory.parse().context(unusable)?;
        anyhow::ensure!(!base.cannot_be_a_base(), unusable);
        let client = Client::builder().timeout(ANSWER_LIMIT).build()?;
        Ok(Self { cache, names, directory: Arc::new(Directory { client, base }) })
    }

    async fn find(&self, id: &str) -> Result<Cached<User>, Problem> {
        let (directory, wanted) = (Arc::clone(&self.directory), id.to_owned());
        let load = move || async move { directory.find(&wanted).await };
        let found = self.cache.get_or_load(&self.names.user(id), &POLICY, load).await;
        found.map_err(|error| cached::failed("the user directory", &error))
    }
}

/// The directory itself.
struct Directory {
    client: Client,
    base: Url,
}

impl Directory {
    async fn find(&self, id: &str) -> reqwest::Result<Option<User>> {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["users", id]);
        }
        let response = self.client.get(url).send().await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        response.error_for_status()?.json().await.map(Some)
    }
}

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(show_user))
}

/// A user of the directory
#[utoipa::path(get, path = "/users/{id}", tag = "catalogue", params(("id" = String, Path, description = "The user's id", example = "1")), responses(
    (status = 200, description = "The user", body = UserAnswer, headers(
        ("Cache-Status" = String, description = "RFC 9211"),
        ("Age" = u64, description = "Seconds since the directory said so"),
    )),
    NotFound, Unavailable,
))]
async fn show_user(
    State(app): State<App>,
    id: Result<Path<String>, PathRejection>,
) -> Result<impl IntoResponse, Problem> {
    let unknown = || Problem::new(StatusCode::NOT_FOUND, "no user has this id");
    let id = id.ok().map(|Path(id)| id).filter(|id| is_user_id(id)).ok_or_else(unknown)?;
    let cached = app.users.find(&id).await?;
    let source = if matches!(cached.source, Source::Loaded { .. }) { Who::Api } else { Who::RedisCache };
    let headers = cache_headers(&cached);
    let data = cached.value.ok_or_else(unknown)?;
    Ok((headers, Json(UserAnswer { source, data })))
}

/// Dots alone mean another place in a URL.
fn is_user_id(text: &str) -> bool {
    is_plain_id(text) && !text.bytes().all(|byte| byte == b'.')
}
