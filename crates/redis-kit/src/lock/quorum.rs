//! What a majority of the servers says. One server is a majority of one.

use redis::{RedisError, RedisResult};

/// How many of so many servers are a majority: any two majorities share a server.
pub(super) fn majority(servers: usize) -> usize {
    servers / 2 + 1
}

/// The servers' answers to one question.
#[derive(Debug)]
pub(super) struct Tally {
    servers: usize,
    yes: usize,
    no: usize,
    /// Why the first of those that gave no answer gave none.
    failure: Option<RedisError>,
}

impl Tally {
    /// Counts the answers of all servers, where each may have failed.
    pub(super) fn of(answers: impl IntoIterator<Item = RedisResult<bool>>) -> Self {
        let mut tally = Self { servers: 0, yes: 0, no: 0, failure: None };
        for answer in answers {
            tally.servers += 1;
            match answer {
                Ok(true) => tally.yes += 1,
                Ok(false) => tally.no += 1,
                Err(error) => drop(tally.failure.get_or_insert(error)),
            }
        }
        tally
    }

    /// Every server gave an answer.
    pub(super) fn is_complete(&self) -> bool {
        self.yes + self.no == self.servers
    }

    /// So many refused that no majority can agree, whatever those say that gave no answer.
    pub(super) fn is_refused(&self) -> bool {
        self.servers - self.no < majority(self.servers)
    }

    /// True if a majority agreed, false if a majority answered but did not agree.
    ///
    /// # Errors
    /// With the first failure, if too few answered to know.
    pub(super) fn verdict(self) -> RedisResult<bool> {
        let majority = majority(self.servers);
        match self.failure {
            _ if self.yes >= majority => Ok(true),
            Some(error) if self.yes + self.no < majority => Err(error),
            _ => Ok(false),
        }
    }
}

/// No answer that came in time. Whether what was asked for was done is unknown, as after a lost connection.
pub(super) fn too_late(what: &'static str) -> RedisError {
    std::io::Error::new(std::io::ErrorKind::TimedOut, what).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `y` agrees, `n` does not, `-` fails.
    fn tally(answers: &str) -> Tally {
        Tally::of(answers.chars().map(|answer| match answer {
            'y' => Ok(true),
            'n' => Ok(false),
            _ => Err(too_late("no answer")),
        }))
    }

    #[test]
    fn any_two_majorities_share_a_server() {
        assert!((1..10).all(|servers| 2 * majority(servers) > servers));
        assert!((1..10).all(|servers| majority(servers) <= servers));
    }

    #[test]
    fn agreed_refused_and_unknown_are_told_apart() {
        for agreed in ["y", "yy", "yyn", "yy-", "yyy--", "yyynn"] {
            assert!(tally(agreed).verdict().unwrap(), "{agreed}");
        }
        for refused in ["n", "yn", "ynn", "yn-", "yyn--", "yynn-", "nnn--"] {
            assert!(!tally(refused).verdict().unwrap(), "{refused}");
        }
        for unknown in ["-", "y-", "n-", "y--", "yy---", "ny---"] {
            assert!(tally(unknown).verdict().is_err(), "{unknown}");
        }
    }

    #[test]
    fn a_refusal_is_certain_when_no_majority_is_left() {
        for certain in ["n", "nn-", "yn", "ynn", "nnnyy", "nnn--"] {
            assert!(tally(certain).is_refused(), "{certain}");
        }
        for open in ["y", "-", "n--", "yn-", "ynn--", "yyynn"] {
            assert!(!tally(open).is_refused(), "{open}");
        }
    }
}
