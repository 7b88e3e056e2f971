//! One log of many: every line with its service's name, each in a colour of its own.

use std::sync::Arc;

use anstyle::{AnsiColor, Color, Style};
use common::telemetry;

use super::printer::Printer;

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
    printer: Printer,
}

impl Console {
    /// Names are padded to `width`. In colour if standard output wants it.
    pub(super) fn new(width: usize, printer: Printer) -> Self {
        Self { width, colour: telemetry::colour_is_wanted(), printer }
    }

    /// Whether lines are in colour.
    pub(super) fn colour(&self) -> bool {
        self.colour
    }

    /// Prints a line of `up`'s own.
    pub(super) fn say(&self, line: &str) {
        self.print(format!("{} | {line}", self.named("orderly", Style::new().bold())));
    }

    /// Prints text as it is.
    pub(super) fn print(&self, text: String) {
        self.printer.print(text);
    }

    /// What prints the lines of the `index`-th service.
    pub(super) fn service(&self, label: &str, index: usize) -> Arc<dyn Fn(&str) + Send + Sync> {
        let colour = Color::Ansi(COLOURS[index % COLOURS.len()]);
        let name = self.named(label, Style::new().fg_color(Some(colour)));
        let printer = self.printer.clone();
        Arc::new(move |line| printer.print_or_skip(format!("{name} | {line}")))
    }

    fn named(&self, label: &str, style: Style) -> String {
        let padded = format!("{label:width$}", width = self.width);
        if self.colour { format!("{style}{padded}{style:#}") } else { padded }
    }
}
