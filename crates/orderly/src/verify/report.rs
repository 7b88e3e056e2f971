//! The verdict, for people and for programs.

use std::fmt::{self, Display, Formatter};

use jiff::Timestamp;
use serde::Serialize;

use super::verdict::{Disagreement, Kind, Verdict};
use crate::report::row;

/// Disagreements that people are shown.
const SHOWN: usize = 20;

/// Everything there is to say.
pub(super) struct Report {
    pub(super) verdict: Verdict,
    pub(super) redis: String,
    /// `None` if the books were left out.
    pub(super) provider: Option<String>,
    pub(super) partitions: u16,
    pub(super) passes: usize,
    /// Since when every journal is whole, if any was trimmed.
    pub(super) journal_since: Option<Timestamp>,
    pub(super) has_promises: bool,
    pub(super) seconds: f64,
}

/// As one JSON object. Its names stay.
#[derive(Serialize)]
struct Json<'a> {
    verdict: &'static str,
    accepted: u64,
    paid: u64,
    declined: u64,
    parked: u64,
    in_flight: u64,
    dead: u64,
    lost: u64,
    doubled: u64,
    amount_mismatches: u64,
    paid_not_charged: u64,
    declined_but_charged: u64,
    never_accepted: u64,
    contradictions: u64,
    other_dead_letters: u64,
    undecodable: u64,
    promised: u64,
    promised_not_accepted: u64,
    charged: u64,
    parked_but_charged: u64,
    not_checkable: u64,
    journal_since: Option<Timestamp>,
    provider_checked: bool,
    partitions: u16,
    passes: usize,
    seconds: f64,
    disagreement_count: u64,
    /// A thousand of each kind at most.
    disagreements: Vec<&'a Disagreement>,
}

impl Report {
    pub(super) fn json(&self) -> serde_json::Result<String> {
        let (tally, count) = (&self.verdict.tally, |kind| self.verdict.count(kind));
        serde_json::to_string(&Json {
            verdict: if self.verdict.is_clean() { "ok" } else { "disagreement" },
            accepted: tally.accepted,
            paid: tally.paid,
            declined: tally.declined,
            parked: tally.parked,
            in_flight: tally.in_flight,
            dead: tally.dead,
            lost: count(Kind::Lost),
            doubled: count(Kind::Doubled),
            amount_mismatches: count(Kind::AmountMismatch),
            paid_not_charged: count(Kind::PaidNotCharged),
            declined_but_charged: count(Kind::DeclinedButCharged),
            never_accepted: count(Kind::NeverAccepted),
            contradictions: count(Kind::Contradiction),
            other_dead_letters: count(Kind::OtherDeadLetter),
            undecodable: count(Kind::Undecodable),
            promised: tally.promised,
            promised_not_accepted: tally.promised_not_accepted,
            charged: tally.charged,
            parked_but_charged: tally.parked_but_charged,
            not_checkable: tally.not_checkable,
            journal_since: self.journal_since,
            provider_checked: self.provider.is_some(),
            partitions: self.partitions,
            passes: self.passes,
            seconds: self.seconds,
            disagreement_count: self.verdict.disagreements(),
            disagreements: self.verdict.kept(),
        })
    }

    /// What there is to know beside the figures.
    fn notes(&self) -> Vec<String> {
        let tally = &self.verdict.tally;
        let mut notes = Vec::new();
        if self.provider.is_none() {
            notes.push("the provider's books were left out: nothing is known of charges".into());
        }
        if let Some(since) = self.journal_since {
            notes.push(format!(
                "the journal is whole since {since}; before that it was trimmed. {} charges, promises and outcomes are \
                 older than that, and not checkable",
                tally.not_checkable
            ));
        }
        if tally.parked > 0 {
            notes.push(format!(
                "{} parked payments wait for a person (`orderly payments parked` lists them); the provider has charged {} of \
                 them",
                tally.parked, tally.parked_but_charged
            ));
        }
        notes
    }

    /// What follows.
    fn conclusion(&self) -> String {
        match self.verdict.disagreements() {
            0 if self.verdict.tally.in_flight > 0 => "all agrees; some orders are still in flight".into(),
            0 => "all agrees".into(),
            1 => "1 disagreement".into(),
            count => format!("{count} disagreements"),
        }
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (tally, count) = (&self.verdict.tally, |kind| self.verdict.count(kind));
        let provider = self.provider.as_deref().unwrap_or("left out");
        writeln!(f, "Redis {} ({} partitions), provider {provider}\n", self.redis, self.partitions)?;
        row(f, "accepted", tally.accepted)?;
        row(f, "  paid", tally.paid)?;
        row(f, "  declined", tally.declined)?;
        row(f, "  parked", tally.parked)?;
        row(f, "  in flight", tally.in_flight)?;
        row(f, "  dead", tally.dead)?;
        row(f, "  lost", count(Kind::Lost) - tally.promised_not_accepted)?;
        if self.has_promises {
            row(f, "promised", tally.promised)?;
            row(f, "  but never accepted: lost", tally.promised_not_accepted)?;
        }
        if self.provider.is_some() {
            row(f, "charged", tally.charged)?;
        }
        writeln!(f)?;
        for (name, kind) in [
            ("doubled", Kind::Doubled),
            ("amount mismatches", Kind::AmountMismatch),
            ("paid, but not charged", Kind::PaidNotCharged),
            ("declined, but charged", Kind::DeclinedButCharged),
            ("never accepted", Kind::NeverAccepted),
            ("contradictions", Kind::Contradiction),
            ("other dead letters", Kind::OtherDeadLetter),
            ("undecodable entries", Kind::Undecodable),
        ] {
            row(f, name, count(kind))?;
        }
        self.list(f)?;
        for note in self.notes() {
            writeln!(f, "\nnote: {note}")?;
        }
        let passes = if self.passes == 1 { String::new() } else { format!(" and {} passes", self.passes) };
        write!(f, "\nverdict: {}, in {:.1} s{passes}", self.conclusion(), self.seconds)
    }
}

impl Report {
    fn list(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let kept = self.verdict.kept();
        if kept.is_empty() {
            return Ok(());
        }
        writeln!(f, "\n{:<36}  {:<21}  reason", "order", "what")?;
        for Disagreement { order_id, kind, reason } in kept.iter().take(SHOWN) {
            let order = order_id.map_or_else(|| "-".to_owned(), |order_id| order_id.to_string());
            writeln!(f, "{order:<36}  {:<21}  {reason}", kind.name())?;
        }
        let more = self.verdict.disagreements().saturating_sub(SHOWN as u64);
        if more > 0 {
            writeln!(f, "… and {more} more; --json lists them, up to a thousand of each kind")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(verdict: Verdict) -> Report {
        Report {
            verdict,
            redis: "127.0.0.1:6379".into(),
            provider: None,
            partitions: 4,
            passes: 2,
            journal_since: Some(Timestamp::UNIX_EPOCH),
            has_promises: true,
            seconds: 0.25,
        }
    }

    #[test]
    fn people_see_the_first_disagreements_and_how_many_there_are() {
        let mut verdict = Verdict::default();
        for number in 0..30 {
            verdict.disagree(None, Kind::OtherDeadLetter, format!("letter {number}"));
        }
        let text = report(verdict).to_string();
        assert!(text.contains("letter 19") && !text.contains("letter 20"), "{text}");
        assert!(text.contains("and 10 more") && text.contains("30 disagreements"), "{text}");
        assert!(text.contains("left out") && text.contains("before that it was trimmed"), "{text}");
    }

    #[test]
    fn programs_get_all_figures_by_name() {
        let mut verdict = Verdict::default();
        verdict.tally.accepted = 3;
        verdict.disagree(None, Kind::AmountMismatch, "placed for 1.00 EUR, but charged 2.00 EUR");
        let json: serde_json::Value = serde_json::from_str(&report(verdict).json().unwrap()).unwrap();
        assert_eq!((&json["accepted"], &json["amount_mismatches"]), (&3.into(), &1.into()));
        assert_eq!(json["verdict"], "disagreement");
        assert_eq!(json["disagreements"][0]["kind"], "amount_mismatch");
    }
}
