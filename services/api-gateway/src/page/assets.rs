//! What the pages load: each under the name of its file, in the program itself.

use std::sync::LazyLock;

use axum::{
    extract::{Path, rejection::PathRejection},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use common::{http::unknown_route, problem::Problem};
use sha2::{Digest, Sha256};

/// A browser may keep them, but asks each time whether they are still the same: another version of the gateway has others.
const CACHE: HeaderValue = HeaderValue::from_static("no-cache");

const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

struct Asset {
    name: &'static str,
    kind: &'static str,
    text: &'static str,
    tag: HeaderValue,
}

static ASSETS: LazyLock<[Asset; 10]> = LazyLock::new(|| {
    [
        asset("icon.svg", "image/svg+xml", include_str!("../../assets/icon.svg")),
        asset("page.css", STYLE, include_str!("../../assets/page.css")),
        asset("shop.js", SCRIPT, include_str!("../../assets/shop.js")),
        asset("live.js", SCRIPT, include_str!("../../assets/live.js")),
        asset("flow.js", SCRIPT, include_str!("../../assets/flow.js")),
        asset("feed.js", SCRIPT, include_str!("../../assets/feed.js")),
        asset("forms.js", SCRIPT, include_str!("../../assets/forms.js")),
        asset("orders.js", SCRIPT, include_str!("../../assets/orders.js")),
        asset("operator.js", SCRIPT, include_str!("../../assets/operator.js")),
        asset("order.js", SCRIPT, include_str!("../../assets/order.js")),
    ]
});

fn asset(name: &'static str, kind: &'static str, text: &'static str) -> Asset {
    let tag = format!("\"{}\"", hex::encode(&Sha256::digest(text)[..8]));
    // Hexadecimal digits between quotes are a header's value.
    let tag = HeaderValue::from_str(&tag).unwrap_or(HeaderValue::from_static("\"\""));
    Asset { name, kind, text, tag }
}

/// One of them.
pub(super) async fn show_asset(
    uri: Uri,
    headers: HeaderMap,
    name: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let name = name.ok().map(|Path(name)| name);
    let Some(asset) = ASSETS.iter().find(|asset| name.as_deref() == Some(asset.name)) else {
        return Err(unknown_route(uri).await);
    };
    let kept = [(header::ETAG, asset.tag.clone()), (header::CACHE_CONTROL, CACHE)];
    if headers.get(header::IF_NONE_MATCH) == Some(&asset.tag) {
        return Ok((StatusCode::NOT_MODIFIED, kept).into_response());
    }
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static(asset.kind))];
    Ok((kept, kind, asset.text).into_response())
}
