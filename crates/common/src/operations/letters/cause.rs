//! Why letters were given up, as far as that is the same of many.

use std::{
    cmp::Reverse,
    collections::{HashMap, hash_map::Entry},
};

use jiff::Timestamp;
use redis_kit::stream::dead_letters::DeadLetter;
use serde::Serialize;
use utoipa::ToSchema;

use super::Place;

/// Letters of one group and one type that were given up for the same reason.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Cause {
    /// The group that gave them up.
    pub group: String,
    /// The type of their messages, if they say one.
    #[serde(rename = "type")]
    pub message_type: Option<String>,
    /// The reason; what differs from letter to letter is `…`.
    pub reason: String,
    /// How many they are.
    pub count: u64,
    /// When the first of them was given up.
    pub oldest: Timestamp,
    /// When the last of them was.
    pub newest: Timestamp,
    /// The newest of them.
    #[schema(value_type = String, example = "payment-workers/2/1700000000000-0")]
    pub example: Place,
}

impl Cause {
    fn of(group: &str, letter: &DeadLetter, place: Place) -> Self {
        let at = letter.id.time();
        Self {
            group: group.into(),
            message_type: letter.message_type().map(str::to_owned),
            reason: letter.reason_shape(),
            count: 1,
            oldest: at,
            newest: at,
            example: place,
        }
    }

    /// Takes in the letters of the same cause. The example becomes the newest.
    fn add(&mut self, other: Self) {
        self.count += other.count;
        self.oldest = self.oldest.min(other.oldest);
        if other.newest >= self.newest {
            (self.newest, self.example) = (other.newest, other.example);
        }
    }
}

/// The causes of letters that are told one after the other.
#[derive(Default)]
pub(super) struct Causes(HashMap<(String, Option<String>, String), Cause>);

impl Causes {
    pub(super) fn add(&mut self, group: &str, letter: &DeadLetter, place: Place) {
        let cause = Cause::of(group, letter, place);
        let same = (cause.group.clone(), cause.message_type.clone(), cause.reason.clone());
        match self.0.entry(same) {
            Entry::Occupied(mut known) => known.get_mut().add(cause),
            Entry::Vacant(new) => {
                new.insert(cause);
            }
        }
    }

    /// Those with the most letters first, and of these the newest.
    pub(super) fn sorted(self) -> Vec<Cause> {
        let mut causes: Vec<Cause> = self.0.into_values().collect();
        causes.sort_by_key(|cause| Reverse((cause.count, cause.newest)));
        causes
    }
}
