//! What there is to order, and for how much: kept in SQL, read through the cache.

mod routes;
mod store;

use std::{collections::HashMap, sync::Arc};

use common::{
    money::Money,
    names::Names,
    problem::{FieldError, Problem},
};
use redis_kit::cache::{Cache, Cached};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    cached::{self, POLICY},
    database::{Database, database_failed},
    docs,
    error::redis_failed,
    plain_id::is_plain_id,
};
pub(crate) use routes::routes;
use store::CatalogueStore;

/// How many products of an order may not exist before nothing more is looked up for it. What is not known is asked of the
/// database and kept for a while, which costs far more than to make it up.
const MAX_UNKNOWN: usize = 10;

/// Something that can be ordered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Product {
    /// The stock keeping unit.
    pub(crate) sku: String,
    pub(crate) name: String,
    #[schema(value_type = docs::Money)]
    pub(crate) unit_price: Money,
}

/// Looks products up, and changes them.
pub(crate) struct Catalogue {
    store: CatalogueStore,
    cache: Cache,
    names: Names,
}

/// The products of one order, by their stock keeping units. What is not there does not exist.
pub(crate) type Prices = HashMap<String, Arc<Product>>;

impl Catalogue {
    pub(crate) fn new(database: &Database, cache: Cache, names: Names) -> Self {
        Self { store: CatalogueStore::new(database), cache, names }
    }

    /// The product of that stock keeping unit.
    async fn find(&self, sku: &str) -> Result<Cached<Product>, Problem> {
        let (store, wanted) = (self.store.clone(), sku.to_owned());
        let load = move || async move { store.find(&wanted).await };
        let found = self.cache.get_or_load(&self.names.product(sku), &POLICY, load).await;
        found.map_err(|error| cached::failed("the database", &error))
    }

    /// What a product is called; `None` if there is none, or it cannot be read.
    pub(crate) async fn name(&self, sku: &str) -> Option<String> {
        Some(self.find(sku).await.ok()?.value?.name.clone())
    }

    /// Every product.
    pub(crate) async fn all(&self) -> Result<Cached<Vec<Product>>, Problem> {
        let store = self.store.clone();
        let load = move || async move { store.all().await.map(Some) };
        let found = self.cache.get_or_load(&self.names.products(), &POLICY, load).await;
        found.map_err(|error| cached::failed("the database", &error))
    }

    /// Those of the products of an order that exist; 422 if too many do not.
    pub(crate) async fn prices(&self, skus: impl IntoIterator<Item = &str>) -> Result<Prices, Problem> {
        let (mut prices, mut unknown) = (Prices::new(), 0);
        for sku in skus.into_iter().filter(|sku| is_plain_id(sku)) {
            if prices.contains_key(sku) {
                continue;
            }
            match self.find(sku).await?.value {
                Some(product) => _ = prices.insert(sku.to_owned(), product),
                None => unknown += 1,
            }
            if unknown > MAX_UNKNOWN {
                let detail = format!("more than {MAX_UNKNOWN} of them are of no product");
                return Err(Problem::invalid(vec![FieldError { pointer: "/items".into(), detail }]));
            }
        }
        Ok(prices)
    }

    /// Adds a product or changes it, and has everybody forget what it was. If that fails it is changed all the same, and
    /// may be seen as it was for as long as it is cached; the client is told to ask again, which does the same again.
    async fn put(&self, product: &Product) -> Result<(), Problem> {
        self.store.put(product).await.map_err(database_failed)?;
        for key in [self.names.product(&product.sku), self.names.products()] {
            self.cache.invalidate(&key).await.map_err(|error| redis_failed(&error))?;
        }
        Ok(())
    }
}
