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

        browser.click("header nav form button").await;
        browser.reads("header nav", "Log in").await;
        assert_eq!(browser.count("#operator").await.unwrap(), 0, "it is gone with the login");

        assert_eq!(browser.complaints(&[]).await, Vec::<String>::new());
        assert_eq!(browser.strangers().await, Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn an_admin_kills_a_worker_in_the_middle_of_a_payment_and_reads_that_nothing_was_lost() {
    let system = system().await;
    at_browser(&system, async |browser| {
        browser.log_in(&system).await;
        let workers = [1, 2].map(|n| format!("payment-worker-{n}"));
        let before = [system.service(&workers[0]).await.unwrap(), system.service(&workers[1]).await.unwrap()];
        let ordering = async {
            loop {
                system.place_order().await;
            }
        };
        let reading = async {
            browser.click("[data-action=kill_worker]").await;
            browser.reads("#operator-answer", "in hand").await;
            browser.reads("#receipt", "charged twice").await;
        };
        tokio::select! {
            () = ordering => {}
            () = reading => {}
        }
        let figures = browser.read("#receipt dd").await.unwrap();
        let figures: Vec<u64> = figures.lines().map(|figure| figure.parse().unwrap()).collect();
        let [orders, paid, declined, parked, lost, twice] = figures[..] else { panic!("{figures:?}") };
        assert!(orders > 0, "{figures:?}");
        assert_eq!((paid, declined, parked, lost, twice), (orders, 0, 0, 0, 0));
        let after = [system.service(&workers[0]).await.unwrap(), system.service(&workers[1]).await.unwrap()];
        assert_ne!(before, after, "one of them is another process");
        browser.reads("#audit", "kill worker").await;
        browser.picture("receipt").await;
        assert_eq!(browser.complaints(&[]).await, Vec::<String>::new());
    })
    .await;
}
