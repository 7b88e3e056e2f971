/// What of a reason is the same for many letters: words that hold a digit, such as ids and numbers, are left out.
pub(super) fn shape(reason: &str) -> String {
    let mut shape = String::new();
    let mut rest = reason;
    while !rest.is_empty() {
        let (word, behind) = split_where(rest, |char| !is_of_word(char));
        shape.push_str(if word.chars().any(|char| char.is_ascii_digit()) { "…" } else { word });
        let (between, next) = split_where(behind, is_of_word);
        shape.push_str(between);
        rest = next;
    }
    shape
}

fn split_where(text: &str, end: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(end).unwrap_or(text.len()))
}

/// Of ids, numbers, times and addresses too.
fn is_of_word(char: char) -> bool {
    char.is_alphanumeric() || matches!(char, '-' | '_' | '.' | ':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_that_differ_in_ids_and_numbers_have_one_shape() {
        for (reason, expected) in [
            ("no order 5b1c4f0e-8f0e-4bb5-9a51-0d8a1f0e2c11 there", "no order … there"),
            ("the provider answered 500", "the provider answered …"),
            ("expected `,` at line 1 column 13", "expected `,` at line … column …"),
            ("127.0.0.1:8080 refused, at 2026-01-31T12:00:00.123Z", "… refused, at …"),
            (
                "the type \"order.refunded\" is unknown to this version",
                "the type \"order.refunded\" is unknown to this version",
            ),
            ("99.00 EUR (1700000000000-0)", "… EUR (…)"),
            ("", ""),
            ("5", "…"),
            ("größer als 3 Bücher", "größer als … Bücher"),
        ] {
            assert_eq!(shape(reason), expected);
        }
    }
}
