use std::{fmt, sync::Arc};

use super::scripts::{Member, Receipt};
use crate::{
    Connection, Error,
    stream::{Begun, Exclusive, commit::check_key},
};

/// The proof that a delivery is this consumer's, in the hands of the handler.
#[derive(Clone)]
pub(crate) struct Claim {
    pub(super) member: Arc<Member>,
    pub(super) receipt: Receipt,
    pub(super) redis: Connection,
}

impl Claim {
    pub(crate) async fn begin(&self, work: &Exclusive<'_>) -> Result<Begun, Error> {
        for key in [&work.record, &work.lock] {
            check_key(key, &self.member.stream)?;
        }
        self.member.begin(&mut self.redis.clone(), self.receipt, work).await
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Claim").field(&self.receipt).finish()
    }
}
