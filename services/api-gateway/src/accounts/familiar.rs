//! From which addresses an account was logged in to before.
//!
//! Whoever guesses at an account from everywhere in the world is stopped by its limit; its owner is not, because the
//! limit does not hold where somebody has logged in before. (OWASP, "Authentication Cheat Sheet", calls it a known device.)

use std::time::Duration;

use common::{names::Names, problem::Problem};
use redis_kit::Connection;
use sha2::{Digest, Sha256};
use tracing::warn;

use super::Email;
use crate::{edge::ClientAddress, error::redis_failed};

/// How long an address is known after a login.
const LIFETIME: Duration = Duration::from_hours(30 * 24);

/// Knows them. Of an account and an address only a hash is kept.
pub(crate) struct Familiar {
    pub(crate) redis: Connection,
    pub(crate) names: Names,
}

impl Familiar {
    pub(super) async fn knows(&self, email: &Email, from: ClientAddress) -> Result<bool, Problem> {
        let exists =
            redis_kit::cmd("EXISTS").arg(self.key(email, from)).query_async(&mut self.redis.clone()).await;
        exists.map_err(|error| redis_failed(&redis_kit::Error::from(error)))
    }

    /// Not to be remembered is no harm to a login.
    pub(super) async fn remember(&self, email: &Email, from: ClientAddress) {
        let mut set = redis_kit::cmd("SET");
        set.arg(self.key(email, from)).arg("").arg("EX").arg(LIFETIME.as_secs());
        if let Err(error) = set.exec_async(&mut self.redis.clone()).await {
            warn!(%error, "cannot remember from where an account was logged in to");
        }
    }

    fn key(&self, email: &Email, from: ClientAddress) -> String {
        let digest = Sha256::digest(format!("{email} {}", from.household()));
        self.names.familiar_address(&hex::encode(digest))
    }
}
