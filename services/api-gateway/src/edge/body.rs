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
    Deserialize, Deserializer, Serialize,
    de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::Value;
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

/// 422 for what a body says and `read`, which was parsed from it, does not: serde itself passes over what it does not know in
/// an enum, and whoever misspells a field would get more than they asked for.
pub(crate) fn all_is_read(body: &[u8], read: &impl Serialize) -> Result<(), Problem> {
    let said: Value = serde_json::from_slice(body).map_err(not_json)?;
    // What was read from JSON can be written as JSON.
    let read = serde_json::to_value(read).unwrap_or_default();
    let mut errors = Vec::new();
    find_unread("", &said, &read, &mut errors);
    if errors.is_empty() { Ok(()) } else { Err(Problem::invalid(errors)) }
}

fn find_unread(place: &str, said: &Value, read: &Value, errors: &mut Vec<FieldError>) {
    let Value::Object(read) = read else { return };
    let Value::Object(said) = said else {
        return errors.push(FieldError { pointer: place.into(), detail: "expected an object".into() });
    };
    for (name, said) in said {
        let pointer = format!("{place}/{}", token(name));
        match read.get(name) {
            Some(read) => find_unread(&pointer, said, read, errors),
            // What is left out is written as nothing.
            None if said.is_null() => {}
            None => errors.push(FieldError { pointer, detail: format!("unknown field `{name}`") }),
        }
    }
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
            Segment::Map { key } => format!("/{}", token(key)),
            Segment::Enum { variant } => format!("/{variant}"),
            Segment::Unknown => String::new(),
        })
        .collect()
}

/// A name as a part of one.
fn token(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_said_and_not_read_is_told_with_its_place() {
        let read = json!({ "action": "drop", "filter": { "until": 1 } });
        let unread = |said: Value| {
            let mut errors = Vec::new();
            find_unread("", &said, &read, &mut errors);
            errors.into_iter().map(|error| error.pointer).collect::<Vec<_>>()
        };
        assert!(unread(json!({ "action": "drop", "filter": { "until": 1, "type": null } })).is_empty());
        assert_eq!(
            unread(json!({ "action": "drop", "filter": { "tpye": "a", "until": 1 } })),
            ["/filter/tpye"]
        );
        assert_eq!(unread(json!({ "a/b~": 1, "filter": [1] })), ["/a~1b~0", "/filter"]);
    }
}
