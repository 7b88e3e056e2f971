//! The demo shop's products and prices.

use common::money::Money;
use iso_currency::Currency;

/// Something that can be ordered.
pub(crate) struct Product {
    pub(crate) sku: &'static str,
    pub(crate) unit_price: Money,
}

const fn euros(sku: &'static str, euros: i64, cents: i64) -> Product {
    Product { sku, unit_price: Money::new(euros * 100 + cents, Currency::EUR) }
}

const PRODUCTS: [Product; 10] = [
    euros("BOOK-1", 24, 90),
    euros("BOOK-2", 39, 0),
    euros("CHAIR-1", 189, 0),
    euros("COFFEE-1", 12, 50),
    euros("DESK-1", 499, 0),
    // The sandbox's payment provider declines a million and more, so this one shows what a declined payment looks like.
    euros("ISLAND-1", 1_000_000, 0),
    euros("LAMP-1", 59, 90),
    euros("LAPTOP-1", 1_299, 0),
    euros("MUG-1", 9, 90),
    euros("PEN-1", 1, 20),
];

/// The product of that stock keeping unit.
pub(crate) fn find(sku: &str) -> Option<&'static Product> {
    PRODUCTS.iter().find(|product| product.sku == sku)
}
