//! The API described by itself: `/openapi.json` (OpenAPI 3.1), and `/docs` to read and try it, without a CDN.
//!
//! What a route takes and answers stands above it. Here is what many share.

use axum::{
    Router,
    http::{HeaderValue, header},
    middleware::{Next, from_fn},
    response::Response,
};
use utoipa::{
    IntoResponses, Modify, OpenApi, ToSchema,
    openapi::security::{ApiKey, ApiKeyValue, SecurityScheme},
};
use utoipa_axum::router::OpenApiRouter;
use utoipa_swagger_ui::SwaggerUi;

/// An empty router whose routes are described.
pub(crate) fn describe<S: Clone + Send + Sync + 'static>() -> OpenApiRouter<S> {
    OpenApiRouter::with_openapi(Api::openapi())
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Orderly",
        description = "Takes orders, charges each exactly once, and tells what became of it.",
    ),
    // What is named only where an answer is described is not found by itself.
    components(schemas(Problem, FieldError)),
    modifiers(&Cookie),
    tags(
        (name = "orders", description = "Placing orders, and following them"),
        (name = "leaderboards", description = "Who buys most, what is bought most, and what is bought now"),
        (name = "catalogue", description = "What there is, and who"),
        (name = "accounts", description = "Logging in, and one's sessions"),
        (name = "operator", description = "How the system is doing, and steering it; for admins"),
    ),
)]
struct Api;

struct Cookie;

impl Modify for Cookie {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let cookie = ApiKeyValue::with_description("__Host-session", "Given by `POST /login`");
        let components = api.components.get_or_insert_default();
        components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    }
}

/// The routes of the description itself.
pub(crate) fn routes(mut api: utoipa::openapi::OpenApi) -> Router {
    may_exceed_limits(&mut api);
    let pages: Router = SwaggerUi::new("/docs").url("/openapi.json", api).into();
    pages
        .layer(from_fn(|request, next: Next| async move { pages_may_run_their_own(next.run(request).await) }))
}

/// Whatever is asked counts as a request from its address.
fn may_exceed_limits(api: &mut utoipa::openapi::OpenApi) {
    for path in api.paths.paths.values_mut() {
        let operations = [&mut path.get, &mut path.put, &mut path.post, &mut path.delete];
        for operation in operations.into_iter().flatten() {
            operation.responses.responses.extend(LimitExceeded::responses());
        }
    }
}

/// The pages run scripts, which come from here alone.
fn pages_may_run_their_own(mut response: Response) -> Response {
    let policy =
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'";
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    response
}

/// An amount of one currency.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes how the type of the same name is written as JSON")]
pub(crate) struct Money {
    /// A decimal with as many places as the currency has.
    #[schema(example = "99.00", pattern = r"^-?[0-9]+(\.[0-9]+)?$")]
    amount: String,
    /// ISO 4217.
    #[schema(example = "EUR", min_length = 3, max_length = 3)]
    currency: String,
}

/// One line of an order.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes how the type of the same name is written as JSON")]
pub(crate) struct LineItem {
    sku: String,
    #[schema(minimum = 1, maximum = 1000)]
    quantity: u32,
    unit_price: Money,
}

/// A payment that waits for a person, with what the person needs to know.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes how the type of the same name is written as JSON")]
pub(crate) struct ParkedPayment {
    /// By which the provider knows it: its idempotency key.
    payment_id: uuid::Uuid,
    order_id: uuid::Uuid,
    customer_id: String,
    amount: Money,
    /// What stands in the way.
    reason: String,
    /// How often it was tried.
    attempts: u32,
    first_attempt_at: jiff::Timestamp,
    /// When it was given up.
    parked_at: jiff::Timestamp,
}

/// What went wrong (RFC 9457).
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes how the type of the same name is written as JSON")]
pub(crate) struct Problem {
    #[schema(example = "about:blank")]
    r#type: String,
    title: String,
    status: u16,
    /// What happened, and what to do.
    detail: String,
    /// Field by field, if the request's meaning is the matter.
    errors: Option<Vec<FieldError>>,
}

/// What is wrong with one field.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes how the type of the same name is written as JSON")]
pub(crate) struct FieldError {
    /// A JSON pointer (RFC 6901).
    pointer: String,
    detail: String,
}

/// What was sent beside a body is wrong.
#[derive(IntoResponses)]
#[response(
    status = 400,
    description = "Not a valid header or parameter",
    content_type = "application/problem+json"
)]
#[expect(dead_code, reason = "describes answers")]
pub(crate) struct BadRequest(#[to_schema] Problem);

/// Nobody is logged in.
#[derive(IntoResponses)]
#[response(
    status = 401,
    description = "There is no session, or the password is wrong",
    content_type = "application/problem+json"
)]
#[expect(dead_code, reason = "describes answers")]
pub(crate) struct Unauthorized(#[to_schema] Problem);

/// Not this caller.
#[derive(IntoResponses)]
#[response(
    status = 403,
    description = "This caller may not do this",
    content_type = "application/problem+json"
)]
#[expect(dead_code, reason = "describes answers")]
pub(crate) struct Forbidden(#[to_schema] Problem);

/// There is none.
#[derive(IntoResponses)]
#[response(
    status = 404,
    description = "There is none, or none that this caller may see",
    content_type = "application/problem+json"
)]
#[expect(dead_code, reason = "describes answers")]
pub(crate) struct NotFound(#[to_schema] Problem);

/// It is taken.
#[derive(IntoResponses)]
#[response(status = 409, description = "Somebody else was faster", content_type = "application/problem+json")]
#[expect(dead_code, reason = "describes answers")]
pub(crate) struct Conflict(#[to_schema] Problem);

/// The ways in which what was sent can be wrong.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "describes answers")]
pub(crate) enum Invalid {
    #[response(
        status = 400,
        description = "Not JSON, or not a valid header or parameter",
        content_type = "application/problem+json"
    )]
    NotJson(#[to_schema] Problem),
    #[response(
        status = 408,
        description = "The body did not come in time",
        content_type = "application/problem+json"
    )]
    TooSlow(#[to_schema] Problem),
    #[response(
        status = 413,
        description = "The body is too large",
        content_type = "application/problem+json"
    )]
    TooLarge(#[to_schema] Problem),
    #[response(
        status = 415,
        description = "The body is not application/json",
        content_type = "application/problem+json"
    )]
    OtherType(#[to_schema] Problem),
    #[response(
        status = 422,
        description = "JSON, but not what it should mean",
        content_type = "application/problem+json"
    )]
    OtherMeaning(#[to_schema] Problem),
}

/// Too much.
#[derive(IntoResponses)]
#[response(status = 429, description = "Too much of this at once", content_type = "application/problem+json", headers(
    ("Retry-After" = u64, description = "Seconds to wait"),
    ("RateLimit" = String, description = "What is left"),
    ("RateLimit-Policy" = String, description = "Of what"),
))]
#[expect(dead_code, reason = "describes answers")]
struct LimitExceeded(#[to_schema] Problem);

/// Later.
#[derive(IntoResponses)]
#[response(status = 503, description = "It cannot be done now; whether it was is unknown", content_type = "application/problem+json", headers(
    ("Retry-After" = u64, description = "Seconds to wait"),
))]
#[expect(dead_code, reason = "describes answers")]
pub(crate) struct Unavailable(#[to_schema] Problem);
