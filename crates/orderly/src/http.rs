//! How commands ask over HTTP.

use std::{net::IpAddr, time::Duration};

use anyhow::Context;
use reqwest::{Client, Url, redirect};

const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// A client for whoever is at `url`, that waits `limit` for an answer at most and keeps its connections.
pub(crate) fn client(url: &Url, limit: Duration) -> anyhow::Result<Client> {
    let mut client = Client::builder()
        .connect_timeout(CONNECT_LIMIT)
        .timeout(limit)
        // Whatever answers elsewhere is not who was meant.
        .redirect(redirect::Policy::none());
    if is_on_this_machine(url) {
        // Where no proxy that the environment may name can reach it.
        client = client.no_proxy();
    }
    client.build().context("cannot set up an HTTP client")
}

fn is_on_this_machine(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}
