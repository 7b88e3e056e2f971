use std::time::Duration;

/// How long sessions last, and how many of them a user may have.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    /// What the keys begin with, without braces. Default: nothing.
    pub prefix: String,
    /// A session ends when it was not used for so long. A use is noted only if the last note is a tenth of this old,
    /// so a session may end by as much early, and never late. Default 30 min.
    pub idle: Duration,
    /// A session ends so long after its login, however much it is used. Default 12 h.
    pub absolute: Duration,
    /// How many sessions a user may have: at one more login the one goes that would expire first, which mostly is the one
    /// not used for the longest time. Default 32; the new one always stays.
    pub max_per_user: usize,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            prefix: String::new(),
            idle: Duration::from_mins(30),
            absolute: Duration::from_hours(12),
            max_per_user: 32,
        }
    }
}

impl SessionOptions {
    /// For how long a use need not be noted.
    pub(super) fn unnoted(&self) -> Duration {
        self.idle / 10
    }
}
