//! What there is to order, and for how much.

mod store;

use std::collections::HashMap;

use common::{money::Money, problem::Problem};
use serde::{Deserialize, Serialize};

use crate::database::{Database, database_failed};
use store::CatalogueStore;

/// Something that can be ordered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Product {
    pub(crate) sku: String,
    pub(crate) name: String,
    pub(crate) unit_price: Money,
}

/// Looks products up. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Catalogue {
    store: CatalogueStore,
}

/// The products of one order, by their stock keeping units. What is not there does not exist.
pub(crate) type Prices = HashMap<String, Product>;

impl Catalogue {
    pub(crate) fn new(database: &Database) -> Self {
        Self { store: CatalogueStore::new(database) }
    }

    /// The product of that stock keeping unit.
    pub(crate) async fn find(&self, sku: &str) -> Result<Option<Product>, Problem> {
        self.store.find(sku).await.map_err(database_failed)
    }

    /// Those of these products that exist.
    pub(crate) async fn prices(&self, skus: impl IntoIterator<Item = &str>) -> Result<Prices, Problem> {
        let mut prices = Prices::new();
        for sku in skus {
            if !prices.contains_key(sku)
                && let Some(product) = self.find(sku).await?
            {
                prices.insert(sku.to_owned(), product);
            }
        }
        Ok(prices)
    }
}
