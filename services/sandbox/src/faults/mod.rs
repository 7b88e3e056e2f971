//! Bad days on demand: which faults are on, and what they do to a call.
//!
//! `GET /faults` shows them, `PUT /faults` replaces them all: a field left out is off. The calls of a subject are
//! counted from the moment its faults were set, so setting the same again repeats the same run.
//!
//! `POST /faults/spells` has some of the provider's calls meet others for a while, `GET /faults/spells` shows those that are on. They go with
//! the faults that were on when they began.

mod draw;
mod settings;
mod spells;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use common::problem::Problem;
use metrics::counter;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

pub(crate) use draw::{Fate, Mishap};
pub use settings::{FaultSettings, Latency};
pub use spells::Spell;
use spells::Spells;

use crate::extract::Checked;

/// The faults that are on.
pub(crate) struct Faults {
    plan: RwLock<Arc<Plan>>,
    /// Nothing waits any longer once it is cancelled.
    shutdown: CancellationToken,
}

/// Settings, and how many calls of each subject they have decided about.
struct Plan {
    settings: FaultSettings,
    spells: Spells,
    calls: Mutex<HashMap<String, u32>>,
}

impl Plan {
    fn new(settings: FaultSettings) -> Arc<Self> {
        Arc::new(Self { settings, spells: Spells::default(), calls: Mutex::default() })
    }

    fn next_call(&self, subject: &str) -> u32 {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let count = calls.entry(subject.to_owned()).or_default();
        *count += 1;
        *count
    }
}

impl Faults {
    pub(crate) fn new(settings: FaultSettings, shutdown: CancellationToken) -> Self {
        Self { plan: RwLock::new(Plan::new(settings)), shutdown }
    }

    /// Waits out the latency of a call to charge `key`, and tells what else awaits it.
    pub(crate) async fn strike_charge(&self, key: &str) -> Fate {
        let plan = self.plan();
        self.strike(&plan, &plan.spells.now(), || key.to_owned()).await
    }

    /// Waits out the latency of a call that only looks a charge up, and fails if an error is due.
    pub(crate) async fn strike_charge_lookup(&self, key: &str) -> Result<(), Problem> {
        let plan = self.plan();
        self.strike_lookup(&plan, &plan.spells.now(), "charges", key).await
    }

    /// The same for the directory, which is somebody else's: a bad day of the provider is none of its.
    pub(crate) async fn strike_user_lookup(&self, id: &str) -> Result<(), Problem> {
        self.strike_lookup(&self.plan(), &[], "users", id).await
    }

    async fn strike_lookup(
        &self,
        plan: &Plan,
        spells: &[Spell],
        collection: &str,
        id: &str,
    ) -> Result<(), Problem> {
        // The space keeps it apart from every idempotency key.
        let fate = self.strike(plan, spells, || format!("GET {collection}/{id}")).await;
        if fate.before_charge == Some(Mishap::Error) { Err(error(id)) } else { Ok(()) }
    }

    /// Lasts until any client has given up, or until the sandbox stops.
    pub(crate) async fn withhold(&self) {
        self.wait(settings::LONGEST_WAIT).await;
    }

    async fn strike(&self, plan: &Plan, spells: &[Spell], subject: impl FnOnce() -> String) -> Fate {
        if plan.settings.is_quiet() && spells.is_empty() {
            return Fate::default();
        }
        let subject = subject();
        let call = plan.next_call(&subject);
        let fate = draw::draw(&spells::met(&plan.settings, spells, &subject, call), &subject, call);
        self.wait(fate.latency).await;
        fate
    }

    async fn wait(&self, time: Duration) {
        if time.is_zero() {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            () = self.shutdown.cancelled() => {}
        }
    }

    fn plan(&self) -> Arc<Plan> {
        Arc::clone(&self.plan.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, settings: FaultSettings) {
        info!(faults = ?settings, "faults set");
        *self.plan.write().unwrap_or_else(PoisonError::into_inner) = Plan::new(settings);
    }
}

/// The answer to a call that an error struck; the same whether it was carried out or not.
pub(crate) fn error(subject: &str) -> Problem {
    tell("error", subject);
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "something went wrong, as the faults demand")
}

/// Notes that a fault struck.
pub(crate) fn tell(kind: &'static str, subject: &str) {
    counter!("sandbox_faults_total", "kind" => kind).increment(1);
    debug!(kind, subject, "a fault strikes");
}

pub(crate) fn routes(faults: Arc<Faults>) -> Router {
    Router::new()
        .route("/faults", get(show).put(replace))
        .route("/faults/spells", get(show_spells).post(begin_spell))
        .with_state(faults)
}

async fn show(State(faults): State<Arc<Faults>>) -> Json<FaultSettings> {
    Json(faults.plan().settings.clone())
}

async fn replace(
    State(faults): State<Arc<Faults>>,
    Checked(Json(settings)): Checked<Json<FaultSettings>>,
) -> Result<Json<FaultSettings>, Problem> {
    settings.check().map_err(Problem::invalid)?;
    faults.set(settings.clone());
    Ok(Json(settings))
}

async fn show_spells(State(faults): State<Arc<Faults>>) -> Json<Vec<Spell>> {
    Json(faults.plan().spells.now())
}

async fn begin_spell(
    State(faults): State<Arc<Faults>>,
    Checked(Json(spell)): Checked<Json<Spell>>,
) -> Result<(StatusCode, Json<Spell>), Problem> {
    spell.check().map_err(Problem::invalid)?;
    info!(?spell, "a spell begins");
    faults.plan().spells.begin(spell.clone());
    Ok((StatusCode::CREATED, Json(spell)))
}
