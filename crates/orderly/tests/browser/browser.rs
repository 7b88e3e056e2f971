//! A person at a browser.

use std::panic::{AssertUnwindSafe, resume_unwind};

use anyhow::ensure;
use fantoccini::{Client, Locator, elements::Element, wd::WebDriverCompatibleCommand};
use futures_util::FutureExt;
use http::Method;
use serde_json::{Value, json};
use test_support::{System, eventually};
use url::Url;

use crate::{SOON, driver::Driver};

/// Who sits there, before one system's pages.
pub(crate) struct Browser {
    pub(crate) client: Client,
    base: String,
    _driver: Driver,
}

/// Has a person do something, unless there is no browser on this machine. The browser ends with it, also if it fails: a driver
/// that is killed leaves its browsers behind.
pub(crate) async fn at_browser(system: &System, something: impl AsyncFnOnce(&Browser)) {
    let Some(driver) = Driver::start().await else { return };
    let client = driver.client().await;
    let browser = Browser { client: client.clone(), base: system.gateway().to_owned(), _driver: driver };
    let done = AssertUnwindSafe(async {
        browser.go("/").await;
        something(&browser).await;
    });
    let done = done.catch_unwind().await;
    client.close().await.unwrap();
    if let Err(panic) = done {
        resume_unwind(panic);
    }
}

impl Browser {
    pub(crate) async fn go(&self, path: &str) {
        self.client.goto(&format!("{}{path}", self.base)).await.unwrap();
    }

    pub(crate) async fn find(&self, css: &str) -> Element {
        self.client
            .wait()
            .at_most(SOON)
            .for_element(Locator::Css(css))
            .await
            .unwrap_or_else(|error| panic!("{css}: {error}"))
    }

    /// Clicks as soon as it can be clicked. What the page renews in that moment is looked for again.
    pub(crate) async fn click(&self, css: &str) {
        eventually(&format!("a click on {css}"), SOON, || async {
            self.client.find(Locator::Css(css)).await?.click().await
        })
        .await;
    }

    /// Types into a field, in the place of what stood there.
    pub(crate) async fn fill(&self, css: &str, text: &str) {
        let field = self.find(css).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    /// What a person reads there; nothing if there is nothing.
    pub(crate) async fn read(&self, css: &str) -> anyhow::Result<String> {
        // In one step: what the page renews while it is read would be stale.
        let script =
            "return [...document.querySelectorAll(arguments[0])].map((found) => found.innerText).join('\\n')";
        Ok(self.script(script, &[json!(css)]).await?.as_str().unwrap_or_default().to_owned())
    }

    /// Waits until a person reads this there.
    pub(crate) async fn reads(&self, css: &str, text: &str) {
        eventually(&format!("{css} to say {text:?}"), SOON, || async {
            let found = self.read(css).await?;
            ensure!(found.contains(text), "it says {found:?}");
            Ok(())
        })
        .await;
    }

    /// How many of them there are.
    pub(crate) async fn count(&self, css: &str) -> anyhow::Result<u64> {
        let count =
            self.script("return document.querySelectorAll(arguments[0]).length", &[json!(css)]).await?;
        Ok(count.as_u64().unwrap_or_default())
    }

    pub(crate) async fn script(&self, script: &str, arguments: &[Value]) -> anyhow::Result<Value> {
        Ok(self.client.execute(script, arguments.to_vec()).await?)
    }

    /// What the browser complained of, but for what is expected.
    pub(crate) async fn complaints(&self, expected: &[&str]) -> Vec<String> {
        let said = self.log("browser").await;
        let said = said.iter().filter(|entry| entry["level"] != "INFO" && entry["level"] != "DEBUG");
        let said = said.map(|entry| entry["message"].as_str().unwrap().to_owned());
        said.filter(|said| !expected.iter().any(|expected| said.contains(expected))).collect()
    }

    /// Everything that the pages have asked of anybody but this system.
    pub(crate) async fn strangers(&self) -> Vec<String> {
        let mut strangers = Vec::new();
        for entry in self.log("performance").await {
            let message: Value = serde_json::from_str(entry["message"].as_str().unwrap()).unwrap();
            if message["message"]["method"] != "Network.requestWillBeSent" {
                continue;
            }
            let url = message["message"]["params"]["request"]["url"].as_str().unwrap();
            // What the browser shows by itself is nobody else's.
            if !url.starts_with(&self.base) && url.starts_with("http") {
                strangers.push(url.to_owned());
            }
        }
        strangers
    }

    async fn log(&self, kind: &'static str) -> Vec<Value> {
        let log = self.client.issue_cmd(Own { path: "se/log", body: json!({ "type": kind }) }).await.unwrap();
        log.as_array().unwrap().clone()
    }

    /// Has Chromium do what only Chromium can: a command of its developer tools' protocol.
    pub(crate) async fn tell(&self, command: &str, parameters: Value) -> Value {
        let body = json!({ "cmd": command, "params": parameters });
        self.client.issue_cmd(Own { path: "goog/cdp/execute", body }).await.unwrap()
    }
}

/// A command that only this driver knows.
#[derive(Debug)]
struct Own {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Own {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}
