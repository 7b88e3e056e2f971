//! The table `products`.

use sqlx::{Row, any::AnyRow};

use super::Product;
use crate::database::{Database, money};

/// Reads and writes products.
#[derive(Clone)]
pub(crate) struct CatalogueStore {
    database: Database,
}

impl CatalogueStore {
    pub(crate) fn new(database: &Database) -> Self {
        Self { database: database.clone() }
    }

    /// The product of that stock keeping unit.
    pub(crate) async fn find(&self, sku: &str) -> sqlx::Result<Option<Product>> {
        let query =
            sqlx::query("SELECT sku, name, unit_price, currency FROM products WHERE sku = $1").bind(sku);
        query.fetch_optional(&self.database.pool).await?.as_ref().map(product).transpose()
    }

    /// All of them, by their units.
    pub(crate) async fn all(&self) -> sqlx::Result<Vec<Product>> {
        let query = sqlx::query("SELECT sku, name, unit_price, currency FROM products ORDER BY sku");
        query.fetch_all(&self.database.pool).await?.iter().map(product).collect()
    }

    /// Adds a product, or gives the one of that unit another name and price.
    pub(crate) async fn put(&self, product: &Product) -> sqlx::Result<()> {
        sqlx::query(
            "INSERT INTO products (sku, name, unit_price, currency) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (sku) DO UPDATE SET name = excluded.name, unit_price = excluded.unit_price, \
             currency = excluded.currency",
        )
        .bind(&product.sku)
        .bind(&product.name)
        .bind(product.unit_price.minor())
        .bind(product.unit_price.currency())
        .execute(&self.database.pool)
        .await?;
        Ok(())
    }
}

fn product(row: &AnyRow) -> sqlx::Result<Product> {
    Ok(Product {
        sku: row.try_get("sku")?,
        name: row.try_get("name")?,
        unit_price: money(row, "unit_price")?,
    })
}
