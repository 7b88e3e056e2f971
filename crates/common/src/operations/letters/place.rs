use std::{fmt, str::FromStr};

use redis_kit::stream::StreamId;
use serde::{Serialize, Serializer};

/// Where a letter is: `<group>/<partition>/<stream id>`, or without the group where no other letter can be meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The group that gave it up.
    pub group: Option<String>,
    /// The partition of the group's stream.
    pub partition: u16,
    /// The letter's own id there.
    pub id: StreamId,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { group, partition, id } = self;
        match group {
            Some(group) => write!(f, "{group}/{partition}/{id}"),
            None => write!(f, "{partition}/{id}"),
        }
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("{text:?} is no letter: expected GROUP/PARTITION/ID, or PARTITION/ID");
        let (rest, id) = text.rsplit_once('/').ok_or_else(wrong)?;
        let (group, partition) = match rest.rsplit_once('/') {
            Some((group, partition)) => (Some(group.to_owned()), partition),
            None => (None, rest),
        };
        let (Ok(partition), Ok(id)) = (partition.parse(), id.parse()) else { return Err(wrong()) };
        Ok(Self { group, partition, id })
    }
}

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_is_spelled_with_its_group_or_without() {
        for text in ["payment-workers/2/1700000000000-0", "2/1700000000000-0"] {
            assert_eq!(text.parse::<Place>().unwrap().to_string(), text);
        }
        for wrong in
            ["", "1700000000000-0", "payment-workers/1700000000000-0", "a/b/1-0", "a/1/x", "a/b/1/1-0/"]
        {
            assert!(wrong.parse::<Place>().is_err(), "{wrong}");
        }
    }
}
