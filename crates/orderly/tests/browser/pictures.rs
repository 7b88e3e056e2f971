//! What was seen, for people: in light and in dark, and on a phone.

use std::path::PathBuf;

use base64::{Engine, prelude::BASE64_STANDARD as STANDARD};
use serde_json::json;

use crate::browser::Browser;

impl Browser {
    /// Takes a picture of the whole page, if anybody wants one.
    pub(crate) async fn picture(&self, name: &str) {
        let Some(folder) = std::env::var_os("BROWSER_PICTURES").map(PathBuf::from) else { return };
        std::fs::create_dir_all(&folder).unwrap();
        let whole = json!({ "format": "png", "captureBeyondViewport": true });
        let taken = self.tell("Page.captureScreenshot", whole).await;
        let picture = STANDARD.decode(taken["data"].as_str().unwrap()).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), picture).unwrap();
    }

    pub(crate) async fn at_night(&self) {
        let dark = json!({ "features": [{ "name": "prefers-color-scheme", "value": "dark" }] });
        self.tell("Emulation.setEmulatedMedia", dark).await;
    }

    pub(crate) async fn by_day(&self) {
        let light = json!({ "features": [{ "name": "prefers-color-scheme", "value": "light" }] });
        self.tell("Emulation.setEmulatedMedia", light).await;
    }

    /// A window of this size, as on a phone or on a desk.
    pub(crate) async fn sized(&self, width: u32, height: u32, is_phone: bool) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": is_phone });
        self.tell("Emulation.setDeviceMetricsOverride", size).await;
    }
}
