use common::money::Money;

use super::What;

/// What is known of one order. There are millions, so it is small. Counts stop at 255.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// The amount it was placed for; until that is known, what was told of it first.
    amount: Option<Money>,
    amount_told: Told,
    pub(super) placed: u8,
    pub(super) paid: u8,
    pub(super) declined: u8,
    pub(super) charges: u8,
    pub(super) parked: Parked,
    pub(super) requested: bool,
    pub(super) promised: Promised,
    /// What was told of it is older than the journal.
    pub(super) is_old: bool,
    pub(super) ahead: Ahead,
}

/// Who told an amount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Told {
    #[default]
    Promised,
    Placed,
    Requested,
    Settled,
    Charged,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Promised {
    #[default]
    No,
    /// The promise tells when.
    Dated,
    Undated,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Parked {
    #[default]
    No,
    Yes,
    /// Which cannot be.
    AfterItsOutcome,
}

/// What will bring an outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Ahead {
    #[default]
    Nothing,
    Entry,
    DeadLetter,
}

/// What became of an accepted order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Paid,
    Declined,
    Parked,
    InFlight,
    Dead,
    Lost,
}

impl Order {
    /// Notes what the journal tells next.
    pub(super) fn happened(&mut self, what: What) {
        let count = match what {
            What::Placed => &mut self.placed,
            What::Paid => &mut self.paid,
            What::Declined => &mut self.declined,
            What::Parked => {
                let is_settled = self.paid > 0 || self.declined > 0;
                self.parked = if is_settled { Parked::AfterItsOutcome } else { Parked::Yes };
                return;
            }
            What::Requested => {
                self.requested = true;
                return;
            }
        };
        *count = count.saturating_add(1);
    }

    /// Notes an amount. Returns what was known if that is another one.
    pub(super) fn tell(&mut self, told: Told, amount: Money) -> Option<(Told, Money)> {
        let before = self.amount.map(|known| (self.amount_told, known));
        if before.is_none() || told == Told::Placed {
            (self.amount, self.amount_told) = (Some(amount), told);
        }
        before.filter(|(_, known)| *known != amount)
    }

    pub(super) fn has_outcome(&self) -> bool {
        self.paid > 0 || self.declined > 0 || self.parked != Parked::No
    }

    /// Whether it is to be asked what will bring its outcome. Also where money was moved or asked for and the order itself is
    /// unknown: it may be older than the journal.
    pub(super) fn is_suspect(&self) -> bool {
        !self.has_outcome() && (self.placed > 0 || self.requested || self.charges > 0)
    }

    pub(super) fn state(&self) -> State {
        match self.ahead {
            _ if self.paid > 0 => State::Paid,
            _ if self.declined > 0 => State::Declined,
            _ if self.parked != Parked::No => State::Parked,
            Ahead::Entry => State::InFlight,
            Ahead::DeadLetter => State::Dead,
            Ahead::Nothing => State::Lost,
        }
    }
}

impl Told {
    /// Who told it, in words that an amount follows.
    pub(super) fn verb(self) -> &'static str {
        match self {
            Self::Promised => "promised for",
            Self::Placed => "placed for",
            Self::Requested => "requested for",
            Self::Settled => "settled in the journal for",
            Self::Charged => "charged",
        }
    }
}
