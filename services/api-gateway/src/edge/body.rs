//! Reading JSON bodies, with an answer that helps for each way in which one can be wrong.

use std::{
    fmt::{self, Display},
    future::poll_fn,
    marker::PhantomData,
    pin::Pin,
};

use axum::{
    body::{Body, HttpBody},
    extract::{FromRequest, Request},
    http::{HeaderMap, StatusCode, header},
};
use common::problem::{FieldError, Problem};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_path_to_error::Segment;

/// No request of this API needs more.
const LIMIT: usize = 64 * 1024;

/// How far a body that is too large is read all the same. A client that sends everything before it looks for an answer
/// would otherwise see a broken connection, and never why.
const READ_LIMIT: usize = 1024 * 1024;

/// A body that says it is JSON, read but not yet looked into. 413 if it is too large, 400 if it does not come whole, 415
/// if it says that it is something else.
pub(crate) struct JsonBody(pub(crate) Vec<u8>);

impl<S: Send + Sync> FromRequest<S> for JsonBody {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let announced = body.size_hint().lower();
        let waits_for_consent = parts.headers.contains_key(header::EXPECT);
        if announced > READ_LIMIT as u64 || (announced > LIMIT as u64 && waits_for_consent) {
            return Err(too_large());
        }
        let body = read(body).await?;
        // After reading, or the connection would be of no use for another request.
        check_media_type(&parts.headers)?;
        Ok(Self(body))
    }
}

async fn read(mut body: Body) -> Result<Vec<u8>, Problem> {
    let (mut bytes, mut length) = (Vec::new(), 0);
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let broken = |_| Problem::new(StatusCode::BAD_REQUEST, "the body did not come whole");
        // What is not data are trailers.
        let data = frame.map_err(broken)?.into_data().unwrap_or_default();
        length += data.len();
        if length <= LIMIT {
            bytes.extend_from_slice(&data);
        } else if length > READ_LIMIT {
            break;
        }
    }
    if length > LIMIT { Err(too_large()) } else { Ok(bytes) }
}

fn too_large() -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than {LIMIT} bytes"))
}

fn check_media_type(headers: &HeaderMap) -> Result<(), Problem> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = given.and_then(|value| value.split(';').next()).unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let detail = "send the body as Content-Type: application/json";
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail))
}

/// 400 for what is not JSON, 422 with the place for JSON that is no `T`.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let text = str::from_utf8(body).map_err(not_json)?;
    // Syntax first: what breaks off after a wrong field is not JSON all the same.
    serde_json::from_str::<IgnoredAny>(text).map_err(not_json)?;
    let mut json = serde_json::Deserializer::from_str(text);
    let Object(value) = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let pointer = pointer(error.path());
        Problem::invalid(vec![FieldError { pointer, detail: error.into_inner().to_string() }])
    })?;
    Ok(value)
}

fn not_json(error: impl Display) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, format!("the body is not JSON: {error}"))
}

/// A struct that is written as a JSON object. Serde alone would take a list of its fields' values as well.
#[derive(Debug)]
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData)).map(Self)
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(fields))
    }
}

/// A JSON pointer (RFC 6901).
fn pointer(path: &serde_path_to_error::Path) -> String {
    path.iter()
        .map(|segment| match segment {
            Segment::Seq { index } => format!("/{index}"),
            Segment::Map { key } => format!("/{}", key.replace('~', "~0").replace('/', "~1")),
            Segment::Enum { variant } => format!("/{variant}"),
            Segment::Unknown => String::new(),
        })
        .collect()
}
