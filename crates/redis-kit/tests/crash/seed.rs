use std::{env, thread::panicking};

/// What everything random in a run is drawn from. Says how to run it again, at the start and if the run fails.
pub(crate) struct Seed {
    pub(crate) value: u64,
    scenario: &'static str,
}

impl Seed {
    pub(crate) fn from_env(scenario: &'static str) -> Self {
        let value = env::var("CRASH_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
        let seed = Self { value, scenario };
        seed.say();
        seed
    }

    fn say(&self) {
        let Self { value, scenario } = self;
        println!(
            "{scenario}: run it again with CRASH_SEED={value} cargo test -p redis-kit --test crash -- {scenario}"
        );
    }
}

impl Drop for Seed {
    fn drop(&mut self) {
        if panicking() {
            self.say();
        }
    }
}
