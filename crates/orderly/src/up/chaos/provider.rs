use std::time::Duration;

use anyhow::Context;
use reqwest::{Client, Url};
use sandbox::{FaultSettings, Spell};

use crate::http;

/// The sandbox is on this machine, and answers this at once.
const ANSWER_LIMIT: Duration = Duration::from_secs(3);

/// The provider that the sandbox plays.
pub(super) struct Provider {
    client: Client,
    spells: Url,
}

impl Provider {
    /// The one at this base URL.
    pub(super) fn new(base: &str) -> anyhow::Result<Self> {
        let spells = Url::parse(&format!("{base}/faults/spells")).context("the sandbox has no URL")?;
        Ok(Self { client: http::client(&spells, ANSWER_LIMIT)?, spells })
    }

    /// Has so many of a hundred calls meet these faults for a while. That ends by itself, whatever becomes of this
    /// program, and what else the provider was told to do wrong it does as before.
    pub(super) async fn have_a_bad_day(
        &self,
        percent: u32,
        time: Duration,
        faults: FaultSettings,
    ) -> Result<(), String> {
        let seconds = u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
        let spell = Spell { seconds, share: f64::from(percent) / 100.0, faults };
        let answer = self.client.post(self.spells.clone()).json(&spell).send().await;
        match answer.and_then(reqwest::Response::error_for_status) {
            Ok(_) => Ok(()),
            Err(error) => Err(format!("the sandbox does not do it: {error}")),
        }
    }
}
