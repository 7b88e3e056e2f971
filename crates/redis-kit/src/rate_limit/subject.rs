use super::{keys, policy::Policies};

/// Who or what is limited: an account, an address, a pair of both; and by which policies.
#[derive(Clone, Debug)]
pub struct Subject {
    /// What stands for it in keys: its hash tag, and what else it takes.
    pub(super) place: String,
    pub(super) policies: Policies,
}

impl Subject {
    /// A subject by an id of any kind, which may come from outside. Different kinds need different ids (`customer:42`,
    /// `address:192.0.2.1`).
    ///
    /// An id that is empty, longer than 128 bytes, contains a brace or a control character, or begins with `sha256:`, is
    /// replaced by `sha256:` and its hash. So no id can reach another's keys, and all policies of a subject share a slot.
    pub fn new(id: &str, policies: &Policies) -> Self {
        Self { place: keys::place(id), policies: policies.clone() }
    }

    /// The same by an id whose keys are in the slot of a hash tag, so that a script can check it beside other keys of that
    /// tag. The tag comes from the program and contains no brace.
    pub fn beside(tag: &str, id: &str, policies: &Policies) -> Self {
        Self { place: keys::place_beside(tag, id), policies: policies.clone() }
    }
}
