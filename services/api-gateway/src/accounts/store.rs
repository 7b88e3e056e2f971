//! The table `accounts`.

use redis_kit::stream::now;
use sqlx::{Row, any::AnyRow};
use uuid::Uuid;

use super::{Account, Email, Role};
use crate::database::{Database, decode};

/// Reads and writes accounts.
#[derive(Clone)]
pub(crate) struct AccountStore {
    database: Database,
}

/// What became of a new account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Added {
    Yes,
    /// Its address or its customer id belongs to another.
    Taken,
}

impl AccountStore {
    pub(crate) fn new(database: &Database) -> Self {
        Self { database: database.clone() }
    }

    /// The account with that address, and its password's hash.
    pub(crate) async fn by_email(&self, email: &Email) -> sqlx::Result<Option<(Account, String)>> {
        self.one("SELECT * FROM accounts WHERE email = $1", email.as_str()).await
    }

    /// The account of that id, and its password's hash.
    pub(crate) async fn by_id(&self, id: Uuid) -> sqlx::Result<Option<(Account, String)>> {
        self.one("SELECT * FROM accounts WHERE id = $1", &id.to_string()).await
    }

    async fn one(&self, query: &'static str, by: &str) -> sqlx::Result<Option<(Account, String)>> {
        let row = sqlx::query(query).bind(by).fetch_optional(&self.database.pool).await?;
        row.as_ref().map(account).transpose()
    }

    /// Whether anybody has that role.
    pub(crate) async fn any(&self, role: Role) -> sqlx::Result<bool> {
        let query = sqlx::query("SELECT id FROM accounts WHERE role = $1 LIMIT 1").bind(name_of(role));
        Ok(query.fetch_optional(&self.database.pool).await?.is_some())
    }

    pub(crate) async fn add(&self, account: &Account, password_hash: &str) -> sqlx::Result<Added> {
        let added = sqlx::query(
            "INSERT INTO accounts (id, customer_id, email, password_hash, role, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
        )
        .bind(account.id.to_string())
        .bind(&account.customer_id)
        .bind(account.email.as_str())
        .bind(password_hash)
        .bind(name_of(account.role))
        .bind(now().as_microsecond())
        .execute(&self.database.pool)
        .await?;
        Ok(if added.rows_affected() == 1 { Added::Yes } else { Added::Taken })
    }

    /// Replaces a password's hash, unless somebody else has replaced it meanwhile. Says whether it did.
    pub(crate) async fn change_password(&self, id: Uuid, from: &str, to: &str) -> sqlx::Result<bool> {
        let changed =
            sqlx::query("UPDATE accounts SET password_hash = $3 WHERE id = $1 AND password_hash = $2")
                .bind(id.to_string())
                .bind(from)
                .bind(to)
                .execute(&self.database.pool)
                .await?;
        Ok(changed.rows_affected() == 1)
    }
}

fn account(row: &AnyRow) -> sqlx::Result<(Account, String)> {
    let role: String = row.try_get("role")?;
    let role = [Role::Customer, Role::Admin].into_iter().find(|known| name_of(*known) == role);
    let account = Account {
        id: row.try_get::<String, _>("id")?.parse().map_err(decode)?,
        customer_id: row.try_get("customer_id")?,
        email: Email::parse(row.try_get("email")?).ok_or_else(|| unknown("email"))?,
        role: role.ok_or_else(|| unknown("role"))?,
    };
    Ok((account, row.try_get("password_hash")?))
}

fn name_of(role: Role) -> &'static str {
    match role {
        Role::Customer => "customer",
        Role::Admin => "admin",
    }
}

fn unknown(column: &str) -> sqlx::Error {
    sqlx::Error::Decode(format!("the column {column} holds what this gateway does not know").into())
}
