use std::path::Path;

use serde::Deserialize;
use tokio::process::Command;

use crate::shop::Shop;

/// What `orderly verify` says in the end.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Verdict {
    pub(crate) accepted: u64,
    pub(crate) paid: u64,
    pub(crate) declined: u64,
    pub(crate) parked: u64,
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
}

impl Verdict {
    /// Adds the figures of another.
    pub(crate) fn add(&mut self, other: &Self) {
        self.accepted += other.accepted;
        self.paid += other.paid;
        self.declined += other.declined;
        self.parked += other.parked;
        self.lost += other.lost;
        self.doubled += other.doubled;
    }

    /// Has what clients were promised, what the journal tells and what the provider charged compared. Fails if they do not agree, or if
    /// anything is under way still.
    pub(crate) async fn reach(shop: &Shop, promised: &Path) -> (Option<Self>, Result<(), String>) {
        let mut verify = Command::new(env!("CARGO_BIN_EXE_orderly"));
        verify.args(["verify", "--settled", "--json", "--redis-url", &shop.redis_url()]);
        verify.args(["--provider-url", &shop.sandbox]).arg("--promised").arg(promised);
        let output = verify.output().await.unwrap();
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        let agreed = if output.status.success() { Ok(()) } else { Err(format!("{told}{errors}")) };
        (serde_json::from_str(&told).ok(), agreed)
    }
}
