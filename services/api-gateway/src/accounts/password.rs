//! Passwords are kept as Argon2id hashes, with the parameters that OWASP asks for (19 MiB, two passes).
//!
//! A hash takes tens of milliseconds of a core and 19 MiB, on purpose. So hashes are computed on threads of their own,
//! two at a time, and of those who wait for a turn there are only so many.

use std::{fmt, sync::Arc};

use argon2::{
    Argon2,
    password_hash::{self, PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use common::problem::{FieldError, Problem};
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::Value;
use tokio::{sync::Semaphore, task::spawn_blocking};
use tracing::error;

use crate::error::internal;

/// How many hashes are computed at the same time.
const AT_ONCE: usize = 2;

/// How many may be computed or waited for. That is a second or two of work.
const WAITING: usize = 64;

const MIN_LENGTH: usize = 8;
const MAX_LENGTH: usize = 256;

/// A password as somebody typed it. Never shown, and never logged.
#[derive(Clone)]
pub(crate) struct Password(String);

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Of what is no text, as a password of digits without quotes, Serde itself would show the value.
        let Value::String(text) = Value::deserialize(deserializer)? else {
            return Err(D::Error::custom("expected a string"));
        };
        Ok(Self(text))
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

impl Password {
    /// One that nobody has to remember: 122 random bits.
    pub(crate) fn random() -> Self {
        Self(uuid::Uuid::new_v4().simple().to_string())
    }

    pub(crate) fn from_text(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// For the one time it is told to its owner.
    pub(crate) fn reveal(self) -> String {
        self.0
    }

    /// 422 if it may not be chosen. One that is too long to be chosen is not worth hashing either.
    pub(crate) fn check(&self, pointer: &str) -> Result<(), Problem> {
        if (MIN_LENGTH..=MAX_LENGTH).contains(&self.0.len()) {
            return Ok(());
        }
        let detail = format!("a password of {MIN_LENGTH} to {MAX_LENGTH} bytes");
        Err(Problem::invalid(vec![FieldError { pointer: pointer.into(), detail }]))
    }
}

/// Hashes and verifies. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Passwords {
    turns: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self { turns: Arc::new(Semaphore::new(AT_ONCE)), places: Arc::new(Semaphore::new(WAITING)) }
    }
}

impl Passwords {
    /// The hash to store, a PHC string. 503 if too many wait already.
    pub(crate) async fn hash(&self, password: Password) -> Result<String, Problem> {
        let hashed = self.in_turn(move || Argon2::default().hash_password(password.0.as_bytes())).await?;
        hashed.map(|hash| hash.to_string()).map_err(unusable)
    }

    /// Whether the password is the one that was hashed. Where there is no hash it is hashed all the same, which takes the same
    /// time, so that nobody can tell by it which accounts exist. 503 if too many wait already.
    pub(crate) async fn verify(&self, password: Password, hash: Option<String>) -> Result<bool, Problem> {
        let Some(hash) = hash else { return self.hash(password).await.map(|_nobodys| false) };
        let verified = self.in_turn(move || {
            let hash = PasswordHash::new(&hash)?;
            Argon2::default().verify_password(password.0.as_bytes(), &hash)
        });
        match verified.await? {
            Ok(()) => Ok(true),
            Err(password_hash::Error::PasswordInvalid) => Ok(false),
            Err(error) => Err(unusable(error)),
        }
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let busy = || Problem::unavailable("too many people are logging in; try again");
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| busy())?;
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| internal())?;
        let worked = spawn_blocking(move || {
            // Kept until the work is done, even if nobody waits for it any more.
            let _kept = (place, turn);
            work()
        });
        worked.await.map_err(|_panic| internal())
    }
}

fn unusable(error: password_hash::Error) -> Problem {
    error!(%error, "cannot hash or verify a password");
    internal()
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

    use super::*;

    fn password(text: &str) -> Password {
        Password::from_text(text)
    }

    #[tokio::test]
    async fn a_password_is_verified_by_its_hash_alone() {
        let passwords = Passwords::default();
        let hash = passwords.hash(password("correct horse")).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(passwords.verify(password("correct horse"), Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify(password("correct horsf"), Some(hash)).await.unwrap());
        assert!(!passwords.verify(password("correct horse"), None).await.unwrap());
    }

    #[tokio::test]
    async fn more_than_can_be_served_soon_are_turned_away() {
        let passwords = Passwords::default();
        let many = (0..WAITING + 5).map(|_| passwords.verify(password("a guess"), None));
        let (served, refused): (Vec<_>, Vec<_>) = join_all(many).await.into_iter().partition(Result::is_ok);
        assert_eq!((served.len(), refused.len()), (WAITING, 5));
        assert!(refused.into_iter().all(|refused| refused.unwrap_err().status() == 503));
    }

    #[test]
    fn a_password_is_never_shown() {
        assert_eq!(format!("{:?}", password("secret")), "Password(…)");
    }
}
