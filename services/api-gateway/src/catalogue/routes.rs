//! The routes of the catalogue.

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    http::StatusCode,
    response::IntoResponse,
};
use common::{
    money::Money,
    problem::{FieldError, Problem},
};
use serde::{Deserialize, Serialize};
use tracing::info;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::Product;
use crate::{
    app::App,
    cached::cache_headers,
    docs::{self, Forbidden, Invalid, NotFound, Unauthorized, Unavailable},
    edge::{
        Admin,
        body::{JsonBody, parse},
    },
    plain_id::is_plain_id,
};

const MAX_NAME: usize = 120;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list_products)).routes(routes!(show_product, put_product))
}

/// All products.
#[derive(Serialize, ToSchema)]
struct ProductList {
    products: Vec<Product>,
}

/// The body of `PUT /products/{sku}`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewProduct {
    #[schema(min_length = 1, max_length = 120)]
    name: String,
    #[schema(value_type = docs::Money)]
    unit_price: Money,
}

/// What there is to order
#[utoipa::path(get, path = "/products", tag = "catalogue", responses(
    (status = 200, description = "Every product, by its stock keeping unit", body = ProductList), Unavailable,
))]
async fn list_products(State(app): State<App>) -> Result<impl IntoResponse, Problem> {
    let cached = app.catalogue.all().await?;
    let headers = cache_headers(&cached);
    let products = cached.value.map(|all| Vec::clone(&all)).unwrap_or_default();
    Ok((headers, Json(ProductList { products })))
}

/// One product
#[utoipa::path(get, path = "/products/{sku}", tag = "catalogue", params(("sku" = String, Path, description = "Its stock keeping unit", example = "BOOK-1")), responses(
    (status = 200, description = "The product", body = Product, headers(
        ("Cache-Status" = String, description = "RFC 9211"),
        ("Age" = u64, description = "Seconds since the database said so"),
    )),
    NotFound, Unavailable,
))]
async fn show_product(
    State(app): State<App>,
    sku: Result<Path<String>, PathRejection>,
) -> Result<impl IntoResponse, Problem> {
    let unknown = || Problem::new(StatusCode::NOT_FOUND, "no product has this stock keeping unit");
    let sku = sku.ok().map(|Path(sku)| sku).filter(|sku| is_plain_id(sku)).ok_or_else(unknown)?;
    let cached = app.catalogue.find(&sku).await?;
    let headers = cache_headers(&cached);
    let product = cached.value.ok_or_else(unknown)?;
    Ok((headers, Json(Product::clone(&product))))
}

/// Add a product, or change it (admin)
///
/// Orders are priced by it within a tenth of a second, on every gateway.
#[utoipa::path(put, path = "/products/{sku}", tag = "catalogue", security(("session" = [])), request_body = NewProduct,
    params(("sku" = String, Path, description = "Its stock keeping unit", example = "BOOK-1", pattern = "^[A-Za-z0-9._-]{1,64}$")), responses(
    (status = 200, description = "The product as it is now", body = Product), Unauthorized, Forbidden, Invalid, Unavailable,
))]
async fn put_product(
    State(app): State<App>,
    Admin(admin): Admin,
    sku: Result<Path<String>, PathRejection>,
    JsonBody(body): JsonBody,
) -> Result<Json<Product>, Problem> {
    let invalid = |pointer: &str, detail: &str| {
        Problem::invalid(vec![FieldError { pointer: pointer.into(), detail: detail.into() }])
    };
    let NewProduct { name, unit_price } = parse(&body)?;
    let sku = sku.ok().map(|Path(sku)| sku).filter(|sku| is_plain_id(sku));
    let sku =
        sku.ok_or_else(|| invalid("", "a stock keeping unit is 1 to 64 letters, digits, '-', '_' or '.'"))?;
    if name.is_empty() || name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(invalid("/name", "1 to 120 characters, none of them a control character"));
    }
    if unit_price.minor() < 0 {
        return Err(invalid("/unit_price/amount", "not less than zero"));
    }
    let product = Product { sku, name, unit_price };
    app.catalogue.put(&product).await?;
    info!(sku = product.sku, unit_price = %product.unit_price, by = %admin.session.data.account_id, "changed a product");
    Ok(Json(product))
}
