//! The names of a limit, spelled here and nowhere else.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

/// The longest subject that is its own name, in bytes.
const LONGEST: usize = 128;

/// Begins the name of a subject that cannot be its own.
const HASHED: &str = "sha256:";

/// A string: a policy's TAT for one subject, in microseconds. `<prefix>rate:{<subject>}:<policy>`, or
/// `<prefix>rate:{<tag>}:<subject>:<policy>`. No policy's name contains a colon, so one is never the other.
pub(super) fn tat(prefix: &str, place: &str, policy: &str) -> String {
    // Built often: without the detour of a format.
    [prefix, "rate:", place, ":", policy].concat()
}

/// Where a subject's keys are that have a slot of their own.
pub(super) fn place(subject: &str) -> String {
    ["{", &name(subject), "}"].concat()
}

/// Where they are in the slot of a tag.
pub(super) fn place_beside(tag: &str, subject: &str) -> String {
    ["{", tag, "}:", &name(subject)].concat()
}

/// What stands for a subject in keys: itself, or, if that could be no hash tag or is too long, `sha256:` and its SHA-256. So
/// two subjects never have one name.
fn name(subject: &str) -> Cow<'_, str> {
    let breaks_out = |c: char| c == '{' || c == '}' || c.is_control();
    let is_safe = (1..=LONGEST).contains(&subject.len())
        && !subject.contains(breaks_out)
        && !subject.starts_with(HASHED);
    if is_safe {
        return subject.into();
    }
    format!("{HASHED}{}", hex::encode(Sha256::digest(subject))).into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::connection::slot;

    #[test]
    fn an_ordinary_subject_can_be_read_in_its_key() {
        assert_eq!(tat("shop:", &place("customer:42"), "orders"), "shop:rate:{customer:42}:orders");
        assert_eq!(tat("shop:", &place_beside("3", "42"), "orders"), "shop:rate:{3}:42:orders");
        assert_eq!(name("2001:db8::/64"), "2001:db8::/64");
    }

    #[test]
    fn what_breaks_out_of_the_tag_is_replaced_by_its_hash() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(name(""), empty);
        for subject in ["a}", "{a", "a\nb", "\u{7f}", &"a".repeat(129), empty] {
            assert!(name(subject).starts_with(HASHED), "{subject}");
            assert_ne!(name(subject), subject);
        }
    }

    proptest! {
        #[test]
        fn all_policies_of_a_subject_share_its_slot(subject in any::<String>()) {
            let slots = |place: String| ["a", "b"].map(|policy| slot(tat("", &place, policy).as_bytes()));
            prop_assert_eq!(slots(place(&subject)), [slot(name(&subject).as_bytes()); 2]);
            prop_assert_eq!(slots(place_beside("3", &subject)), [slot(b"3"); 2]);
        }

        #[test]
        fn a_name_is_the_name_of_one_subject(a in ".{0,3}", b in ".{0,3}") {
            prop_assert_eq!(name(&a) == name(&b), a == b);
            // Nor can anybody choose to be called as another is.
            let breaks_out = format!("{a}}}");
            let hashed = name(&breaks_out);
            prop_assert_ne!(&*name(&hashed), &*hashed);
        }
    }
}
