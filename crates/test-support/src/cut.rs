use std::time::Duration;

use crate::FaultProxy;

/// How connections fail.
#[derive(Clone, Copy, Debug)]
pub enum Cut {
    /// Everything takes this much longer, each way. Longer than a lease, it makes a zombie: what it sends arrives, but when
    /// others have long taken over.
    Delay(Duration),
    /// Connections are reset, and new ones too.
    Refuse,
    /// Half-open: nothing arrives in either direction.
    Silence,
    /// Half-open: what is asked is carried out, and never answered.
    DropReplies,
    /// The same, but then the connection is reset: the worker knows at once that it does not know, and asks again while its lease
    /// still stands.
    LoseReplies,
}

impl Cut {
    /// Begins it.
    pub fn strike(self, proxy: &FaultProxy) {
        match self {
            Self::Delay(pause) => proxy.delay(pause),
            Self::Refuse => {
                proxy.refuse();
                proxy.reset_connections();
            }
            Self::Silence => proxy.silence(),
            Self::DropReplies | Self::LoseReplies => proxy.drop_replies(),
        }
    }

    /// Ends it.
    pub fn mend(self, proxy: &FaultProxy) {
        proxy.pass();
        if matches!(self, Self::LoseReplies) {
            proxy.reset_connections();
        }
    }
}
