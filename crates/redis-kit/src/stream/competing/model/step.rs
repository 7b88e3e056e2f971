use proptest::{
    collection::vec,
    prelude::{Just, Strategy, any},
    prop_oneof,
    sample::Index,
};

/// One thing that happens. Who does it, and to what, is drawn from whoever and whatever is there when it does.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Append,
    /// Somebody takes the place of one of the three consumers, who goes on as if nothing had happened.
    Join,
    Read(Index, usize),
    /// Entries are read, and never arrive.
    ReadAndLose(Index, usize),
    Strays(Index),
    Claim(Index, usize),
    /// Of all that is in hand.
    Acknowledge(Index),
    /// Also of what is not in hand any more.
    Commit(Index, Vec<Index>),
    Postpone(Index, Index),
    Reject(Index, Index),
    Heartbeat(Index),
    LeaseExpires(Index),
    Reap(Index),
    Leave(Index),
    RetryIsDue(Index),
    Delete(Index),
}

pub(super) fn any_step() -> impl Strategy<Value = Step> {
    let who = any::<Index>;
    prop_oneof![
        3 => Just(Step::Append),
        2 => Just(Step::Join),
        4 => (who(), 1..4_usize).prop_map(|(who, count)| Step::Read(who, count)),
        1 => (who(), 1..4_usize).prop_map(|(who, count)| Step::ReadAndLose(who, count)),
        2 => who().prop_map(Step::Strays),
        8 => (who(), 1..4_usize).prop_map(|(who, count)| Step::Claim(who, count)),
        1 => who().prop_map(Step::Acknowledge),
        3 => (who(), vec(who(), 1..4)).prop_map(|(who, of)| Step::Commit(who, of)),
        6 => (who(), who()).prop_map(|(who, of)| Step::Postpone(who, of)),
        1 => (who(), who()).prop_map(|(who, of)| Step::Reject(who, of)),
        1 => who().prop_map(Step::Heartbeat),
        2 => who().prop_map(Step::LeaseExpires),
        2 => who().prop_map(Step::Reap),
        1 => who().prop_map(Step::Leave),
        6 => who().prop_map(Step::RetryIsDue),
        2 => who().prop_map(Step::Delete),
    ]
}
