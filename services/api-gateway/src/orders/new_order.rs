//! What a client sends to order something, and what is acceptable.

use axum::http::StatusCode;
use common::{
    messages::LineItem,
    money::Money,
    problem::{FieldError, Problem},
};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    accounts::{CUSTOMER_PREFIX, Login},
    catalogue::Prices,
    edge::body::Object,
    plain_id::{self, is_plain_id},
};

const MAX_ITEMS: usize = 100;
const MAX_QUANTITY: u32 = 1000;

/// The body of `POST /orders`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "customer_id": "42", "items": [{ "sku": "BOOK-1", "quantity": 1 }] }))]
pub(crate) struct NewOrder {
    /// Who orders. Guests must say; whoever is logged in orders for themselves.
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9._-]+$")]
    customer_id: Option<String>,
    #[schema(value_type = Vec<NewItem>, min_items = 1, max_items = 100)]
    items: Vec<Object<NewItem>>,
}

/// One line of a new order.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewItem {
    #[schema(example = "BOOK-1")]
    sku: String,
    // Any JSON, so that all that is wrong with a quantity is told in the same words.
    #[schema(value_type = u32, minimum = 1, maximum = 1000)]
    quantity: Value,
}

/// An order that can be accepted: checked, and with the prices that will hold for it.
#[derive(Debug)]
pub(crate) struct PricedOrder {
    pub(crate) customer_id: String,
    pub(crate) items: Vec<LineItem>,
    pub(crate) total: Money,
}

impl NewOrder {
    /// What is ordered, as far as it is looked at.
    pub(crate) fn skus(&self) -> impl Iterator<Item = &str> {
        self.items.iter().take(MAX_ITEMS).map(|Object(item)| &*item.sku)
    }

    /// Checks every field; 422 with all that is wrong, 403 for another's name.
    pub(crate) fn priced(self, login: Option<&Login>, prices: &Prices) -> Result<PricedOrder, Problem> {
        let mut errors = Errors::default();
        let customer_id = customer(self.customer_id, login, &mut errors)?;
        match self.items.len() {
            0 => errors.add("/items", "an order needs at least one item"),
            1..=MAX_ITEMS => {}
            _ => errors.add("/items", format!("an order has at most {MAX_ITEMS} items")),
        }
        // A list that is too long is not looked at item by item.
        let items: Vec<LineItem> = self
            .items
            .into_iter()
            .take(MAX_ITEMS)
            .enumerate()
            .filter_map(|(index, Object(item))| item.priced(index, prices, &mut errors))
            .collect();
        let total = sum(&items, &mut errors);
        match total {
            Some(total) if errors.0.is_empty() => Ok(PricedOrder { customer_id, items, total }),
            _ => Err(Problem::invalid(errors.0)),
        }
    }
}

/// In whose name the order is.
fn customer(named: Option<String>, login: Option<&Login>, errors: &mut Errors) -> Result<String, Problem> {
    let not_yours = |detail: &str| Err(Problem::new(StatusCode::FORBIDDEN, detail));
    match (named, login) {
        (None, Some(login)) => Ok(login.customer_id.clone()),
        (Some(named), Some(login)) if named == login.customer_id => Ok(named),
        (Some(_), Some(_)) => not_yours("whoever is logged in orders for themselves; leave customer_id out"),
        (Some(named), None) if named.starts_with(CUSTOMER_PREFIX) => {
            not_yours("this customer has an account; log in to order in its name")
        }
        (Some(named), None) if is_plain_id(&named) => Ok(named),
        (named, None) => {
            let who = if named.is_none() { "guests must say who orders: " } else { "" };
            let detail = format!("{who}1 to {} letters, digits, '-', '_' or '.'", plain_id::MAX_LENGTH);
            errors.add("/customer_id", detail);
            Ok(String::new())
        }
    }
}

impl NewItem {
    fn priced(self, index: usize, prices: &Prices, errors: &mut Errors) -> Option<LineItem> {
        let quantity = self.quantity.as_u64().and_then(|quantity| u32::try_from(quantity).ok());
        let quantity = quantity.filter(|quantity| (1..=MAX_QUANTITY).contains(quantity));
        if quantity.is_none() {
            let detail = format!("a whole number from 1 to {MAX_QUANTITY}");
            errors.add(format!("/items/{index}/quantity"), detail);
        }
        let product = prices.get(&self.sku);
        if product.is_none() {
            errors.add(format!("/items/{index}/sku"), "no such product");
        }
        Some(LineItem { sku: self.sku, quantity: quantity?, unit_price: product?.unit_price })
    }
}

fn sum(items: &[LineItem], errors: &mut Errors) -> Option<Money> {
    let mut lines = items.iter().map(|item| item.unit_price.times(item.quantity));
    let first = lines.next()?;
    match lines.try_fold(first, |sum, line| Ok(sum.and_then(|sum| sum.plus(&line?)))).flatten() {
        Ok(total) => Some(total),
        Err(error) => {
            errors.add("/items", error.to_string());
            None
        }
    }
}

#[derive(Default)]
struct Errors(Vec<FieldError>);

impl Errors {
    fn add(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        self.0.push(FieldError { pointer: pointer.into(), detail: detail.into() });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::{catalogue::Product, edge::body};

    fn prices() -> Prices {
        let product = |sku: &str, cents| {
            let unit_price = Money::from_minor(cents, "EUR").unwrap();
            (sku.to_owned(), Arc::new(Product { sku: sku.into(), name: sku.into(), unit_price }))
        };
        Prices::from([product("BOOK-1", 2490), product("PEN-1", 120), product("ISLAND-1", 100_000_000)])
    }

    fn order(customer_id: &str, items: &[(&str, u32)]) -> NewOrder {
        let items = items
            .iter()
            .map(|&(sku, quantity)| Object(NewItem { sku: sku.into(), quantity: quantity.into() }));
        NewOrder { customer_id: Some(customer_id.into()), items: items.collect() }
    }

    #[test]
    fn the_total_is_the_sum_of_prices_times_quantities() {
        let priced = order("42", &[("BOOK-1", 2), ("PEN-1", 10)]).priced(None, &prices()).unwrap();
        assert_eq!(priced.total.to_string(), "61.80 EUR");
    }

    #[test]
    fn the_largest_order_there_is_has_a_total() {
        assert!(order("42", &[("ISLAND-1", 1000); 100]).priced(None, &prices()).is_ok());
    }

    #[test]
    fn customer_ids_that_could_forge_a_key_or_a_log_line_are_refused() {
        for id in ["", "a b", "a:b", "{0}", "a\nb", "ä", &"x".repeat(65)] {
            assert!(order(id, &[("PEN-1", 1)]).priced(None, &prices()).is_err(), "{id:?}");
        }
    }

    /// The status that a body is refused with, if it is.
    fn refusal(body: &[u8]) -> Option<u16> {
        let outcome = body::parse::<NewOrder>(body).and_then(|order| order.priced(None, &prices()));
        outcome.err().map(|problem| problem.status().as_u16())
    }

    /// Any JSON, more often than not with the names and values of an order in it.
    fn json() -> impl Strategy<Value = Value> {
        let text = prop_oneof!["BOOK-1|PEN-1|42", any::<String>()];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (0..1100).prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            text.prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 64, 8, |inner| {
            let name = prop_oneof!["customer_id|items|sku|quantity", any::<String>()];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
                prop::collection::btree_map(name, inner, 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn bytes_are_an_order_or_refused(body in prop::collection::vec(any::<u8>(), 0..500)) {
            prop_assert!(matches!(refusal(&body), None | Some(400 | 422)));
        }

        #[test]
        fn json_is_an_order_or_422(body in json()) {
            prop_assert!(matches!(refusal(body.to_string().as_bytes()), None | Some(422)), "{body}");
        }

        #[test]
        fn a_broken_order_is_refused(
            customer in json(),
            sku in "BOOK-1|[A-Z]{0,9}",
            quantity in json(),
            cut in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let items = serde_json::json!([{ "sku": sku, "quantity": quantity }]);
            let whole = serde_json::json!({ "customer_id": customer, "items": items }).to_string();
            prop_assert!(matches!(refusal(whole.as_bytes()), None | Some(422)), "{whole}");
            let cut = cut.index(whole.len());
            prop_assert_eq!(refusal(&whole.as_bytes()[..cut]), Some(400));
            let mut changed = whole.into_bytes();
            changed[cut] = byte;
            prop_assert!(matches!(refusal(&changed), None | Some(400 | 422)));
        }
    }
}
