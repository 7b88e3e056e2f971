//! What people read of an event, in colour.

use anstyle::{AnsiColor, Style};
use common::messages::{Announcement, LineItem, OrderEvent, Resolution, Tried};
use redis_kit::{
    stream::{Message, StreamId},
    trace::TraceContext,
};

/// The length of the longest type.
const TYPE: usize = 32;

const DIM: Style = Style::new().dimmed();

/// An event, on one line.
pub(super) fn event(announcement: &Announcement, verbose: bool) -> String {
    let Announcement { event, occurred_at, traceparent, .. } = announcement;
    let (colour, kind) = (colour(event), event.message_type());
    let mut line =
        format!("{DIM}{occurred_at:.3}{DIM:#} {colour}{kind:TYPE$}{colour:#} {}", event.order_id());
    for part in parts(event) {
        line.push_str("  ");
        line.push_str(&part);
    }
    if verbose && let Ok(trace) = traceparent.parse::<TraceContext>() {
        line = format!("{line}  {DIM}trace {}{DIM:#}", trace.trace_id());
    }
    line
}

/// That what stood behind `from` cannot be told.
pub(super) fn reset(partition: usize, from: StreamId, to: StreamId) -> String {
    let red = AnsiColor::Red.on_default().bold();
    let what = if to > from {
        format!("what was appended between {} and {} is gone, and cannot be told", place(from), place(to))
    } else {
        format!("the journal has lost what was appended after {}", place(to))
    };
    format!("{red}partition {partition}: {what}{red:#}")
}

/// When what stands there was appended.
fn place(id: StreamId) -> String {
    if id > StreamId::ZERO { format!("{:.3}", id.time()) } else { "the beginning".into() }
}

fn colour(event: &OrderEvent) -> Style {
    let colour = match event {
        OrderEvent::Placed { .. } => AnsiColor::Cyan,
        OrderEvent::Paid { .. } => AnsiColor::Green,
        OrderEvent::PaymentAttemptFailed { .. } => AnsiColor::Yellow,
        OrderEvent::PaymentDeclined { .. } => AnsiColor::Magenta,
        OrderEvent::PaymentParked { .. } | OrderEvent::PaymentResolutionRefused { .. } => AnsiColor::Red,
    };
    colour.on_default()
}

/// Who, how much, and what else matters. What users and the provider wrote may hold anything.
fn parts(event: &OrderEvent) -> Vec<String> {
    let customer = |id: &str| format!("customer {}", id.escape_debug());
    match event {
        OrderEvent::Placed { customer_id, items, total, .. } => {
            let items: Vec<String> = items.iter().map(item).collect();
            vec![customer(customer_id), total.to_string(), items.join(", ")]
        }
        OrderEvent::Paid { customer_id, amount, charge_id, attempt, resolution, tried, .. } => {
            let charge =
                format!("attempt {attempt}{}, charge {}", by(tried.as_ref()), charge_id.escape_debug());
            let mut parts = vec![customer(customer_id), amount.to_string(), charge];
            parts.extend(resolution.as_ref().map(resolved));
            parts
        }
        OrderEvent::PaymentAttemptFailed { attempt, reason, tried, .. } => {
            vec![format!("attempt {attempt}{}: {}", by(tried.as_ref()), reason.escape_debug())]
        }
        OrderEvent::PaymentDeclined { customer_id, amount, reason, attempt, resolution, tried, .. } => {
            let attempt = attempt
                .map(|attempt| format!("attempt {attempt}{}: ", by(tried.as_ref())))
                .unwrap_or_default();
            let why = format!("{attempt}{}", reason.escape_debug());
            let mut parts = vec![customer(customer_id), amount.to_string(), why];
            parts.extend(resolution.as_ref().map(resolved));
            parts
        }
        OrderEvent::PaymentParked { customer_id, amount, reason, attempts, .. } => {
            let why = format!("after {attempts} attempts: {}", reason.escape_debug());
            vec![customer(customer_id), amount.to_string(), why]
        }
        OrderEvent::PaymentResolutionRefused { resolution, reason, .. } => {
            vec![resolved(resolution), format!("refused: {}", reason.escape_debug())]
        }
    }
}

/// Who made an attempt, if that is told.
fn by(tried: Option<&Tried>) -> String {
    tried.map(|tried| format!(" by {}", tried.by.escape_debug())).unwrap_or_default()
}

fn item(LineItem { sku, quantity, .. }: &LineItem) -> String {
    format!("{quantity} × {}", sku.escape_debug())
}

fn resolved(Resolution { by, why, .. }: &Resolution) -> String {
    format!("resolved by {}: {}", by.escape_debug(), why.escape_debug())
}

#[cfg(test)]
mod tests {
    use common::{
        messages::{PaymentId, Verdict},
        money::Money,
    };
    use jiff::Timestamp;
    use uuid::Uuid;

    use super::*;

    fn told(event: OrderEvent, verbose: bool) -> String {
        let announcement = Announcement {
            event,
            event_id: Uuid::nil(),
            occurred_at: Timestamp::UNIX_EPOCH,
            traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into(),
        };
        anstream::adapter::strip_str(&super::event(&announcement, verbose)).to_string()
    }

    fn declined(reason: &str) -> OrderEvent {
        OrderEvent::PaymentDeclined {
            order_id: Uuid::nil(),
            customer_id: "42".into(),
            payment_id: PaymentId::of(Uuid::nil()),
            amount: Money::parse("49.80", "EUR").unwrap(),
            reason: reason.into(),
            attempt: None,
            tried: None,
            resolution: Some(Resolution {
                verdict: Verdict::Declined,
                by: "ann".into(),
                why: "she rang".into(),
            }),
        }
    }

    #[test]
    fn a_line_tells_when_what_whose_how_much_why_and_who_decided() {
        let line = told(declined("insufficient_funds"), false);
        let told: Vec<&str> = line.split_whitespace().collect();
        let nobody = Uuid::nil().to_string();
        assert_eq!(told[..3], ["1970-01-01T00:00:00.000Z", "order.payment_declined", &nobody]);
        assert!(
            line.ends_with("  customer 42  49.80 EUR  insufficient_funds  resolved by ann: she rang"),
            "{line}"
        );
    }

    #[test]
    fn an_attempt_is_told_with_its_worker_if_that_is_known() {
        let failed = |tried| OrderEvent::PaymentAttemptFailed {
            order_id: Uuid::nil(),
            payment_id: PaymentId::of(Uuid::nil()),
            attempt: 2,
            reason: "no answer".into(),
            tried,
        };
        let at = Timestamp::UNIX_EPOCH;
        let tried = Tried { by: "payment-worker-1".into(), given_at: at, began_at: at, call_ms: Some(9) };
        assert!(told(failed(None), false).ends_with("  attempt 2: no answer"));
        assert!(told(failed(Some(tried)), false).ends_with("  attempt 2 by payment-worker-1: no answer"));
    }

    #[test]
    fn the_trace_is_told_to_who_asks_for_it() {
        assert!(!told(declined("no"), false).contains("trace"));
        assert!(told(declined("no"), true).ends_with("  trace 4bf92f3577b34da6a3ce929d0e0e4736"));
    }

    #[test]
    fn nobody_writes_on_the_readers_terminal() {
        let line = told(declined("\u{1b}[2J\nordered"), false);
        assert!(line.contains(r"\u{1b}[2J\nordered"), "{line}");
    }

    #[test]
    fn a_reset_tells_forward_from_back() {
        let id = |milliseconds| StreamId { milliseconds, sequence: 0 };
        let trimmed = reset(1, StreamId::ZERO, id(9));
        assert!(trimmed.contains(
            "partition 1: what was appended between the beginning and 1970-01-01T00:00:00.009Z is gone"
        ));
        assert!(reset(1, id(9), id(3)).contains("has lost what was appended after 1970-01-01T00:00:00.003Z"));
    }
}
