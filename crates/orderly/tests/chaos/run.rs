use std::{path::PathBuf, time::Duration};

use tokio::time::Instant;

use crate::{
    boards,
    client::{self, Customers},
    fault::{Strikes, Struck},
    journal::Journal,
    report::Report,
    shop::Shop,
    verdict::Verdict,
};

/// Within this time of the end of all faults every order has its outcome.
const RECOVERY_LIMIT: Duration = Duration::from_secs(30);

/// One system's life.
pub(crate) struct Run {
    pub(crate) seed: u64,
    pub(crate) orders: u64,
    /// How many a second.
    pub(crate) rate: u64,
}

impl Run {
    /// Places orders under faults, and says what that has shown and what is wrong.
    pub(crate) async fn execute(self) -> (Report, Result<(), String>) {
        let (strikes, mut report) = (Strikes::default(), Report::default());
        let mut shop = Shop::open(self.seed, &strikes).await;
        let outcome = match self.observe(&mut shop, &strikes, &mut report).await {
            Ok(()) => shop.close().await,
            Err(wrong) => {
                keep(&shop);
                Err(wrong)
            }
        };
        (report, outcome.map_err(|wrong| format!("{wrong}\nin the run with the seed {}", self.seed)))
    }

    async fn observe(&self, shop: &mut Shop, strikes: &Strikes, report: &mut Report) -> Result<(), String> {
        let customers = Customers::new(&shop.gateways, self.seed);
        // As long as the orders take if nothing goes wrong; those that have to be repeated come after the storm.
        let end = Instant::now() + Duration::from_secs(self.orders.div_ceil(self.rate));
        let ((), healed) = tokio::join!(customers.order(self.orders, self.rate), async {
            shop.storm(end).await;
            shop.heal().await;
            Struck::now("all faults")
        });
        let mut journal = Journal::default();
        let settled = journal.until_all_are_settled(&mut shop.redis(), RECOVERY_LIMIT).await;

        let account = customers.clone().account();
        let promised = shop.folder.path().join("promised.jsonl");
        client::write(&account.promises, &promised);
        let (verdict, agreed) = Verdict::reach(shop, &promised).await;
        report.orders += self.orders;
        report.requests += account.requests;
        report.failed_attempts += journal.failed_attempts;
        if let Some(verdict) = &verdict {
            report.verdict.add(verdict);
        }
        for struck in strikes.all().into_iter().chain([healed]) {
            let recovery = journal.recovery(struck.ended);
            report.recoveries.entry(struck.kind).or_default().push(recovery);
        }
        settled?;
        if !account.complaints.is_empty() {
            return Err(format!("customers complain: {:#?}", account.complaints));
        }
        agreed?;
        // Verified are the promises that there are; here, that each order has become one.
        if account.promises.len() as u64 != self.orders {
            return Err(format!("{} promises for {} orders", account.promises.len(), self.orders));
        }
        boards::agree(&shop.gateways[0], &journal, RECOVERY_LIMIT).await;
        customers.see_final(&account.promises, RECOVERY_LIMIT).await
    }
}

/// Keeps what a run left, for whoever wants to know what went wrong.
fn keep(shop: &Shop) {
    let Some(kept) = std::env::var_os("CHAOS_KEEP").map(PathBuf::from) else {
        println!("set CHAOS_KEEP to a folder to keep the logs and the data of a run that failed");
        return;
    };
    for folder in [shop.folder.path(), shop.outages.server.directory()] {
        let target = kept.join(folder.file_name().unwrap_or_default());
        let copied = std::process::Command::new("cp").arg("-R").arg(folder).arg(&target).status();
        println!("kept {} ({copied:?})", target.display());
    }
}
