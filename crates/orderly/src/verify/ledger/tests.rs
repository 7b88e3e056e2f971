use super::*;
use crate::verify::{verdict::Tally, window::Window};

const PARTITIONS: u16 = 4;
const PRICE: &str = "49.80";

/// A ledger of everything, and what to tell it in short words.
struct Case<'a> {
    ledger: Ledger<'a>,
}

fn euros(amount: &str) -> Money {
    Money::parse(amount, "EUR").unwrap()
}

fn partitions() -> Partitions {
    Partitions::new(PARTITIONS)
}

fn order() -> OrderId {
    OrderId::new_v4()
}

fn charge_of(order_id: OrderId) -> Charge {
    Charge {
        id: "ch_1".into(),
        key: PaymentId::of(order_id).to_string(),
        succeeded: true,
        amount: euros(PRICE),
        reference: order_id.to_string(),
        created_at: Timestamp::now(),
    }
}

impl Case<'_> {
    fn event(&mut self, order_id: OrderId, what: What) -> &mut Self {
        self.event_at(order_id, what, 1)
    }

    fn event_at(&mut self, order_id: OrderId, what: What, at: u64) -> &mut Self {
        let fact = Fact { order_id, what, amount: euros(PRICE) };
        let id = StreamId { milliseconds: at, sequence: 0 };
        self.ledger.event(partitions().of_order(order_id), id, fact);
        self
    }

    fn events(&mut self, order_id: OrderId, events: &[What]) -> &mut Self {
        for what in events {
            self.event(order_id, *what);
        }
        self
    }

    fn request(&mut self, order_id: OrderId, at: u64) -> &mut Self {
        let fact = Fact { order_id, what: What::Requested, amount: euros(PRICE) };
        let id = StreamId { milliseconds: at, sequence: 0 };
        self.ledger.request(partitions().of_order(order_id), id, fact);
        self
    }

    fn charge(&mut self, order_id: OrderId) -> &mut Self {
        self.ledger.charge(&charge_of(order_id), Reading::Whole);
        self
    }

    fn promise(&mut self, order_id: OrderId) -> &mut Self {
        self.ledger.promise(&Promise { order_id, amount: Some(euros(PRICE)), placed_at: None });
        self
    }

    fn letter(&mut self, order_id: OrderId, brings_outcome: bool) -> &mut Self {
        let letter = Letter { order_id: Some(order_id), brings_outcome, text: "given up".into() };
        self.ledger.dead_letter(partitions().of_order(order_id), letter);
        self
    }

    /// All journals were trimmed up to this time.
    fn trimmed(&mut self, milliseconds: u64) -> &mut Self {
        for partition in 0..PARTITIONS {
            self.ledger.trimmed_before(partition, StreamId { milliseconds, sequence: 0 });
        }
        self
    }
}

/// Tells what is known of one order.
type Telling = fn(&mut Case<'_>, OrderId);

const TERMS: Terms = Terms { with_books: true, settled: false };

fn verdict(tell: impl FnOnce(&mut Case<'_>)) -> Verdict {
    verdict_on(TERMS, tell)
}

fn verdict_on(terms: Terms, tell: impl FnOnce(&mut Case<'_>)) -> Verdict {
    let share = Share::all(partitions());
    let mut verdict = Verdict::default();
    let mut case = Case { ledger: Ledger::new(&share, partitions(), &mut verdict) };
    tell(&mut case);
    case.ledger.judge(terms);
    verdict
}

/// Of one order, what is wrong with it.
fn wrong(tell: impl FnOnce(&mut Case<'_>, OrderId)) -> Vec<(Kind, String)> {
    let order_id = order();
    let verdict = verdict(|case| tell(case, order_id));
    let wrong = verdict.kept();
    assert!(wrong.iter().all(|disagreement| disagreement.order_id == Some(order_id)), "{wrong:?}");
    wrong.into_iter().map(|disagreement| (disagreement.kind, disagreement.reason.clone())).collect()
}

fn kinds(tell: impl FnOnce(&mut Case<'_>, OrderId)) -> Vec<Kind> {
    wrong(tell).into_iter().map(|(kind, _)| kind).collect()
}

use What::{Declined, Paid, Parked, Placed};

#[test]
fn orders_whose_sources_agree_are_counted_by_their_state() {
    let verdict = verdict(|case| {
        for _ in 0..3 {
            let order_id = order();
            case.promise(order_id).events(order_id, &[Placed, Paid]).charge(order_id);
        }
        case.events(order(), &[Placed, Declined]);
        case.events(order(), &[Placed, Parked]);
        let (later_paid, later_declined) = (order(), order());
        case.events(later_paid, &[Placed, Parked, Paid]).charge(later_paid);
        case.events(later_declined, &[Placed, Parked, Declined]);
    });
    assert!(verdict.is_clean(), "{verdict:?}");
    let expected =
        Tally { accepted: 7, paid: 4, declined: 2, parked: 1, promised: 3, charged: 4, ..Tally::default() };
    assert_eq!(verdict.tally, expected);
}

#[test]
fn a_parked_payment_may_have_been_charged() {
    let verdict = verdict(|case| {
        let order_id = order();
        case.events(order_id, &[Placed, Parked]).charge(order_id);
    });
    assert!(verdict.is_clean(), "{verdict:?}");
    assert_eq!((verdict.tally.parked, verdict.tally.parked_but_charged), (1, 1));
}

#[test]
fn work_that_is_still_ahead_is_in_flight_and_no_disagreement() {
    let order_id = order();
    let tell = |case: &mut Case<'_>| {
        case.event(order_id, Placed).request(order_id, 9);
        assert!(case.ledger.has_suspects());
        case.ledger.is_ahead(order_id);
    };
    let live = verdict(tell);
    assert!(live.is_clean(), "{live:?}");
    assert_eq!(live.tally.in_flight, 1);
    let settled = verdict_on(Terms { settled: true, ..TERMS }, tell);
    assert_eq!(settled.count(Kind::InFlight), 1);
}

#[test]
fn an_order_that_is_charged_and_not_yet_paid_is_in_flight_while_its_request_is_there() {
    let verdict = verdict(|case| {
        let order_id = order();
        case.event(order_id, Placed).request(order_id, 9).charge(order_id).ledger.is_ahead(order_id);
    });
    assert!(verdict.is_clean(), "{verdict:?}");
    assert_eq!((verdict.tally.in_flight, verdict.tally.charged), (1, 1));
}

#[test]
fn an_order_without_an_outcome_and_without_work_is_lost() {
    let found = wrong(|case, order_id| {
        case.event(order_id, Placed).request(order_id, 9);
    });
    assert!(matches!(&found[..], [(Kind::Lost, reason)] if reason.starts_with("accepted, but")), "{found:?}");
    let found = wrong(|case, order_id| {
        case.event(order_id, Placed).charge(order_id);
    });
    assert!(matches!(&found[..], [(Kind::Lost, reason)] if reason.contains("charged")), "{found:?}");
}

#[test]
fn a_promise_that_is_not_in_the_journal_is_lost() {
    let verdict = verdict(|case| {
        let order_id = order();
        // The client was answered twice, and noted both.
        case.promise(order_id).promise(order_id);
    });
    assert_eq!((verdict.count(Kind::Lost), verdict.disagreements()), (1, 1));
    assert_eq!((verdict.tally.promised, verdict.tally.promised_not_accepted), (1, 1));
    assert_eq!(verdict.tally.accepted, 0);
}

#[test]
fn two_charges_are_doubled_by_reference_and_by_key() {
    let by_reference = wrong(|case, order_id| {
        case.events(order_id, &[Placed, Paid]).charge(order_id);
        let by_hand = Charge { id: "ch_2".into(), key: "by-hand".into(), ..charge_of(order_id) };
        case.ledger.charge(&by_hand, Reading::Rest);
    });
    let [(Kind::Doubled, reason)] = &by_reference[..] else { panic!("{by_reference:?}") };
    assert!(reason.contains("ch_2") && reason.contains("by-hand"), "{reason}");

    let same_key = kinds(|case, order_id| {
        case.events(order_id, &[Placed, Paid]).charge(order_id).charge(order_id);
    });
    assert_eq!(same_key, [Kind::Doubled]);

    let by_key = verdict(|case| {
        let order_id = order();
        case.events(order_id, &[Placed, Paid]).charge(order_id);
        let elsewhere = Charge { reference: "a gift".into(), ..charge_of(order_id) };
        case.ledger.charge(&elsewhere, Reading::Whole);
    });
    assert_eq!((by_key.count(Kind::Doubled), by_key.count(Kind::NeverAccepted)), (1, 1));
}

#[test]
fn two_events_that_say_paid_are_doubled() {
    let found = kinds(|case, order_id| {
        case.events(order_id, &[Placed, Paid, Paid]).charge(order_id);
    });
    assert_eq!(found, [Kind::Doubled]);
}

#[test]
fn a_declined_charge_is_no_charge() {
    let found = kinds(|case, order_id| {
        case.events(order_id, &[Placed, Declined]);
        case.ledger.charge(&Charge { succeeded: false, ..charge_of(order_id) }, Reading::Whole);
    });
    assert_eq!(found, []);
}

#[test]
fn what_the_journal_says_is_compared_with_the_books() {
    let not_charged = kinds(|case, order_id| {
        case.events(order_id, &[Placed, Paid]);
        case.ledger.charge(&Charge { succeeded: false, ..charge_of(order_id) }, Reading::Whole);
    });
    assert_eq!(not_charged, [Kind::PaidNotCharged]);
    let declined = kinds(|case, order_id| {
        case.events(order_id, &[Placed, Declined]).charge(order_id);
    });
    assert_eq!(declined, [Kind::DeclinedButCharged]);
}

#[test]
fn without_books_nobody_is_missing_from_them() {
    let verdict = verdict_on(Terms { with_books: false, ..TERMS }, |case| {
        case.events(order(), &[Placed, Paid]);
    });
    assert!(verdict.is_clean(), "{verdict:?}");
}

#[test]
fn a_charge_for_nobody_was_never_accepted() {
    let unknown = kinds(|case, order_id| {
        case.charge(order_id);
    });
    assert_eq!(unknown, [Kind::NeverAccepted]);
    let no_order = verdict(|case| {
        case.ledger.charge(&Charge { reference: "rent".into(), ..charge_of(order()) }, Reading::Whole);
    });
    assert_eq!(no_order.count(Kind::NeverAccepted), 1);
    assert_eq!(no_order.kept()[0].order_id, None);
}

#[test]
fn requests_and_outcomes_of_nobody_were_never_accepted() {
    let requested = wrong(|case, order_id| {
        case.request(order_id, 9);
    });
    assert!(matches!(&requested[..], [(Kind::NeverAccepted, reason)] if reason.contains("requested")));
    let paid = kinds(|case, order_id| {
        case.event(order_id, Paid).charge(order_id);
    });
    assert_eq!(paid, [Kind::NeverAccepted]);
}

#[test]
fn a_charge_that_came_last_may_be_for_an_order_that_came_last() {
    let verdict = verdict(|case| {
        case.ledger.charge(&charge_of(order()), Reading::Rest);
        // This one was accepted meanwhile, after its charge was read.
        let order_id = order();
        case.charge(order_id).events(order_id, &[Placed, Paid]);
    });
    assert!(verdict.is_clean(), "{verdict:?}");
    assert_eq!((verdict.tally.accepted, verdict.tally.paid, verdict.tally.charged), (1, 1, 1));
}

#[test]
fn every_other_amount_is_a_mismatch() {
    let cases: [(&str, Telling); 4] = [
        ("promised for 1.00 EUR, but placed for 49.80 EUR", |case, order_id| {
            case.ledger.promise(&Promise { order_id, amount: Some(euros("1.00")), placed_at: None });
            case.events(order_id, &[Placed, Paid]).charge(order_id);
        }),
        ("placed for 49.80 EUR, but charged 1.00 EUR", |case, order_id| {
            case.events(order_id, &[Placed, Paid]);
            case.ledger.charge(&Charge { amount: euros("1.00"), ..charge_of(order_id) }, Reading::Whole);
        }),
        ("placed for 49.80 EUR, but settled in the journal for 1.00 EUR", |case, order_id| {
            case.event(order_id, Placed).charge(order_id);
            let fact = Fact { order_id, what: Paid, amount: euros("1.00") };
            case.ledger.event(partitions().of_order(order_id), StreamId::ZERO, fact);
        }),
        ("placed for 49.80 EUR, but requested for 49.80 USD", |case, order_id| {
            case.events(order_id, &[Placed, Paid]).charge(order_id);
            let amount = Money::parse(PRICE, "USD").unwrap();
            let fact = Fact { order_id, what: What::Requested, amount };
            case.ledger.request(partitions().of_order(order_id), StreamId::ZERO, fact);
        }),
    ];
    for (reason, tell) in cases {
        assert_eq!(wrong(tell), [(Kind::AmountMismatch, reason.to_owned())]);
    }
}

#[test]
fn a_promise_may_leave_the_amount_out() {
    let found = kinds(|case, order_id| {
        case.ledger.promise(&Promise { order_id, amount: None, placed_at: None });
        case.events(order_id, &[Placed, Declined]);
    });
    assert_eq!(found, []);
}

#[test]
fn events_that_cannot_both_be_true_are_contradictions() {
    for (events, reason) in [
        (&[Placed, Declined, Paid][..], "both paid and declined"),
        (&[Placed, Paid, Declined], "both paid and declined"),
        (&[Placed, Declined, Declined], "declined 2 times"),
        (&[Placed, Placed, Declined], "placed 2 times"),
        (&[Placed, Declined, Parked], "parked after it was settled"),
    ] {
        let found = wrong(|case, order_id| {
            case.events(order_id, events);
            if events.contains(&Paid) {
                case.charge(order_id);
            }
        });
        assert!(matches!(&found[..], [(Kind::Contradiction, text)] if text.contains(reason)), "{found:?}");
    }
}

#[test]
fn an_event_in_another_partitions_journal_is_a_contradiction() {
    let found = kinds(|case, order_id| {
        let other = (partitions().of_order(order_id) + 1) % PARTITIONS;
        case.ledger.event(other, StreamId::ZERO, Fact { order_id, what: Paid, amount: euros(PRICE) });
    });
    assert_eq!(found, [Kind::Contradiction]);
}

#[test]
fn an_order_whose_work_was_given_up_is_dead() {
    let verdict = verdict(|case| {
        let order_id = order();
        case.event(order_id, Placed).letter(order_id, true);
    });
    assert_eq!((verdict.tally.dead, verdict.count(Kind::Dead), verdict.count(Kind::Lost)), (1, 1, 0));
    assert_eq!(verdict.kept()[0].reason, "given up");
}

#[test]
fn any_other_dead_letter_waits_for_somebody_too() {
    let settled = kinds(|case, order_id| {
        case.events(order_id, &[Placed, Paid]).charge(order_id).letter(order_id, true);
    });
    assert_eq!(settled, [Kind::OtherDeadLetter]);
    let of_another_group = kinds(|case, order_id| {
        case.event(order_id, Placed).letter(order_id, false).ledger.is_ahead(order_id);
    });
    assert_eq!(of_another_group, [Kind::OtherDeadLetter]);
    let of_nobody = verdict(|case| {
        case.ledger.dead_letter(0, Letter { order_id: None, brings_outcome: false, text: "?".into() });
    });
    assert_eq!(of_nobody.count(Kind::OtherDeadLetter), 1);
}

#[test]
fn an_entry_that_cannot_be_read_is_told() {
    assert_eq!(
        verdict(|case| case.ledger.undecodable(0, "orders-stream:{0} 1-0: ?".into())).disagreements(),
        1
    );
}

const HOUR: u64 = 3_600_000;

fn at(milliseconds: u64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds.try_into().unwrap()).unwrap()
}

#[test]
fn what_is_older_than_the_journal_is_not_checkable() {
    let cases: [Telling; 7] = [
        // Charged before what is left of the journal, or about then: clocks differ.
        |case, order_id| {
            case.ledger.charge(&Charge { created_at: at(HOUR), ..charge_of(order_id) }, Reading::Whole);
        },
        |case, order_id| {
            case.ledger
                .charge(&Charge { created_at: at(10 * HOUR + 9), ..charge_of(order_id) }, Reading::Whole);
        },
        // Placed before, settled after.
        |case, order_id| {
            case.event(order_id, Paid).charge(order_id);
        },
        // Placed before, and still worked on.
        |case, order_id| {
            case.request(order_id, 11 * HOUR).charge(order_id).ledger.is_ahead(order_id);
        },
        // Promised before, and this long ago.
        |case, order_id| {
            let promise = Promise { order_id, amount: None, placed_at: Some(at(HOUR)) };
            case.ledger.promise(&promise);
            case.ledger.promised_at(&promise);
        },
        // Promised, without any trace.
        |case, order_id| {
            case.promise(order_id);
        },
        |case, order_id| {
            case.promise(order_id);
            case.ledger.charge(
                &Charge { created_at: at(HOUR), succeeded: false, ..charge_of(order_id) },
                Reading::Whole,
            );
        },
    ];
    for (number, tell) in cases.into_iter().enumerate() {
        let verdict = verdict(|case| tell(case.trimmed(10 * HOUR), order()));
        assert!(verdict.is_clean(), "case {number}: {verdict:?}");
        assert_eq!(verdict.tally.not_checkable, 1, "case {number}");
    }
}

#[test]
fn what_is_younger_than_a_trimmed_journal_is_checked_all_the_same() {
    let charged = kinds(|case, order_id| {
        case.trimmed(10 * HOUR).charge(order_id);
    });
    assert_eq!(charged, [Kind::NeverAccepted]);
    let promised = kinds(|case, order_id| {
        let promise = Promise { order_id, amount: None, placed_at: Some(at(11 * HOUR)) };
        case.ledger.promise(&promise);
        case.trimmed(10 * HOUR).ledger.promised_at(&promise);
    });
    assert_eq!(promised, [Kind::Lost]);
    let promised_and_charged = kinds(|case, order_id| {
        case.trimmed(10 * HOUR).promise(order_id).charge(order_id);
    });
    assert_eq!(promised_and_charged, [Kind::Lost]);
    let paid_before = kinds(|case, order_id| {
        case.trimmed(10 * HOUR).event(order_id, Paid);
    });
    assert_eq!(paid_before, [Kind::PaidNotCharged], "the books are whole, whatever the journal is");
}

#[test]
fn a_request_that_outlived_its_order_in_the_journal_says_nothing() {
    let verdict = verdict(|case| {
        case.trimmed(10 * HOUR).request(order(), HOUR);
    });
    assert!(verdict.is_clean(), "{verdict:?}");
}

#[test]
fn in_a_window_only_what_is_told_of_its_own_orders_counts() {
    let time = |ms| Timestamp::from_millisecond(ms).unwrap();
    let (share, mut verdict) = (Share::all(partitions()), Verdict::default());
    let ledger = Ledger::new(&share, partitions(), &mut verdict);
    let mut case = Case { ledger: ledger.within(Some(Window::between(time(1_000), time(2_000)))) };
    let [earlier, paid, doubled, lost, later] = [order(), order(), order(), order(), order()];
    for (order_id, at) in [(earlier, 999), (paid, 1_000), (doubled, 1_500), (lost, 2_000), (later, 2_001)] {
        case.event_at(order_id, Placed, at).request(order_id, at);
    }
    for order_id in [earlier, paid, doubled, later] {
        case.event_at(order_id, Paid, 3_000).charge(order_id);
    }
    // Of the others nothing is told, however wrong it is.
    case.charge(doubled).charge(earlier).charge(order()).event_at(later, Paid, 3_001);
    case.ledger.charge(&Charge { reference: "rent".into(), ..charge_of(order()) }, Reading::Whole);
    case.letter(earlier, false);
    case.ledger.judge(TERMS);
    assert_eq!((verdict.tally.accepted, verdict.tally.paid), (3, 2));
    let wrong: Vec<_> = verdict.kept().iter().map(|wrong| (wrong.kind, wrong.order_id)).collect();
    assert_eq!(wrong, [(Kind::Lost, Some(lost)), (Kind::Doubled, Some(doubled))]);
}

#[test]
fn in_several_passes_every_order_is_counted_once() {
    let orders: Vec<OrderId> = (0..500).map(|_| order()).collect();
    let shares = crate::verify::plan::shares(&[100, 300, 100, 100], 150);
    assert!(shares.len() > 3);
    let mut verdict = Verdict::default();
    for share in &shares {
        let mut case = Case { ledger: Ledger::new(share, partitions(), &mut verdict) };
        for (number, order_id) in orders.iter().enumerate() {
            case.promise(*order_id).events(*order_id, &[Placed, Paid]).request(*order_id, 9);
            case.charge(*order_id);
            if number % 100 == 0 {
                case.charge(*order_id);
            }
        }
        case.ledger.charge(&Charge { reference: "rent".into(), ..charge_of(order()) }, Reading::Whole);
        case.ledger.undecodable(1, "?".into());
        case.letter(orders[7], false);
        case.ledger.judge(TERMS);
    }
    let tally = verdict.tally;
    assert_eq!((tally.accepted, tally.paid, tally.promised, tally.charged), (500, 500, 500, 506));
    let counts = [Kind::Doubled, Kind::NeverAccepted, Kind::Undecodable, Kind::OtherDeadLetter];
    assert_eq!(counts.map(|kind| verdict.count(kind)), [5, 1, 1, 1]);
    assert_eq!(verdict.disagreements(), 8);
}

#[test]
fn an_order_takes_no_more_memory_than_is_said() {
    // A hash map that has just grown is half empty.
    assert!((size_of::<Order>() + size_of::<OrderId>() + 1) * 2 <= 110, "{}", size_of::<Order>());
}
