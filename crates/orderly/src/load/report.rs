//! The verdict, for people and for programs.

use std::{
    collections::BTreeMap,
    fmt::{self, Display, Formatter},
    process::ExitCode,
};

use common::messages::OrderId;
use serde::Serialize;

use super::tally::{Failures, Figures, Outcome};
use crate::report::{UNKNOWN, row};

/// Orders that people are shown.
const SHOWN: usize = 20;

/// Orders of one kind that programs are told.
const LISTED: usize = 1_000;

/// Everything there is to say.
pub(super) struct Report {
    pub(super) figures: Figures,
    pub(super) outcome: Outcome,
    /// Orders that were due, but not sent before the time was over.
    pub(super) not_sent: u64,
    pub(super) gateway: String,
    pub(super) redis: String,
    pub(super) partitions: u16,
    /// `None` if the books were left out.
    pub(super) provider: Option<String>,
    /// Why it is not known whether all ended.
    pub(super) doubts: Vec<String>,
}

/// As one JSON object. Its names stay.
#[derive(Serialize)]
struct Json<'a> {
    verdict: &'static str,
    accepted: u64,
    paid: u64,
    declined: u64,
    parked: u64,
    lost: u64,
    doubled: usize,
    accepted_per_s: f64,
    settled_per_s: f64,
    http_p50_ms: Option<f64>,
    http_p99_ms: Option<f64>,
    settle_p50_ms: Option<f64>,
    settle_p99_ms: Option<f64>,
    /// By status.
    refused: BTreeMap<u16, u64>,
    refused_because: BTreeMap<u16, &'a str>,
    unanswered: u64,
    not_sent: u64,
    resets: u64,
    charged: u64,
    provider_checked: bool,
    /// A thousand of each at most.
    lost_orders: &'a [OrderId],
    doubled_orders: &'a [OrderId],
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Agrees,
    Disagrees,
    Unknown,
}

impl Report {
    /// 0 if all ended, once; 1 if not; 2 if that is not known.
    pub(super) fn exit_code(&self) -> ExitCode {
        match self.verdict() {
            Verdict::Agrees => ExitCode::SUCCESS,
            Verdict::Disagrees => ExitCode::FAILURE,
            Verdict::Unknown => ExitCode::from(UNKNOWN),
        }
    }

    pub(super) fn json(&self) -> serde_json::Result<String> {
        let (figures, outcome) = (&self.figures, &self.outcome);
        let refused = || figures.refused.iter();
        serde_json::to_string(&Json {
            verdict: match self.verdict() {
                Verdict::Agrees => "ok",
                Verdict::Disagrees => "disagreement",
                Verdict::Unknown => "unknown",
            },
            accepted: figures.accepted,
            paid: outcome.paid,
            declined: outcome.declined,
            parked: outcome.parked,
            lost: outcome.lost,
            doubled: outcome.doubled_ids.len(),
            accepted_per_s: figures.accepted_per_s,
            settled_per_s: figures.settled_per_s,
            http_p50_ms: figures.http_p50_ms,
            http_p99_ms: figures.http_p99_ms,
            settle_p50_ms: figures.settle_p50_ms,
            settle_p99_ms: figures.settle_p99_ms,
            refused: refused().map(|(status, refused)| (*status, refused.count)).collect(),
            refused_because: refused().map(|(status, refused)| (*status, &*refused.why)).collect(),
            unanswered: figures.unanswered.count,
            not_sent: self.not_sent,
            resets: figures.resets,
            charged: outcome.charged,
            provider_checked: self.provider.is_some(),
            lost_orders: first(&outcome.lost_ids, LISTED),
            doubled_orders: first(&outcome.doubled_ids, LISTED),
            error: (self.verdict() == Verdict::Unknown).then(|| self.doubts().join("; ")),
        })
    }

    fn verdict(&self) -> Verdict {
        if !self.doubts().is_empty() {
            Verdict::Unknown
        } else if self.outcome.lost > 0 || !self.outcome.doubled_ids.is_empty() {
            Verdict::Disagrees
        } else {
            Verdict::Agrees
        }
    }

    fn doubts(&self) -> Vec<String> {
        let nothing = (self.figures.accepted == 0).then(|| "no order was accepted".to_owned());
        nothing.into_iter().chain(self.doubts.iter().cloned()).collect()
    }

    /// What there is to know beside the figures, and to do about it.
    fn notes(&self) -> Vec<String> {
        let (figures, outcome) = (&self.figures, &self.outcome);
        let mut notes = Vec::new();
        for (status, Failures { count, why }) in &figures.refused {
            // Whoever answered may have said anything.
            let why = why.escape_debug();
            notes.push(format!(
                "answers of status {status}: {count}; the first said: {why}. {}",
                advice(*status)
            ));
        }
        if let Failures { count: count @ 1.., why } = &figures.unanswered {
            notes.push(format!(
                "without an answer: {count}; the first because of: {}. Some of these orders may have been accepted all the same; \
                 with --idempotent they are asked for again",
                why.escape_debug()
            ));
        }
        if self.not_sent > 0 {
            notes.push(format!(
                "{} orders could not be sent in time: the system, or this command, did not keep the rate. With more \
                 --connections, more can wait for their answers at the same time",
                self.not_sent
            ));
        }
        if outcome.lost > 0 && outcome.lost == figures.accepted {
            notes.push(
                "no order ended at all. Are payment-producer, payment-workers and order-publisher running? Are --redis-url and \
                 --key-prefix the gateway's?"
                    .into(),
            );
        }
        if outcome.lost > 0 {
            notes.push(
                "an order without an outcome may still get one; `orderly verify` tells what became of each"
                    .into(),
            );
        }
        if figures.resets > 0 {
            notes.push(format!(
                "resets of the journal: {}. It was trimmed or has lost its end, and endings may have been missed",
                figures.resets
            ));
        }
        notes
    }

    fn list(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (what, ids) in [("lost", &self.outcome.lost_ids), ("doubled", &self.outcome.doubled_ids)] {
            if !ids.is_empty() {
                writeln!(f, "\n{what}:")?;
            }
            for id in first(ids, SHOWN) {
                writeln!(f, "  {id}")?;
            }
            if ids.len() > SHOWN {
                writeln!(f, "  … and {} more; --json lists them, up to a thousand", ids.len() - SHOWN)?;
            }
        }
        Ok(())
    }

    fn conclusion(&self) -> String {
        match self.verdict() {
            Verdict::Agrees => "every order that was accepted came to an end, once".into(),
            Verdict::Disagrees => {
                format!("{} lost, {} doubled", self.outcome.lost, self.outcome.doubled_ids.len())
            }
            Verdict::Unknown => format!("unknown: {}", self.doubts().join("; ")),
        }
    }
}

/// What to do about answers of this status.
fn advice(status: u16) -> &'static str {
    match status {
        429 => {
            "A limit was met: spread the orders over more --customers, or start the gateway without its limits \
             (ORDERS_PER_MINUTE, GUEST_ORDERS_PER_MINUTE and REQUESTS_PER_MINUTE, each 0)"
        }
        404 | 405 => "Is --url the gateway's?",
        403 | 422 => "Is each --sku in the catalogue (GET /products)?",
        503 => "The gateway's log and its /readyz tell why it cannot take orders",
        500.. => "The gateway's log tells why. Some of these orders may have been accepted all the same",
        _ => "The gateway's /docs tell what it means",
    }
}

fn first(ids: &[OrderId], count: usize) -> &[OrderId] {
    &ids[..ids.len().min(count)]
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (figures, outcome) = (&self.figures, &self.outcome);
        let provider = self.provider.as_deref().unwrap_or("left out");
        let (gateway, redis, partitions) = (&self.gateway, &self.redis, self.partitions);
        writeln!(f, "gateway {gateway}, Redis {redis} ({partitions} partitions), provider {provider}\n")?;
        row(f, "accepted", figures.accepted)?;
        row(f, "  paid", outcome.paid)?;
        row(f, "  declined", outcome.declined)?;
        row(f, "  parked", outcome.parked)?;
        row(f, "  lost", outcome.lost)?;
        if self.provider.is_some() {
            row(f, "charged", outcome.charged)?;
        }
        row(f, "doubled", outcome.doubled_ids.len())?;
        row(f, "refused", figures.refused.values().map(|refused| refused.count).sum::<u64>())?;
        row(f, "unanswered", figures.unanswered.count)?;
        writeln!(f)?;
        row(f, "accepted/s", format_args!("{:.1}", figures.accepted_per_s))?;
        row(f, "settled/s", format_args!("{:.1}", figures.settled_per_s))?;
        row(f, "order to answer, p50", Millis(figures.http_p50_ms))?;
        row(f, "order to answer, p99", Millis(figures.http_p99_ms))?;
        row(f, "order to outcome, p50", Millis(figures.settle_p50_ms))?;
        row(f, "order to outcome, p99", Millis(figures.settle_p99_ms))?;
        self.list(f)?;
        for note in self.notes() {
            writeln!(f, "\nnote: {note}")?;
        }
        write!(f, "\nverdict: {}", self.conclusion())
    }
}

/// How long something took.
pub(super) struct Millis(pub(super) Option<f64>);

impl Display for Millis {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(millis) => f.pad(&format!("{millis:.1} ms")),
            None => f.pad("-"),
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn report() -> Report {
        let figures = Figures { accepted: 3, settled: 3, http_p99_ms: Some(12.34), ..Figures::default() };
        Report {
            figures,
            outcome: Outcome { paid: 3, ..Outcome::default() },
            not_sent: 0,
            gateway: "http://127.0.0.1:8080".into(),
            redis: "127.0.0.1:6379".into(),
            partitions: 4,
            provider: None,
            doubts: Vec::new(),
        }
    }

    #[test]
    fn a_run_in_which_all_ended_once_agrees() {
        assert_eq!(report().verdict(), Verdict::Agrees);
        let text = report().to_string();
        assert!(text.contains("12.3 ms") && text.ends_with("came to an end, once"), "{text}");
    }

    #[test]
    fn what_was_lost_or_doubled_is_named() {
        let ids: Vec<Uuid> = (0..30).map(|_| Uuid::new_v4()).collect();
        let lost =
            Report { outcome: Outcome { lost: 30, lost_ids: ids.clone(), ..Outcome::default() }, ..report() };
        assert_eq!(lost.verdict(), Verdict::Disagrees);
        let text = lost.to_string();
        assert!(text.contains(&ids[19].to_string()) && !text.contains(&ids[20].to_string()), "{text}");
        assert!(text.contains("and 10 more") && text.ends_with("30 lost, 0 doubled"), "{text}");
        let doubled = Report { outcome: Outcome { doubled_ids: ids, ..Outcome::default() }, ..report() };
        assert_eq!(doubled.verdict(), Verdict::Disagrees);
    }

    #[test]
    fn what_cannot_be_known_is_neither_good_nor_bad() {
        let outcome = Outcome { lost: 1, ..Outcome::default() };
        let deaf = Report { outcome, doubts: vec!["nothing was heard".into()], ..report() };
        assert_eq!(deaf.verdict(), Verdict::Unknown);
        let empty = Report { figures: Figures::default(), ..report() };
        assert_eq!(empty.verdict(), Verdict::Unknown);
        let json: serde_json::Value = serde_json::from_str(&empty.json().unwrap()).unwrap();
        assert_eq!((&json["verdict"], &json["error"]), (&"unknown".into(), &"no order was accepted".into()));
    }

    #[test]
    fn answers_that_accepted_nothing_come_with_their_reason_and_what_to_do() {
        let mut report = report();
        report.figures.refused.insert(429, Failures { count: 12, why: "Too Many\u{1b}[31m Requests".into() });
        let text = report.to_string();
        assert!(text.contains(r"status 429: 12; the first said: Too Many\u{1b}[31m Requests"), "{text}");
        assert!(text.contains("--customers") && report.verdict() == Verdict::Agrees, "{text}");
        let json: serde_json::Value = serde_json::from_str(&report.json().unwrap()).unwrap();
        assert_eq!(json["refused"]["429"], 12);
    }
}
