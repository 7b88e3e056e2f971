use std::num::NonZeroU32;

use jiff::Timestamp;
use redis_kit::stream::{Message, dead_letters::Filter};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Receipt;

/// The stream `control-stream`: what operators asked for, and what came of it. It is the audit log too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum ControlEvent {
    /// A person, or what acts for one, wants something done.
    #[serde(rename = "control.requested")]
    Requested {
        /// What.
        #[serde(flatten)]
        action: Action,
        /// Who.
        by: String,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    /// The service that owns the thing has done it, or says why not.
    #[serde(rename = "control.carried_out")]
    CarriedOut {
        /// The message id of the request.
        request: Uuid,
        /// What was asked for.
        #[serde(flatten)]
        action: Action,
        /// Which instance of the service did it.
        instance: String,
        /// What came of it, for people.
        outcome: String,
        /// Whether it was done.
        succeeded: bool,
    },
    /// What the orders came to that were accepted while something was broken on purpose.
    #[serde(rename = "control.receipt")]
    Receipt {
        /// The message id of the request.
        request: Uuid,
        /// What was asked for.
        #[serde(flatten)]
        action: Action,
        /// Who carried it out, and has counted.
        instance: String,
        /// What was counted.
        #[serde(flatten)]
        receipt: Receipt,
    },
}

/// What can be asked for. What concerns a group is carried out by the service that owns it. What breaks something on purpose is
/// carried out by the supervisor of `orderly up`, within ten seconds or not at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// Bring dead letters of a group back into their stream, for that group alone.
    ReplayDeadLetters {
        /// The group that gave them up.
        group: String,
        /// Which of its letters.
        filter: LetterFilter,
        /// How many a second at most.
        #[schema(value_type = u32, minimum = 1)]
        per_second: NonZeroU32,
    },
    /// Delete dead letters of a group for good.
    DropDeadLetters {
        /// The group that gave them up.
        group: String,
        /// Which of its letters.
        filter: LetterFilter,
    },
    /// Have a group take nothing from its streams until it is resumed.
    PauseGroup {
        /// The group.
        group: String,
    },
    /// Have a group that is paused go on.
    ResumeGroup {
        /// The group.
        group: String,
    },
    /// Kill an instance of payment-worker while it has payments in hand. It is started again at once.
    KillWorker {
        /// Which one; if none is named, whichever has most in hand.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9._-]+$")]
        worker: Option<String>,
    },
    /// Freeze an instance of payment-worker while it has payments in hand, and let it go on after a while.
    FreezeWorker {
        /// Which one; if none is named, whichever has most in hand.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9._-]+$")]
        worker: Option<String>,
        /// For how long; by default until others have surely taken over its work.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(minimum = 1, maximum = 120)]
        seconds: Option<u32>,
    },
    /// Have the payment provider take a second longer for some of its calls.
    SlowProvider {
        /// For how many of a hundred calls; by default [`Action::USUAL_PERCENT`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(minimum = 1, maximum = 100)]
        percent: Option<u32>,
        /// For how long; by default [`Action::USUAL_SECONDS`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(minimum = 1, maximum = 120)]
        seconds: Option<u32>,
    },
    /// Have the payment provider fail some of its calls, half of them after it has charged.
    FailProvider {
        /// How many of a hundred calls; by default [`Action::USUAL_PERCENT`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(minimum = 1, maximum = 100)]
        percent: Option<u32>,
        /// For how long; by default [`Action::USUAL_SECONDS`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(minimum = 1, maximum = 120)]
        seconds: Option<u32>,
    },
    /// One that only a newer program knows, and so nothing that is this one's to do.
    #[serde(other)]
    Unknown,
}

/// Which dead letters are meant: those that fit everything that is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LetterFilter {
    /// The message's type is this one.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub message_type: Option<String>,
    /// The reason contains this text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_contains: Option<String>,
    /// It became a dead letter then or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// It became a dead letter then or earlier: when the person looked. What came later nobody has seen.
    pub until: Timestamp,
}

impl Action {
    /// Nothing is broken on purpose for longer.
    pub const MOST_SECONDS: u32 = 120;
    /// For how long the provider is disturbed unless the request says so.
    pub const USUAL_SECONDS: u32 = 10;
    /// How many of a hundred calls to the provider are disturbed unless the request says so.
    pub const USUAL_PERCENT: u32 = 20;

    /// A figure of it that is beyond its limits: the field, and the most that it may be. All are at least 1.
    pub fn beyond_limits(&self) -> Option<(&'static str, u32)> {
        let (percent, seconds) = match self {
            Self::FreezeWorker { seconds, .. } => (None, *seconds),
            Self::SlowProvider { percent, seconds } | Self::FailProvider { percent, seconds } => {
                (*percent, *seconds)
            }
            _ => (None, None),
        };
        let limits = [("percent", percent, 100), ("seconds", seconds, Self::MOST_SECONDS)];
        let beyond =
            limits.into_iter().find(|(_, figure, most)| figure.is_some_and(|it| !(1..=*most).contains(&it)));
        beyond.map(|(field, _, most)| (field, most))
    }

    /// The group that it is about.
    pub fn group(&self) -> Option<&str> {
        match self {
            Self::ReplayDeadLetters { group, .. }
            | Self::DropDeadLetters { group, .. }
            | Self::PauseGroup { group }
            | Self::ResumeGroup { group } => Some(group),
            Self::KillWorker { .. }
            | Self::FreezeWorker { .. }
            | Self::SlowProvider { .. }
            | Self::FailProvider { .. }
            | Self::Unknown => None,
        }
    }
}

impl From<&LetterFilter> for Filter {
    fn from(filter: &LetterFilter) -> Self {
        Self {
            message_type: filter.message_type.clone(),
            reason_contains: filter.reason_contains.clone(),
            since: filter.since,
            until: Some(filter.until),
            ..Self::default()
        }
    }
}

impl Message for ControlEvent {
    const TYPES: &'static [&'static str] = &["control.requested", "control.carried_out", "control.receipt"];

    fn message_type(&self) -> &'static str {
        match self {
            Self::Requested { .. } => "control.requested",
            Self::CarriedOut { .. } => "control.carried_out",
            Self::Receipt { .. } => "control.receipt",
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn actions() -> Vec<Action> {
        let group = || "payment-workers".to_owned();
        let filter = LetterFilter {
            message_type: Some("payment.requested".into()),
            reason_contains: None,
            since: None,
            until: "2026-01-31T12:00:00.123Z".parse().unwrap(),
        };
        vec![
            Action::ReplayDeadLetters {
                group: group(),
                filter: filter.clone(),
                per_second: NonZeroU32::new(50).unwrap(),
            },
            Action::DropDeadLetters { group: group(), filter },
            Action::PauseGroup { group: group() },
            Action::ResumeGroup { group: group() },
        ]
    }

    #[test]
    fn a_request_is_one_flat_json_object_and_is_read_as_it_was_written() {
        for action in actions() {
            let request = ControlEvent::Requested { action, by: "ann".into(), why: None };
            let json = serde_json::to_value(&request).unwrap();
            assert_eq!((&json["type"], &json["by"]), (&json!("control.requested"), &json!("ann")));
            assert!(json["action"].is_string() && json["group"] == "payment-workers", "{json}");
            assert_eq!(serde_json::from_value::<ControlEvent>(json).unwrap(), request);
        }
    }

    fn disturbances() -> Vec<Action> {
        let worker = || Some("payment-worker-1".to_owned());
        vec![
            Action::KillWorker { worker: None },
            Action::KillWorker { worker: worker() },
            Action::FreezeWorker { worker: worker(), seconds: Some(20) },
            Action::SlowProvider { percent: None, seconds: Some(5) },
            Action::FailProvider { percent: Some(50), seconds: None },
        ]
    }

    #[test]
    fn what_is_to_be_broken_is_asked_for_in_few_words() {
        for action in disturbances() {
            let request = ControlEvent::Requested { action, by: "ann".into(), why: None };
            let json = serde_json::to_value(&request).unwrap();
            assert!(json.as_object().unwrap().values().all(|value| !value.is_object() && !value.is_null()));
            assert_eq!(serde_json::from_value::<ControlEvent>(json).unwrap(), request);
        }
        let words = json!({"type": "control.requested", "action": "freeze_worker", "by": "ann"});
        let ControlEvent::Requested { action, .. } = serde_json::from_value(words).unwrap() else { panic!() };
        assert_eq!(action, Action::FreezeWorker { worker: None, seconds: None });
    }

    #[test]
    fn a_receipt_is_one_flat_json_object_and_is_read_as_it_was_written() {
        for action in disturbances() {
            let receipt = Receipt { orders: 12, paid: 11, lost: 1, ..Receipt::default() };
            let told = ControlEvent::Receipt {
                request: Uuid::nil(),
                action,
                instance: "supervisor".into(),
                receipt,
            };
            let json = serde_json::to_value(&told).unwrap();
            assert_eq!(
                (&json["type"], &json["orders"], &json["lost"]),
                (&json!("control.receipt"), &json!(12), &json!(1))
            );
            assert_eq!(serde_json::from_value::<ControlEvent>(json).unwrap(), told);
        }
    }

    #[test]
    fn what_came_of_it_names_the_request() {
        for action in actions().into_iter().chain(disturbances()) {
            let carried_out = ControlEvent::CarriedOut {
                request: Uuid::nil(),
                action,
                instance: "payment-worker-1".into(),
                outcome: "replayed 12".into(),
                succeeded: true,
            };
            let json = serde_json::to_value(&carried_out).unwrap();
            assert_eq!(
                (&json["type"], &json["succeeded"]),
                (&json!(carried_out.message_type()), &json!(true))
            );
            assert_eq!(serde_json::from_value::<ControlEvent>(json).unwrap(), carried_out);
        }
    }

    #[test]
    fn an_action_that_only_a_newer_program_knows_is_nobodys() {
        let newer: Value =
            json!({"type": "control.requested", "action": "cut_connections", "of": "sandbox", "by": "ann"});
        let ControlEvent::Requested { action, by, .. } = serde_json::from_value(newer).unwrap() else {
            panic!()
        };
        assert_eq!((&action, by.as_str()), (&Action::Unknown, "ann"));
        assert_eq!(action.group(), None);
    }

    #[test]
    fn a_filter_without_a_time_of_the_look_is_none() {
        assert!(serde_json::from_value::<LetterFilter>(json!({"type": "payment.requested"})).is_err());
    }
}
