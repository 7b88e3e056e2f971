//! The accounts that there are from the start.

use anyhow::{Context, anyhow};
use common::problem::Problem;
use tracing::{info, warn};

use super::{Account, AccountStore, CUSTOMER_PREFIX, Email, Password, Passwords, Role};
use crate::database::Database;

/// The password of every demo customer.
const DEMO_PASSWORD: &str = "demo-password";

/// The first users of the sandbox's directory.
const DEMO_CUSTOMERS: [&str; 5] = ["leanne", "ervin", "clementine", "patricia", "chelsey"];

/// An admin that was just made. The password is nowhere else.
pub struct FirstAdmin {
    /// The address to log in with.
    pub email: String,
    /// The password to log in with.
    pub password: String,
}

/// Makes an admin with a random password, unless there is one.
///
/// # Errors
/// If the database cannot be used.
pub async fn first_admin(database_url: &str, email: &str) -> anyhow::Result<Option<FirstAdmin>> {
    let database = Database::open(database_url).await?;
    let accounts = AccountStore::new(&database);
    let password = Password::random();
    let made = seed_admin(&accounts, &Passwords::default(), email, password.clone()).await?;
    database.close().await;
    Ok(made.then(|| FirstAdmin { email: email.to_owned(), password: password.reveal() }))
}

/// Makes an admin, unless there is one. Says whether it did.
pub(crate) async fn seed_admin(
    accounts: &AccountStore,
    passwords: &Passwords,
    email: &str,
    password: Password,
) -> anyhow::Result<bool> {
    if accounts.any(Role::Admin).await? {
        return Ok(false);
    }
    password.check("the admin's password").map_err(refused)?;
    let email = Email::parse(email).with_context(|| format!("{email:?} is no e-mail address"))?;
    let hash = passwords.hash(password).await.map_err(refused)?;
    let added = accounts.add(&Account::new(email.clone(), Role::Admin), &hash).await?;
    info!(%email, "made an admin");
    Ok(added == super::Added::Yes)
}

/// Makes customers to try the shop with, all with one password that everybody knows.
pub(crate) async fn seed_demo_customers(
    accounts: &AccountStore,
    passwords: &Passwords,
) -> anyhow::Result<()> {
    warn!(password = DEMO_PASSWORD, "there are demo customers, whose password everybody knows");
    for (index, name) in DEMO_CUSTOMERS.iter().enumerate() {
        let email = Email::parse(&format!("{name}@example.com")).context("a demo customer has no address")?;
        if accounts.by_email(&email).await?.is_none() {
            let hash = passwords.hash(Password::from_text(DEMO_PASSWORD)).await.map_err(refused)?;
            let customer_id = format!("{CUSTOMER_PREFIX}{}", index + 1);
            accounts.add(&Account { customer_id, ..Account::new(email, Role::Customer) }, &hash).await?;
        }
    }
    Ok(())
}

#[expect(clippy::needless_pass_by_value, reason = "it is given to map_err")]
fn refused(problem: Problem) -> anyhow::Error {
    anyhow!("{}", problem.detail())
}
