//! What can go wrong, and how often: the JSON of `GET` and `PUT /faults`.

use std::time::Duration;

use common::problem::FieldError;
use serde::{Deserialize, Serialize};

/// Nothing waits longer than this, neither for latency nor for an answer that is withheld.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// Faults and how often they happen. The default is none at all.
///
/// Rates are shares of all calls, from 0 to 1. At most one of the six mishaps strikes a call, so their rates add
/// up to 1 at most. Latency and `error_rate` apply to `GET /charges/{key}` and `GET /users/{id}` as well, as a
/// client must survive both there too; the rest is about charges alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FaultSettings {
    /// What every decision is drawn from, together with the idempotency key and the number of the call.
    pub seed: u64,
    /// How long each call waits before anything else happens.
    pub latency: Latency,
    /// New charges that the card's bank declines.
    pub decline_rate: f64,
    /// Calls answered with 500 and not carried out.
    pub error_rate: f64,
    /// Calls carried out and answered with 500 all the same.
    pub error_after_charge_rate: f64,
    /// Calls carried out whose answer is withheld until the client gives up.
    pub timeout_rate: f64,
    /// Calls not carried out, whose connection is reset.
    pub reset_rate: f64,
    /// Calls carried out, whose connection is reset instead of an answer.
    pub reset_after_charge_rate: f64,
    /// Calls carried out and answered twice: once more when the connection's next call is to be answered, whose answer it will be
    /// taken for.
    pub twice_rate: f64,
}

/// How long a call waits, in milliseconds of at most a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Latency {
    /// Not at all. (With braces, because serde lets unknown fields pass beside a tag without them.)
    None {},
    /// Always as long.
    Fixed {
        /// So long.
        ms: u32,
    },
    /// Anything between two limits, each as likely.
    Uniform {
        /// At least.
        min_ms: u32,
        /// At most.
        max_ms: u32,
    },
    /// Mostly about as long and now and then much longer, as real services are.
    LogNormal {
        /// Half of all calls take longer.
        median_ms: u32,
        /// One in a hundred takes longer.
        p99_ms: u32,
    },
}

impl Default for Latency {
    fn default() -> Self {
        Self::None {}
    }
}

impl FaultSettings {
    /// Reads the value of `--faults`: JSON, `@FILE`, or nothing for no faults.
    pub(crate) fn from_argument(argument: &str) -> Result<Self, String> {
        let json = match argument.strip_prefix('@') {
            Some(file) => std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?,
            None if argument.is_empty() => return Ok(Self::default()),
            None => argument.to_owned(),
        };
        let settings: Self = serde_json::from_str(&json).map_err(|error| error.to_string())?;
        settings.check().map_err(|errors| {
            let lines = errors.iter().map(|error| format!("{}: {}", error.pointer, error.detail));
            lines.collect::<Vec<_>>().join("; ")
        })?;
        Ok(settings)
    }

    /// Says what is wrong with each field that makes no sense.
    pub(crate) fn check(&self) -> Result<(), Vec<FieldError>> {
        let mut errors = self.latency.errors();
        let mishaps = [
            ("/error_rate", self.error_rate),
            ("/error_after_charge_rate", self.error_after_charge_rate),
            ("/timeout_rate", self.timeout_rate),
            ("/reset_rate", self.reset_rate),
            ("/reset_after_charge_rate", self.reset_after_charge_rate),
            ("/twice_rate", self.twice_rate),
        ];
        for (pointer, rate) in mishaps.into_iter().chain([("/decline_rate", self.decline_rate)]) {
            if !(0.0..=1.0).contains(&rate) {
                errors.push(wrong(pointer, "must be between 0 and 1"));
            }
        }
        let sum: f64 = mishaps.iter().map(|(_, rate)| rate).sum();
        // Ten times 0.1 is a little more than 1.
        if errors.is_empty() && sum > 1.0 + 1e-9 {
            let pointers: Vec<&str> = mishaps.iter().map(|(pointer, _)| *pointer).collect();
            errors.push(wrong("", &format!("{} must not add up to more than 1", pointers.join(", "))));
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// Whether nothing at all goes wrong, so that nothing needs to be drawn.
    pub(crate) fn is_quiet(&self) -> bool {
        *self == Self { seed: self.seed, ..Self::default() }
    }
}

impl Latency {
    fn errors(self) -> Vec<FieldError> {
        let longest = u32::try_from(LONGEST_WAIT.as_millis()).unwrap_or(u32::MAX);
        let (name, upper, order) = match self {
            Self::None {} => return Vec::new(),
            Self::Fixed { ms } => ("/latency/ms", ms, None),
            Self::Uniform { min_ms, max_ms } => {
                ("/latency/max_ms", max_ms, (min_ms > max_ms).then_some("must not be less than min_ms"))
            }
            Self::LogNormal { median_ms: 0, p99_ms } => {
                let pointer = "/latency/p99_ms";
                (pointer, p99_ms, Some("needs a median_ms of at least 1"))
            }
            Self::LogNormal { median_ms, p99_ms } => {
                ("/latency/p99_ms", p99_ms, (median_ms > p99_ms).then_some("must not be less than median_ms"))
            }
        };
        let mut errors: Vec<_> = order.map(|detail| wrong(name, detail)).into_iter().collect();
        if upper > longest {
            errors.push(wrong(name, &format!("must be at most {longest}")));
        }
        errors
    }
}

pub(super) fn wrong(pointer: &str, detail: &str) -> FieldError {
    FieldError { pointer: pointer.to_owned(), detail: detail.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_from_the_command_line_are_json_or_a_file_of_it_or_nothing() {
        assert_eq!(FaultSettings::from_argument(""), Ok(FaultSettings::default()));
        let some = FaultSettings { seed: 7, decline_rate: 0.5, ..FaultSettings::default() };
        let json = r#"{"seed":7,"decline_rate":0.5}"#;
        assert_eq!(FaultSettings::from_argument(json), Ok(some.clone()));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, json).unwrap();
        assert_eq!(FaultSettings::from_argument(&format!("@{}", file.path().display())), Ok(some));
    }

    #[test]
    fn what_makes_no_sense_on_the_command_line_is_refused_by_name() {
        for (argument, hint) in [
            ("@/no/such/file", "/no/such/file"),
            (r#"{"eror_rate":1}"#, "eror_rate"),
            (r#"{"error_rate":1.5}"#, "/error_rate"),
            (r#"{"latency":{"kind":"none","ms":5}}"#, "ms"),
        ] {
            let error = FaultSettings::from_argument(argument).unwrap_err();
            assert!(error.contains(hint), "{argument}: {error}");
        }
    }

    #[test]
    fn mishaps_that_always_happen_together_are_a_contradiction() {
        let settings = FaultSettings { error_rate: 0.6, timeout_rate: 0.6, ..FaultSettings::default() };
        assert_eq!(settings.check().unwrap_err().len(), 1);
    }
}
