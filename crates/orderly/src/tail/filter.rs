use std::collections::HashSet;

use common::messages::{OrderEvent, OrderId};
use redis_kit::stream::Message;

use super::TailArgs;

/// Which events are told.
pub(super) struct Filter {
    order: Option<OrderId>,
    customer: Option<String>,
    /// Of any type if there is none.
    types: Vec<String>,
    /// The customer's orders that were placed and are not settled yet: not every event names the customer.
    under_way: HashSet<OrderId>,
}

impl Filter {
    pub(super) fn new(args: &TailArgs) -> Self {
        Self {
            order: args.order,
            customer: args.customer.clone(),
            types: args.types.clone(),
            under_way: HashSet::new(),
        }
    }

    /// Whether an event is to be told. Wants to be asked of each, in their order.
    pub(super) fn passes(&mut self, event: &OrderEvent) -> bool {
        let is_customers = self.is_customers(event);
        let is_orders = self.order.is_none_or(|order| order == event.order_id());
        let has_type =
            self.types.is_empty() || self.types.iter().any(|wanted| wanted == event.message_type());
        is_customers && is_orders && has_type
    }

    fn is_customers(&mut self, event: &OrderEvent) -> bool {
        let Some(wanted) = &self.customer else { return true };
        let order_id = event.order_id();
        match event {
            OrderEvent::Placed { customer_id, .. } | OrderEvent::PaymentParked { customer_id, .. } => {
                if customer_id == wanted {
                    self.under_way.insert(order_id);
                }
                customer_id == wanted
            }
            OrderEvent::Paid { customer_id, .. } | OrderEvent::PaymentDeclined { customer_id, .. } => {
                self.under_way.remove(&order_id);
                customer_id == wanted
            }
            OrderEvent::PaymentAttemptFailed { .. } | OrderEvent::PaymentResolutionRefused { .. } => {
                self.under_way.contains(&order_id)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use common::{messages::PaymentId, money::Money};
    use uuid::Uuid;

    use super::*;

    fn filter() -> Filter {
        Filter { order: None, customer: None, types: Vec::new(), under_way: HashSet::new() }
    }

    fn amount() -> Money {
        Money::parse("1", "EUR").unwrap()
    }

    fn placed(order_id: OrderId, customer: &str) -> OrderEvent {
        OrderEvent::Placed { order_id, customer_id: customer.into(), items: Vec::new(), total: amount() }
    }

    fn attempt_failed(order_id: OrderId) -> OrderEvent {
        let payment_id = PaymentId::of(order_id);
        OrderEvent::PaymentAttemptFailed { order_id, payment_id, attempt: 1, reason: "?".into(), tried: None }
    }

    fn paid(order_id: OrderId, customer: &str) -> OrderEvent {
        OrderEvent::Paid {
            order_id,
            customer_id: customer.into(),
            payment_id: PaymentId::of(order_id),
            amount: amount(),
            charge_id: "ch_1".into(),
            attempt: 2,
            resolution: None,
            tried: None,
        }
    }

    #[test]
    fn without_any_filter_everything_is_told() {
        let id = Uuid::new_v4();
        for event in [placed(id, "42"), attempt_failed(id), paid(id, "42")] {
            assert!(filter().passes(&event), "{event:?}");
        }
    }

    #[test]
    fn a_customer_is_told_of_by_events_that_do_not_name_him_too() {
        let (his, hers) = (Uuid::new_v4(), Uuid::new_v4());
        let mut filter = Filter { customer: Some("42".into()), ..filter() };
        let events = [
            (attempt_failed(his), false),
            (placed(his, "42"), true),
            (placed(hers, "7"), false),
            (attempt_failed(his), true),
            (attempt_failed(hers), false),
            (paid(hers, "7"), false),
            (paid(his, "42"), true),
        ];
        for (event, is_told) in events {
            assert_eq!(filter.passes(&event), is_told, "{event:?}");
        }
        assert!(filter.under_way.is_empty(), "nothing is remembered of what is settled");
    }

    #[test]
    fn all_filters_must_agree() {
        let id = Uuid::new_v4();
        let types = vec!["order.paid".into(), "order.payment_parked".into()];
        let mut filter = Filter { order: Some(id), types, ..filter() };
        assert!(!filter.passes(&placed(id, "42")));
        assert!(filter.passes(&paid(id, "42")));
        assert!(!filter.passes(&paid(Uuid::new_v4(), "42")));
    }
}
