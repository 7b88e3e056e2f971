//! The payment provider's books, over HTTP: `GET /charges?cursor=&limit=`, charges in the order of their creation, to which
//! later ones are only ever added.

use std::{net::IpAddr, time::Duration};

use anyhow::{Context, ensure};
use common::money::Money;
use jiff::Timestamp;
use reqwest::{Client, Url, redirect};
use serde::Deserialize;

use super::{ledger::Charge, steadily::steadily};

/// Charges that one answer holds; some 1.3 MB.
const PAGE: usize = 5_000;

const CONNECT_LIMIT: Duration = Duration::from_secs(5);
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// The books, read up to a place.
pub(super) struct Books {
    client: Client,
    charges: Url,
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
    pub(super) async fn open(base: &str) -> anyhow::Result<(Self, u64)> {
        let base = base.trim_end_matches('/');
        let charges = Url::parse(&format!("{base}/charges"))
            .with_context(|| format!("{base:?} (--provider-url) is no URL; expected http://host:port"))?;
        let mut client = Client::builder()
            .connect_timeout(CONNECT_LIMIT)
            .timeout(ANSWER_LIMIT)
            // Whatever answers elsewhere is not the provider.
            .redirect(redirect::Policy::none());
        if is_on_this_machine(&charges) {
            // Where no proxy that the environment may name can reach it.
            client = client.no_proxy();
        }
        let client = client.build().context("cannot set up an HTTP client")?;
        let books = Self { client, charges, read: 0 };
        let count = books.page(1).await?.count;
        Ok((books, count))
    }

    /// Goes back to the first page.
    pub(super) fn rewind(&mut self) {
        self.read = 0;
    }

    /// Reads on from where it stands to the end, and tells each charge.
    pub(super) async fn read_on(&mut self, mut tell: impl FnMut(&Charge)) -> anyhow::Result<()> {
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

fn is_on_this_machine(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// No answer, or one that says nothing about the question.
fn may_pass(error: &reqwest::Error) -> bool {
    error.status().is_none_or(|status| status.is_server_error()) && !error.is_builder()
}
