use clap::builder::PossibleValuesParser;
use common::{
    messages::LetterFilter,
    names::groups,
    operations::letters::{Look, moment_of_look},
};
use jiff::Timestamp;

use crate::{installation::Installation, moment};

/// Which letters are meant: those that fit all that is said.
#[derive(clap::Args)]
pub(super) struct WhichArgs {
    /// Only those that this consumer group gave up
    #[arg(long, value_name = "GROUP", value_parser = PossibleValuesParser::new(groups::all()))]
    group: Option<String>,
    /// Only messages of this type
    #[arg(long = "type", value_name = "TYPE")]
    message_type: Option<String>,
    /// Only those whose reason contains this text
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Only those that were given up since: so long ago (`10m`, `2h 30m`, `1d`), or at a time (`2026-01-31T12:00:00Z`)
    #[arg(long, value_name = "WHEN", value_parser = since)]
    since: Option<Timestamp>,
}

impl WhichArgs {
    /// The groups whose letters are meant.
    pub(super) fn groups(&self) -> Vec<&str> {
        self.group.as_deref().map_or_else(|| groups::all().collect(), |group| vec![group])
    }

    /// Which of their letters: of those that are there now, and none that comes later.
    pub(super) async fn filter(&self, installation: &Installation) -> anyhow::Result<LetterFilter> {
        Ok(LetterFilter {
            message_type: self.message_type.clone(),
            reason_contains: self.reason.clone(),
            since: self.since,
            until: moment_of_look(installation).await?,
        })
    }

    /// All of them, by their causes.
    pub(super) async fn look(&self, installation: &Installation) -> anyhow::Result<Look> {
        let filter = self.filter(installation).await?;
        Ok(Look::take(installation, &self.groups(), filter, usize::MAX).await?)
    }
}

fn since(text: &str) -> Result<Timestamp, String> {
    moment::parse(text, Timestamp::now()).ok_or_else(|| {
        "expected how long ago (such as 10m, 2h or 1d), or a time (such as 2026-01-31T12:00:00Z)".into()
    })
}
