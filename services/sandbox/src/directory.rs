//! The user directory: `GET /users/{id}`. Made up, but always the same.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    routing::get,
};
use common::problem::Problem;
use serde::Serialize;

use crate::{extract::Checked, faults::Faults};

const FIRST_NAMES: [&str; 40] = [
    "Leanne",
    "Ervin",
    "Clementine",
    "Patricia",
    "Chelsey",
    "Dennis",
    "Kurtis",
    "Nicholas",
    "Glenna",
    "Ada",
    "Bruno",
    "Chiara",
    "Dmitri",
    "Elif",
    "Farid",
    "Greta",
    "Hanna",
    "Ivo",
    "Jana",
    "Kofi",
    "Lucia",
    "Mateo",
    "Nadia",
    "Olga",
    "Pavel",
    "Quentin",
    "Rosa",
    "Sanjay",
    "Tomas",
    "Uma",
    "Viktor",
    "Wanda",
    "Xenia",
    "Yusuf",
    "Zoe",
    "Amara",
    "Boris",
    "Celeste",
    "Diego",
    "Emeka",
];

const LAST_NAMES: [&str; 25] = [
    "Graham",
    "Howell",
    "Bauch",
    "Lebsack",
    "Dietrich",
    "Schulist",
    "Weissnat",
    "Runolfsdottir",
    "Reichert",
    "DuBuque",
    "Almeida",
    "Brandt",
    "Costa",
    "Dupont",
    "Eriksen",
    "Fischer",
    "Garcia",
    "Haddad",
    "Ivanova",
    "Jensen",
    "Kowalski",
    "Lindgren",
    "Moreau",
    "Novak",
    "Okafor",
];

/// Every pair of names once, so that no two users share one.
const USERS: usize = FIRST_NAMES.len() * LAST_NAMES.len();

#[derive(Debug, PartialEq, Eq, Serialize)]
struct User {
    id: String,
    name: String,
    email: String,
}

pub(crate) fn routes(faults: Arc<Faults>) -> Router {
    Router::new().route("/users/{id}", get(user)).with_state(faults)
}

async fn user(
    State(faults): State<Arc<Faults>>,
    Checked(Path(id)): Checked<Path<String>>,
) -> Result<Json<User>, Problem> {
    faults.strike_user_lookup(&id).await?;
    let unknown =
        || Problem::new(StatusCode::NOT_FOUND, format!("no user has this id; there are 1 to {USERS}"));
    find(&id).map(Json).ok_or_else(unknown)
}

fn find(id: &str) -> Option<User> {
    let number: usize = id.parse().ok().filter(|number| (1..=USERS).contains(number))?;
    // "01" and "+1" parse too, but an id has one spelling.
    if id != number.to_string() {
        return None;
    }
    let (round, place) = ((number - 1) / FIRST_NAMES.len(), (number - 1) % FIRST_NAMES.len());
    let (first, last) = (FIRST_NAMES[place], LAST_NAMES[(number - 1 + round) % LAST_NAMES.len()]);
    let again = if round == 0 { String::new() } else { (round + 1).to_string() };
    Some(User {
        id: id.to_owned(),
        name: format!("{first} {last}"),
        email: format!("{}{again}@example.com", first.to_lowercase()),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_user_has_a_name_and_an_address_of_their_own() {
        let users: Vec<User> = (1..=1000).filter_map(|id: usize| find(&id.to_string())).collect();
        assert_eq!(users.len(), 1000);
        assert_eq!(users.iter().map(|user| &user.name).collect::<HashSet<_>>().len(), 1000);
        assert_eq!(users.iter().map(|user| &user.email).collect::<HashSet<_>>().len(), 1000);
    }

    #[test]
    fn an_id_has_one_spelling() {
        for id in ["0", "01", "+1", "1001", "-1", "", "one", "99999999999999999999999"] {
            assert_eq!(find(id), None, "{id}");
        }
    }
}
