//! What all handlers work with.

use std::{ops::Deref, sync::Arc};

use axum::extract::FromRef;
use common::operations::Installation;
use redis_kit::session::{SessionCookie, Sessions};

use crate::{
    accounts::{AccountStore, Familiar, Login, Passwords},
    boards::Boards,
    catalogue::Catalogue,
    limits::Limits,
    orders::{Orders, accept::Acceptor, events::Events},
    page::Live,
    users::Users,
};

/// The parts of the gateway, shared by all requests. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App(Arc<Parts>);

pub(crate) struct Parts {
    pub(crate) acceptor: Acceptor,
    pub(crate) orders: Orders,
    pub(crate) events: Events,
    pub(crate) boards: Boards,
    pub(crate) live: Live,
    pub(crate) catalogue: Catalogue,
    pub(crate) users: Users,
    pub(crate) accounts: AccountStore,
    pub(crate) passwords: Passwords,
    pub(crate) familiar: Familiar,
    pub(crate) sessions: Sessions<Login>,
    pub(crate) cookie: SessionCookie,
    pub(crate) limits: Limits,
    pub(crate) installation: Installation,
}

impl App {
    pub(crate) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl FromRef<App> for Sessions<Login> {
    fn from_ref(app: &App) -> Self {
        app.sessions.clone()
    }
}

impl FromRef<App> for SessionCookie {
    fn from_ref(app: &App) -> Self {
        app.cookie.clone()
    }
}
