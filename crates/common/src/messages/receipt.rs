use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What became of the orders that were accepted while something was broken on purpose, as `orderly verify` counts them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Receipt {
    /// Orders count that were accepted since then, by Redis's clock: a little before it was asked for, so that those count too
    /// which were under way when it happened.
    pub from: Timestamp,
    /// And until then: when what was broken was whole again.
    pub until: Timestamp,
    /// How many orders were accepted. Each is in one of the six figures that follow.
    pub orders: u64,
    /// Paid.
    pub paid: u64,
    /// Declined.
    pub declined: u64,
    /// Left to a person, as the provider gave no definite answer.
    pub parked: u64,
    /// Given up: they wait among the dead letters.
    pub dead: u64,
    /// Without an end when it was counted, but something is still to bring it.
    pub unsettled: u64,
    /// Without an end, and nothing is left that would bring one.
    pub lost: u64,
    /// Charged more than once by the provider, or told to be paid more than once.
    pub charged_twice: u64,
    /// Whether the provider's books could be read. If not, of charges only the journal is known.
    pub provider_checked: bool,
    /// Whether nothing at all disagreed, amounts and dead letters included.
    pub agreed: bool,
}

impl Receipt {
    /// Whether all that was promised was kept.
    pub fn is_clean(&self) -> bool {
        self.agreed && self.lost == 0 && self.charged_twice == 0
    }
}
