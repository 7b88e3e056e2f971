use std::{collections::BTreeMap, time::Duration};

use common::money::Money;
use reqwest::Client;
use serde_json::Value;
use test_support::eventually;

use crate::journal::Journal;

/// Waits until a gateway's leaderboards count what the journal says was paid: all of it, and nothing twice.
pub(crate) async fn agree(gateway: &str, journal: &Journal, limit: Duration) {
    let http = Client::new();
    eventually("the leaderboards to agree with the journal", limit, || async {
        let units = board(&http, gateway, "top-products", |one| one["units"].as_u64()).await?;
        if units != journal.units {
            return Err(format!("they count {units:?}, and sold were {:?}", journal.units));
        }
        let amount = |one: &Value| Some(serde_json::from_value::<Money>(one["amount"].clone()).ok()?.minor());
        let spent = board(&http, gateway, "top-customers", amount).await?;
        if spent == journal.spent {
            Ok(())
        } else {
            Err(format!("they count {spent:?}, and paid were {:?}", journal.spent))
        }
    })
    .await;
}

/// The members of a board, all of them.
async fn board<S>(
    http: &Client,
    gateway: &str,
    name: &str,
    score: impl Fn(&Value) -> Option<S>,
) -> Result<BTreeMap<String, S>, String> {
    let url = format!("{gateway}/leaderboards/{name}?window=all&limit=100");
    let answer = http.get(url).send().await.map_err(|error| error.to_string())?;
    let board: Value = answer.json().await.map_err(|error| error.to_string())?;
    let standings = board["standings"].as_array().ok_or_else(|| board.to_string())?;
    let member = |one: &Value| Some((one["member"].as_str()?.to_owned(), score(one)?));
    let members: Option<BTreeMap<String, S>> = standings.iter().map(member).collect();
    members.filter(|members| board["members"] == members.len()).ok_or_else(|| board.to_string())
}
