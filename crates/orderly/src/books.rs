//! The payment provider's books, over HTTP: `GET /charges?cursor=&limit=`, charges in the order of their creation, to which
//! later ones are only ever added.

use std::time::Duration;

use anyhow::{Context, ensure};
use common::{money::Money, steadily::steadily};
use jiff::Timestamp;
use reqwest::{Client, Url};
use serde::Deserialize;

use crate::http;

/// Charges that one answer holds; some 1.3 MB.
const PAGE: usize = 5_000;

const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// A charge in the provider's books.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Charge {
    pub(crate) id: String,
    pub(crate) key: String,
    pub(crate) succeeded: bool,
    pub(crate) amount: Money,
    pub(crate) reference: String,
    pub(crate) created_at: Timestamp,
}

/// The books, read up to a place.
pub(crate) struct Books {
    client: Client,
    charges: Url,
    /// Where its first page begins.
    first: usize,
    read: usize,
}

#[derive(Deserialize)]
struct Page {
    count: u64,
    charges: Vec<Line>,
    next: Option<usize>,
}

#[derive(Deserialize)]
struct Line {
    id: String,
    key: String,
    status: Status,
    amount: String,
    currency: String,
    reference: String,
    created_at: Timestamp,
}

#[derive(PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Succeeded,
    #[serde(other)]
    Other,
}

impl Books {
    /// The books of the provider at this base URL, unread, and how many charges they hold.
    pub(crate) async fn open(base: &str) -> anyhow::Result<(Self, u64)> {
        let base = base.trim_end_matches('/');
        let charges = Url::parse(&format!("{base}/charges"))
            .with_context(|| format!("{base:?} (--provider-url) is no URL; expected http://host:port"))?;
        let client = http::client(&charges, ANSWER_LIMIT)?;
        let books = Self { client, charges, first: 0, read: 0 };
        let count = books.page(1).await?.count;
        Ok((books, count))
    }

    /// Passes over the first charges, so that only later ones are told.
    pub(crate) fn skip(&mut self, charges: u64) {
        self.read = usize::try_from(charges).unwrap_or(usize::MAX);
    }

    /// Has them begin at the first charge that was made at this time or later, of `count` that there are. Asks for a few of the
    /// others only.
    pub(crate) async fn begin_at(&mut self, since: Timestamp, count: u64) -> anyhow::Result<()> {
        let (mut low, mut high) = (0, usize::try_from(count).unwrap_or(usize::MAX));
        while low < high {
            let middle = low + (high - low) / 2;
            self.read = middle;
            match self.page(1).await?.charges.first() {
                Some(charge) if charge.created_at < since => low = middle + 1,
                _ => high = middle,
            }
        }
        (self.first, self.read) = (low, low);
        Ok(())
    }

    /// Goes back to the first page.
    pub(crate) fn rewind(&mut self) {
        self.read = self.first;
    }

    /// Reads on from where it stands to the end, and tells each charge.
    pub(crate) async fn read_on(&mut self, mut tell: impl FnMut(&Charge)) -> anyhow::Result<()> {
        loop {
            let page = self.page(PAGE).await?;
            let count = page.charges.len();
            for line in page.charges {
                tell(&line.charge().with_context(|| self.what_failed())?);
            }
            let Some(next) = page.next else {
                self.read += count;
                return Ok(());
            };
            ensure!(next > self.read, "{}: the page after {} is {next} again", self.what_failed(), self.read);
            self.read = next;
        }
    }

    async fn page(&self, limit: usize) -> anyhow::Result<Page> {
        let page = steadily(may_pass, || self.ask(limit)).await.map_err(reqwest::Error::without_url);
        page.with_context(|| self.what_failed())
    }

    async fn ask(&self, limit: usize) -> Result<Page, reqwest::Error> {
        let mut url = self.charges.clone();
        url.set_query(Some(&format!("cursor={}&limit={limit}", self.read)));
        self.client.get(url).send().await?.error_for_status()?.json().await
    }

    fn what_failed(&self) -> String {
        format!("cannot read the provider's books at {}", self.charges)
    }
}

impl Line {
    fn charge(self) -> anyhow::Result<Charge> {
        let amount = Money::parse(&self.amount, &self.currency)
            .with_context(|| format!("the charge {} makes no sense", self.id))?;
        let succeeded = self.status == Status::Succeeded;
        let Self { id, key, reference, created_at, .. } = self;
        Ok(Charge { id, key, succeeded, amount, reference, created_at })
    }
}

/// No answer, or one that says nothing about the question.
fn may_pass(error: &reqwest::Error) -> bool {
    error.status().is_none_or(|status| status.is_server_error()) && !error.is_builder()
}
