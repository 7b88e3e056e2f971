//! How far it is, for a person who waits.

use std::{io::IsTerminal, time::Duration};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{report::Millis, run::Run, tally::Figures};

const TICK: Duration = Duration::from_millis(200);

/// How often the figures are shown anew: what came since is how many came in a second.
const SHOW: Duration = Duration::from_secs(1);

/// A line on the standard error, or nothing at all where no person looks at it.
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// Begins. `wanted`: unless the standard error is no terminal.
    pub(super) fn start(wanted: bool) -> Self {
        if !wanted || !std::io::stderr().is_terminal() {
            return Self(ProgressBar::hidden());
        }
        let line = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {wide_msg}") {
            line.set_style(style);
        }
        line.enable_steady_tick(TICK);
        Self(line)
    }

    /// Shows how far a run is, again and again. Never returns.
    pub(super) async fn follow(&self, run: &Run) {
        if self.0.is_hidden() {
            return std::future::pending().await;
        }
        let mut before = 0;
        loop {
            tokio::time::sleep(SHOW).await;
            let figures = run.tally().figures();
            let accepted_per_s = figures.accepted - before;
            before = figures.accepted;
            self.0.set_message(line(&figures, accepted_per_s, run.is_stopped()));
        }
    }

    /// Takes the line away.
    pub(super) fn finish(&self) {
        self.0.finish_and_clear();
    }
}

fn line(figures: &Figures, accepted_per_s: u64, is_stopped: bool) -> String {
    let errors =
        figures.unanswered.count + figures.refused.values().map(|refused| refused.count).sum::<u64>();
    let stopped = if is_stopped { "stopped, waiting for outcomes; " } else { "" };
    let [answer_p50, answer_p99, outcome_p50, outcome_p99] =
        [figures.http_p50_ms, figures.http_p99_ms, figures.settle_p50_ms, figures.settle_p99_ms].map(Millis);
    format!(
        "{stopped}accepted {} ({accepted_per_s}/s), settled {}, errors {errors}; p50 and p99 to answer \
         {answer_p50} {answer_p99}, to outcome {outcome_p50} {outcome_p99}",
        figures.accepted, figures.settled,
    )
}
