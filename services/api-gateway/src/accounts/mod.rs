//! Who may log in, and as what.
//!
//! | to follow | open |
//! |---|---|
//! | how passwords are kept | `password.rs` |
//! | the table | `store.rs` |
//! | logging in and out, and sessions | `login.rs` |
//! | from where somebody has logged in before | `familiar.rs` |
//! | making accounts | `routes.rs` |
//! | the accounts that there are from the start | `first.rs` |

mod familiar;
mod first;
mod login;
mod password;
mod routes;
mod store;

use std::fmt;

use common::problem::{FieldError, Problem};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;
use uuid::Uuid;

pub(crate) use familiar::Familiar;
pub use first::{FirstAdmin, first_admin};
pub(crate) use first::{seed_admin, seed_demo_customers};
pub(crate) use login::Login;
pub(crate) use password::{Password, Passwords};
pub(crate) use routes::routes;
pub(crate) use store::{AccountStore, Added};

/// What the customer ids of accounts begin with. No guest may use such a one, so that an account's orders are its own
/// without anybody having to look whether it exists.
pub(crate) const CUSTOMER_PREFIX: &str = "acct-";

/// Somebody who can log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) id: Uuid,
    /// In whose name it orders.
    pub(crate) customer_id: String,
    pub(crate) email: Email,
    pub(crate) role: Role,
}

impl Account {
    /// One that is not stored yet, with a customer id of its own.
    pub(crate) fn new(email: Email, role: Role) -> Self {
        let id = Uuid::new_v4();
        Self { id, customer_id: format!("{CUSTOMER_PREFIX}{}", id.simple()), email, role }
    }
}

/// What an account may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    /// See and make its own orders.
    Customer,
    /// See everybody's, and change the catalogue.
    Admin,
}

/// An e-mail address, in lower case: whoever writes it otherwise means the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Email(String);

const MAX_EMAIL: usize = 254;

impl Email {
    /// Something on either side of one `@`, in visible ASCII. Whether mail arrives there is another question.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let valid = text.len() <= MAX_EMAIL
            && text.bytes().all(|byte| byte.is_ascii_graphic())
            && matches!(text.split('@').collect::<Vec<_>>()[..], [name, host] if !name.is_empty() && !host.is_empty());
        valid.then(|| Self(text.to_ascii_lowercase()))
    }

    /// The same, from the field of a request; 422 if it is none.
    pub(crate) fn from_field(text: &str) -> Result<Self, Problem> {
        let detail = format!("an e-mail address of at most {MAX_EMAIL} visible ASCII characters");
        let invalid = || Problem::invalid(vec![FieldError { pointer: "/email".into(), detail }]);
        Self::parse(text).ok_or_else(invalid)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands for it in keys: whoever may look at those need not know who logs in, and an address may hold what no key
    /// should.
    pub(crate) fn digest(&self) -> String {
        hex::encode(Sha256::digest(&self.0))
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_spelling() {
        assert_eq!(Email::parse("Ada@Example.COM").unwrap().as_str(), "ada@example.com");
        for text in
            ["", "ada", "@", "a@", "@b", "a@b@c", "a b@c", "a\n@b", "ä@b", &format!("{}@b", "a".repeat(254))]
        {
            assert_eq!(Email::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn every_account_orders_in_a_name_of_its_own() {
        let email = Email::parse("a@b").unwrap();
        let [one, other] = [Account::new(email.clone(), Role::Customer), Account::new(email, Role::Customer)];
        assert_ne!(one.customer_id, other.customer_id);
        assert!(one.customer_id.starts_with(CUSTOMER_PREFIX));
    }
}
