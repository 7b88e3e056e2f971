use std::{fmt, str::FromStr};

use redis_kit::stream::{InvalidStreamId, StreamId};

/// A place in all partitions' journals: what is before it was told. Spelled as the gateway spells it in `Last-Event-ID`: a
/// stream id for each partition, with commas between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Positions(pub(super) Vec<StreamId>);

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
    fn positions_are_spelled_as_they_are_read() {
        let text = "5-0,0-0,17-3";
        assert_eq!(text.parse::<Positions>().unwrap().to_string(), text);
        assert!("5-0,".parse::<Positions>().is_err() && "".parse::<Positions>().is_err());
    }
}
