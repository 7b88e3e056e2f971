//! A model of several servers, some of whose clocks are wrong, and of claimants whose questions reach them in any
//! order: whoever was given a guard later was given a higher token.
//!
//! What the servers do is what `acquire.lua`, `raise.lua` and `release.lua` say. What is asked of a majority, and
//! which token is taken, is decided by the code itself.

use proptest::prelude::*;
use redis::RedisResult;

use super::{
    attempt::highest_token,
    quorum::{Tally, too_late},
    scripts::Answer,
};

const SERVERS: usize = 5;
const CLAIMANTS: usize = 3;

#[derive(Clone, Debug, Default)]
struct Server {
    owner: Option<usize>,
    fence: u64,
    clock: u64,
}

/// How far a claimant has come.
#[derive(Clone, Debug)]
enum Stage {
    Idle,
    /// It has asked some of the servers for the lock; those that it did not reach stay silent.
    Asking(Vec<Option<bool>>, Vec<u64>),
    /// A majority took it, and some have been asked to raise their fence to this.
    Raising(u64, Vec<Option<bool>>),
    Holding,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// A claimant asks the next server, or is not answered by it; and when all were asked, draws its conclusion.
    Ask { claimant: usize, is_lost: bool },
    /// A holder is done, or its time is over everywhere.
    End { claimant: usize },
    /// A server's clock goes on, or is set back.
    Clock { server: usize, to: u64 },
}

struct World {
    servers: Vec<Server>,
    claimants: Vec<Stage>,
    last_token: u64,
    granted: usize,
}

impl World {
    fn new() -> Self {
        Self {
            servers: vec![Server::default(); SERVERS],
            claimants: vec![Stage::Idle; CLAIMANTS],
            last_token: 0,
            granted: 0,
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Ask { claimant, is_lost } => {
                let stage = std::mem::replace(&mut self.claimants[claimant], Stage::Idle);
                self.claimants[claimant] = self.ask(claimant, stage, is_lost);
            }
            Step::End { claimant } => self.end(claimant),
            Step::Clock { server, to } => self.servers[server].clock = to,
        }
    }

    fn ask(&mut self, claimant: usize, stage: Stage, is_lost: bool) -> Stage {
        match stage {
            Stage::Idle => Stage::Asking(Vec::new(), Vec::new()),
            Stage::Asking(mut answers, mut tokens) if answers.len() < SERVERS => {
                let server = &mut self.servers[answers.len()];
                let took = !is_lost && server.owner.is_none();
                if took {
                    server.owner = Some(claimant);
                    server.fence = server.clock.max(server.fence + 1);
                }
                tokens.push(server.fence);
                answers.push((!is_lost).then_some(took));
                Stage::Asking(answers, tokens)
            }
            Stage::Asking(answers, tokens) => {
                let answer = |(answer, token): (&Option<bool>, &u64)| match answer {
                    Some(true) => Ok(Answer::Taken { token: *token }),
                    Some(false) => Ok(Answer::Busy { expires_in: None }),
                    None => Err(too_late("no answer")),
                };
                let token = highest_token(&answers.iter().zip(&tokens).map(answer).collect::<Vec<_>>());
                if agrees(&answers) {
                    return Stage::Raising(token, Vec::new());
                }
                self.end(claimant);
                Stage::Idle
            }
            Stage::Raising(token, mut raised) if raised.len() < SERVERS => {
                let server = &mut self.servers[raised.len()];
                let is_owner = server.owner == Some(claimant);
                if !is_lost && is_owner {
                    server.fence = server.fence.max(token);
                }
                raised.push((!is_lost).then_some(is_owner));
                Stage::Raising(token, raised)
            }
            Stage::Raising(token, raised) if agrees(&raised) => {
                assert!(token > self.last_token, "{token} after {}", self.last_token);
                self.last_token = token;
                self.granted += 1;
                Stage::Holding
            }
            Stage::Raising(..) => {
                self.end(claimant);
                Stage::Idle
            }
            Stage::Holding => Stage::Holding,
        }
    }

    fn end(&mut self, claimant: usize) {
        for server in &mut self.servers {
            server.owner.take_if(|owner| *owner == claimant);
        }
        self.claimants[claimant] = Stage::Idle;
    }
}

fn agrees(answers: &[Option<bool>]) -> bool {
    let answer = |answer: &Option<bool>| answer.ok_or_else(|| too_late("no answer"));
    Tally::of(answers.iter().map(answer).collect::<Vec<RedisResult<bool>>>()).verdict().unwrap_or(false)
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let ask = (0..CLAIMANTS, prop::bool::weighted(0.15))
        .prop_map(|(claimant, is_lost)| Step::Ask { claimant, is_lost });
    let end = (0..CLAIMANTS).prop_map(|claimant| Step::End { claimant });
    let clock = (0..SERVERS, 0_u64..1000).prop_map(|(server, to)| Step::Clock { server, to });
    prop::collection::vec(prop_oneof![20 => ask, 1 => end, 2 => clock], 0..600)
}

proptest! {
    #[test]
    fn whoever_holds_it_later_has_a_higher_token(steps in steps()) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
        }
    }
}

/// Or the property above would say nothing.
#[test]
fn the_model_grants_the_lock_again_and_again() {
    let mut world = World::new();
    for claimant in [0, 1, 2, 0, 1, 2] {
        for _ in 0..2 * SERVERS + 3 {
            world.step(Step::Ask { claimant, is_lost: false });
        }
        world.step(Step::End { claimant });
    }
    assert_eq!(world.granted, 6);
}
