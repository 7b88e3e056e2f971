//! A place in the journals of all partitions.

use std::{fmt, str::FromStr};

use redis_kit::stream::{InvalidStreamId, StreamId};

/// For each partition, the last entry that somebody was told. Spelled as stream ids with commas between them, as in
/// `Last-Event-ID` and behind `orderly tail --after`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Positions(pub Vec<StreamId>);

impl Positions {
    /// Goes forward to where `others` are ahead.
    pub fn advance(&mut self, others: &Self) {
        for (position, other) in self.0.iter_mut().zip(&others.0) {
            *position = (*position).max(*other);
        }
    }
}

impl fmt::Display for Positions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (partition, position) in self.0.iter().enumerate() {
            let separator = if partition == 0 { "" } else { "," };
            write!(f, "{separator}{position}")?;
        }
        Ok(())
    }
}

impl FromStr for Positions {
    type Err = InvalidStreamId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split(',').map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_only_go_forward() {
        let mut positions: Positions = "5-0,7-1".parse().unwrap();
        positions.advance(&"4-9,7-2".parse().unwrap());
        assert_eq!(positions.to_string(), "5-0,7-2");
    }

    #[test]
    fn positions_are_spelled_as_they_are_read() {
        let text = "5-0,0-0,17-3";
        assert_eq!(text.parse::<Positions>().unwrap().to_string(), text);
        assert!("5-0,".parse::<Positions>().is_err() && "".parse::<Positions>().is_err());
    }
}
