//! The names of what stands beside a key.

/// `<key>:<what>`, or `{<key>}:<what>` for a key without a hash tag: in the slot of the key. A key without a hash tag of its
/// own must not contain `}`, or the two are in different slots.
pub(crate) fn beside(key: &str, what: &str) -> String {
    if has_hash_tag(key) { format!("{key}:{what}") } else { format!("{{{key}}}:{what}") }
}

/// Whether something stands in the key's first braces.
fn has_hash_tag(key: &str) -> bool {
    let inside = key.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
    inside.is_some_and(|(tag, _)| !tag.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::slot;

    #[test]
    fn what_stands_beside_a_key_shares_its_slot() {
        for key in ["plain", "a:{tag}:b", "{tag}", "open{"] {
            let lease = beside(key, "lease");
            assert_eq!(slot(key.as_bytes()), slot(lease.as_bytes()), "{key} and {lease}");
        }
    }
}
