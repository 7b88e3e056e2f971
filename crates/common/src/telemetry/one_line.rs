//! An event is one line of the log, whatever others have written into it: nobody forges a second line, or tells the
//! terminal of whoever reads it what to do.
//!
//! What does neither is left as it is. The rest is escaped: line ends, escape sequences in their 7-bit and their 8-bit form, and
//! what reverses the order of the text behind it ("Trojan Source", CVE-2021-42574).

use std::{
    fmt,
    io::{self, Write},
};

use tracing_subscriber::{
    field::RecordFields,
    fmt::{
        FormatFields,
        format::{DefaultFields, Writer},
    },
};

/// Whether a character does something instead of being seen.
fn acts(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Writes fields as they usually are, with such characters as Rust spells them.
pub(super) struct VisibleFields;

impl<'writer> FormatFields<'writer> for VisibleFields {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut text = String::new();
        DefaultFields::new().format_fields(Writer::new(&mut text), fields)?;
        for c in text.chars() {
            if acts(c) { write!(writer, "{}", c.escape_debug())? } else { writer.write_char(c)? }
        }
        Ok(())
    }
}

/// Writes lines of JSON, with such characters as JSON spells them: it asks for that only below U+0020.
pub(super) struct VisibleJson<W>(pub(super) W);

impl<W: Write> Write for VisibleJson<W> {
    /// Takes a whole line, as the subscriber writes it.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut visible = Vec::with_capacity(line.len());
        for c in String::from_utf8_lossy(line).chars() {
            if acts(c) && c != '\n' {
                write!(visible, "\\u{:04x}", u32::from(c))?;
            } else {
                visible.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        self.0.write_all(&visible)?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use tracing::{error, subscriber::with_default};

    use super::*;
    use crate::telemetry::log::Log;

    /// What somebody hostile would like to have in a log.
    const HOSTILE: &str =
        "a\r\n12:00:00 INFO forged\x1b[2J\u{9b}2J\u{7f}\u{85}\u{2028}\u{202e}\u{2066}\0 Ä z";

    /// The one line of a log.
    fn line(log: &Log) -> String {
        let text = log.text();
        let line = text.strip_suffix('\n').expect("a line has an end");
        assert!(!line.contains(acts), "{line:?}");
        line.to_owned()
    }

    fn log_all_that_is_hostile() {
        let error = io::Error::other(HOSTILE);
        let source: &dyn std::error::Error = &error;
        error!(shown = %HOSTILE, debugged = ?HOSTILE, text = HOSTILE, source, "{HOSTILE}");
    }

    #[test]
    fn for_people_an_event_is_one_line_that_can_be_read() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .fmt_fields(VisibleFields)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        with_default(subscriber, log_all_that_is_hostile);
        let line = line(&log);
        assert!(line.contains(r"shown=a\r\n12:00:00 INFO forged\u{1b}[2J"), "{line}");
        assert_eq!(line.matches("Ä z").count(), 5, "{line}");
    }

    #[test]
    fn for_machines_an_event_is_one_line_that_says_what_was_said() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .flatten_event(true)
            .with_writer(move || VisibleJson(writer.clone()))
            .finish();
        with_default(subscriber, log_all_that_is_hostile);
        let event: serde_json::Value = serde_json::from_str(&line(&log)).unwrap();
        for field in ["message", "shown", "text", "source"] {
            assert_eq!(event[field], HOSTILE, "{field}");
        }
    }
}
