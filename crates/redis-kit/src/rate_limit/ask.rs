use std::sync::Arc;

use redis::{Cmd, RedisResult};

use super::{
    gcra::{Answer, Question, Rate},
    keys,
    policy::Policy,
    scripts,
    subject::Subject,
};
use crate::{Connection, desk::Request};

/// What is asked for one subject: so many units of each of its policies.
pub(super) struct Ask {
    subject: Subject,
    /// One for each policy.
    pub(super) keys: Vec<String>,
    pub(super) units: u32,
}

impl Ask {
    pub(super) fn new(prefix: &str, subject: &Subject, units: u32) -> Arc<Self> {
        let key = |policy: &Policy| keys::tat(prefix, &subject.place, policy.name());
        let keys = subject.policies.each().map(key).collect();
        Arc::new(Self { subject: subject.clone(), keys, units })
    }

    pub(super) fn policies(&self) -> std::slice::Iter<'_, Policy> {
        self.subject.policies.each()
    }

    /// Adds what is asked to a call of a script that has `gcra.lua`.
    pub(super) fn write(&self, call: &mut Cmd) {
        call.arg(self.keys.len());
        for policy in self.policies() {
            call.arg(policy.rate.cost(self.units))
                .arg(policy.rate.tolerance)
                .arg(u8::from(policy.is_shadow()));
        }
    }

    /// What the policies are asked by somebody who knows how far ahead they are, and goes by these rates.
    pub(super) fn questions(
        &self,
        rate: impl Fn(&Policy) -> Rate,
        ahead: impl Fn(&str) -> u64,
    ) -> Vec<Question> {
        let question = |(policy, key): (&Policy, &String)| Question {
            ahead: ahead(key),
            cost: rate(policy).cost(self.units),
            tolerance: rate(policy).tolerance,
            is_shadow: policy.is_shadow(),
        };
        self.policies().zip(&self.keys).map(question).collect()
    }

    /// Whether one of the policies denies, by their answers.
    pub(super) fn is_denied(&self, answers: &[Answer]) -> bool {
        self.policies().zip(answers).any(|(policy, answer)| !policy.is_shadow() && answer.exceeds())
    }
}

impl Request for Arc<Ask> {
    type Answer = Vec<Answer>;

    fn key(&self) -> &str {
        &self.keys[0]
    }

    async fn ask(together: &[&Self], redis: Connection) -> RedisResult<Vec<RedisResult<Vec<Answer>>>> {
        scripts::check(redis, together).await
    }
}
