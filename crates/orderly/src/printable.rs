//! What Redis holds may hold anything, and must not write on the reader's terminal.

/// The text without what a terminal would obey, on one line; quotes stay as they are.
pub(crate) fn printable(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut line, char| {
        match char {
            '"' | '\'' | '\\' => line.push(char),
            _ => line.extend(char.escape_debug()),
        }
        line
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_spelled_out_and_json_stays_readable() {
        assert_eq!(printable("\u{1b}[2J\n\u{9b}1m \u{202e}"), "\\u{1b}[2J\\n\\u{9b}1m \\u{202e}");
        assert_eq!(printable(r#"{"sku": "BÜCH-1", 'a\b'}"#), r#"{"sku": "BÜCH-1", 'a\b'}"#);
    }
}
