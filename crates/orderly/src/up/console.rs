//! One log of many: every line with its service's name, each in a colour of its own.

use std::{io::Write, sync::Arc};

use anstyle::{AnsiColor, Color, Style};
use common::telemetry;

const COLOURS: [AnsiColor; 6] = [
    AnsiColor::Cyan,
    AnsiColor::Green,
    AnsiColor::Magenta,
    AnsiColor::Yellow,
    AnsiColor::Blue,
    AnsiColor::BrightRed,
];

/// Where everything that `up` has to say goes. Cheap to clone.
#[derive(Clone)]
pub(super) struct Console {
    width: usize,
    colour: bool,
}

impl Console {
    /// Names are padded to `width`. In colour if standard output wants it.
    pub(super) fn new(width: usize) -> Self {
        Self { width, colour: telemetry::colour_is_wanted() }
    }

    /// Whether lines are in colour.
    pub(super) fn colour(&self) -> bool {
        self.colour
    }

    /// Prints a line of `up`'s own.
    pub(super) fn say(&self, line: &str) {
        self.named("orderly", Style::new().bold())(line);
    }

    /// What prints the lines of the `index`-th service.
    pub(super) fn service(&self, label: &str, index: usize) -> Arc<dyn Fn(&str) + Send + Sync> {
        let colour = Color::Ansi(COLOURS[index % COLOURS.len()]);
        self.named(label, Style::new().fg_color(Some(colour)))
    }

    fn named(&self, label: &str, style: Style) -> Arc<dyn Fn(&str) + Send + Sync> {
        let padded = format!("{label:width$}", width = self.width);
        let name = if self.colour { format!("{style}{padded}{style:#}") } else { padded };
        Arc::new(move |line| print(&format!("{name} | {line}")))
    }
}

/// Prints text as it is.
pub(super) fn print(text: &str) {
    // A reader that has gone is no reason to stop taking orders.
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}
