//! What operators see and do.

use test_support::System;

use crate::{
    browser::{Browser, at_browser},
    system,
};

impl Browser {
    /// Logs in as the admin whose password `up` has told.
    async fn log_in(&self, system: &System) {
        let log = system.log();
        let line = log.iter().find_map(|line| line.split_once("admin@example.com, password "));
        let password = line.and_then(|(_, rest)| rest.split(' ').next()).expect("up tells the password");
        self.click("details.login summary").await;
        self.fill("[name=email]", "admin@example.com").await;
        self.fill("[name=password]", password).await;
        self.click(".login button").await;
        self.reads("header nav", "admin@example.com").await;
    }

    /// Says why, and has it done.
    async fn confirm(&self, why: &str) {
        self.fill("#ask [name=why]", why).await;
        self.click("#ask button[value=do]").await;
    }
}

#[tokio::test]
async fn an_admin_settles_dead_letters_pauses_a_group_and_reads_what_was_done() {
    let system = system().await;
    at_browser(&system, async |browser| {
        assert_eq!(browser.count("#operator").await.unwrap(), 0, "it is not for guests");
        browser.log_in(&system).await;
        browser.reads("#groups", "payment-workers").await;

        // Something that no version of a payment-worker understands.
        let mut add = redis::cmd("XADD");
        add.arg("payments-stream:{0}").arg("*").arg("type").arg("payment.invented").arg("data").arg("{}");
        add.query_async::<String>(&mut system.redis().await.unwrap()).await.unwrap();
        browser.reads("[data-figure=dead-letters]", "1").await;
        browser.go("/").await;
        browser.reads("#letters", "payment.invented").await;
        browser.click("#letters tbody button:nth-of-type(1)").await;
        browser.reads("#letter", "payment.invented").await;
        browser.click("#letters tbody button:nth-of-type(2)").await;
        browser.reads("#ask-text", "1 letters").await;
        browser.picture("replay").await;
        browser.confirm("to see whether it is still not understood").await;
        browser.reads("#operator-answer", "replayed 1").await;
        browser.reads("#audit", "to see whether it is still not understood").await;
        browser.reads("#audit", "admin@example.com").await;
        browser.reads("#letters", "payment.invented").await;
        browser.click("#letters tbody button.grave").await;
        browser.reads("#ask-text", "would be deleted for good").await;
        browser.confirm("it is an invention").await;
        browser.reads("#operator-answer", "dropped 1").await;

        browser.click("#groups tbody tr:nth-child(1) button").await;
        browser.confirm("to look at it").await;
        browser.reads("#operator-answer", "paused").await;
        browser.reads("#groups tbody tr:nth-child(1)", "by admin@example.com: to look at it").await;
        browser.reads("#groups tbody tr:nth-child(1)", "Resume").await;
        browser.picture("operator").await;
        browser.click("#groups tbody tr:nth-child(1) button").await;
        browser.reads("#operator-answer", "resumed").await;

        assert_eq!(browser.complaints(&[]).await, Vec::<String>::new());
        assert_eq!(browser.strangers().await, Vec::<String>::new());
    })
    .await;
}
