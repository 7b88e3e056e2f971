//! How far it is, for a person who waits.

use std::{io::IsTerminal, time::Duration};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

const TICK: Duration = Duration::from_millis(200);

/// A bar on the standard error, or nothing at all where no person looks at it.
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// Begins. `wanted`: unless the standard error is no terminal.
    pub(super) fn start(wanted: bool) -> Self {
        if !wanted || !std::io::stderr().is_terminal() {
            return Self::hidden();
        }
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        let template = "{spinner} {msg:<26} [{bar:32}] {human_pos}/{human_len} {eta}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.enable_steady_tick(TICK);
        Self(bar)
    }

    /// Shows nothing.
    pub(super) fn hidden() -> Self {
        Self(ProgressBar::hidden())
    }

    /// So many more entries and charges are to be read.
    pub(super) fn expect(&self, more: u64) {
        self.0.inc_length(more);
    }

    /// What is being done now.
    pub(super) fn say(&self, what: &'static str) {
        self.0.set_message(what);
    }

    /// So many were read.
    pub(super) fn advance(&self, count: u64) {
        self.0.inc(count);
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        self.0.finish_and_clear();
    }
}
