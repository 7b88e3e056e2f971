//! What anybody sees and does.

use anyhow::ensure;
use nix::sys::signal::Signal;
use serde_json::json;
use test_support::{System, eventually, send};

use crate::{SOON, browser::at_browser, system};

#[tokio::test]
async fn an_order_is_placed_and_seen_to_travel_until_it_is_paid() {
    let system = system().await;
    at_browser(&system, async |browser| {
        browser.reads("#connection", "live").await;
        assert_eq!(
            browser.count(".node[data-state=ready]").await.unwrap(),
            5,
            "{}",
            browser.read("#flow").await.unwrap()
        );

        // By keyboard: from the field, with the key that sends a form.
        browser.fill("#order [name=quantity]", "2\u{e007}").await;
        browser.reads("#order-answer", "Accepted: 49.80 EUR").await;
        browser.reads("#mine li", "paid").await;
        browser.reads("#feed", "placed").await;
        browser.reads("#feed", "paid").await;
        browser.reads("[data-figure='orders-stream.length']", "2").await;
        browser.reads("[data-board=top-customers]", "49.80 EUR").await;
        assert!(browser.count("#edges path").await.unwrap() > 8, "edges are drawn");

        let mine = browser.read("#mine li code, #mine li a").await.unwrap();
        browser.click("#mine li a").await;
        browser.reads("#order dd b", "paid").await;
        assert!(browser.read("#order h2").await.unwrap().contains(&mine));
        let way = browser.read(".waterfall").await.unwrap();
        for told in [
            "waited: in orders-stream",
            "payment-producer",
            "attempt 1 at the payment",
            "payment-worker-",
            "provider",
        ] {
            assert!(way.contains(told), "{told} is not in {way}");
        }
        assert!(
            browser.count("rect.waited").await.unwrap() >= 3
                && browser.count("rect.called").await.unwrap() >= 1
        );
        browser.click("details.entry summary").await;
        browser.reads("details.entry[open] dl", "traceparent").await;
        browser.picture("order").await;

        browser.go("/").await;
        browser.reads("#mine", &mine).await;
        browser.reads("#feed", "paid").await;

        browser.click("#hundred").await;
        browser.find("#mine li:nth-child(50)").await;
        browser.picture("light").await;
        browser.reads("#order-answer", "Placed 100 of 100").await;
        eventually("all of them to be paid", SOON, || async {
            let paid = browser.count("#mine b.paid").await?;
            ensure!(paid == 100, "{paid} are");
            Ok(())
        })
        .await;
        browser.at_night().await;
        browser.picture("dark").await;
        browser.by_day().await;

        browser.sized(390, 844, true).await;
        browser.go("/").await;
        browser.reads("#connection", "live").await;
        let fits =
            browser.script("return document.documentElement.scrollWidth <= innerWidth", &[]).await.unwrap();
        assert_eq!(fits, json!(true), "nothing is wider than a phone");
        browser.picture("phone").await;

        assert_eq!(browser.complaints(&[]).await, Vec::<String>::new());
        assert_eq!(browser.strangers().await, Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn a_page_that_lost_its_server_takes_it_up_again_and_says_what_it_did_not_show() {
    let system = system().await;
    at_browser(&system, async |browser| {
        browser.reads("#connection", "live").await;
        system.place_order().await;
        browser.reads("#feed", "paid").await;

        // Whoever is frozen keeps its connections, and nobody is told that it is gone but by its silence.
        let gateway = system.service("api-gateway").await.unwrap();
        send(gateway, Signal::SIGSTOP);
        browser.reads("#connection", "connection lost").await;
        send(gateway, Signal::SIGCONT);
        browser.reads("#connection", "live").await;

        send(gateway, Signal::SIGKILL);
        browser.reads("#connection", "connection lost").await;
        let placed = place(&system, 60).await;
        browser.reads("#connection", "live").await;
        browser.reads("#missed", "not shown here").await;
        let last = placed.last().unwrap();
        eventually("the last of them to be in the feed", SOON, || async {
            let feed = browser.read("#feed").await?;
            ensure!(feed.contains(&last[..8]), "{last} is not in {feed}");
            Ok(())
        })
        .await;
        // What was asked of the one that was gone was refused, as it had to be.
        assert_eq!(browser.complaints(&["net::ERR_"]).await, Vec::<String>::new());
    })
    .await;
}

/// Places orders as soon as the gateway is there again.
async fn place(system: &System, count: usize) -> Vec<String> {
    let answers = async || {
        let ready = system.http().get(format!("{}/readyz", system.gateway())).send().await;
        ensure!(ready.is_ok_and(|answer| answer.status() == 200), "it is not");
        Ok(())
    };
    eventually("the gateway to be there again", SOON, answers).await;
    let mut placed = Vec::new();
    for _ in 0..count {
        placed.push(system.place_order().await);
    }
    placed
}
