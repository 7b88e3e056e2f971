//! Somebody flushes the script cache, as a failover and a restart do too.

use test_support::System;

use super::{report, troubled, until_promised};
use crate::{books::reckon, clients::Clients, options};

/// A script that Redis does not know has not run, so it can be sent again; and it is sent so that nothing can
/// come between its being made known and its being run.
#[tokio::test]
async fn a_script_cache_that_is_flushed_all_the_time_is_noticed_by_no_client() {
    let system = System::start(&troubled(options())).await;
    let mut redis = system.redis().await.unwrap();
    let clients = Clients::new("scripts");
    let mut flushes = 0_u32;
    clients
        .order_during(&system, async {
            tokio::select! {
                () = async {
                    loop {
                        let how = if flushes.is_multiple_of(2) { "SYNC" } else { "ASYNC" };
                        redis::cmd("SCRIPT").arg("FLUSH").arg(how).exec_async(&mut redis).await.unwrap();
                        flushes += 1;
                    }
                } => {}
                () = until_promised(&clients, 150) => {}
            }
        })
        .await;
    let tally = reckon(&system, &clients.promises()).await;
    report(&format!("{flushes} script flushes"), &clients, &tally);
    assert!(tally.is_whole() && tally.dead == 0, "{tally}");
    assert_eq!(clients.setbacks(), [], "clients noticed");
}
