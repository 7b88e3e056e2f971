use std::{fmt, sync::Arc};

use super::{
    begin::{BeginDesk, begin},
    scripts::{Member, Receipt},
};
use crate::{
    Error,
    stream::{Begun, Exclusive, commit::check_key},
};

/// The proof that a delivery is this consumer's, in the hands of the handler.
#[derive(Clone)]
pub(crate) struct Claim {
    pub(super) member: Arc<Member>,
    pub(super) receipt: Receipt,
    pub(super) desk: BeginDesk,
}

impl Claim {
    pub(crate) async fn begin(&self, work: &Exclusive<'_>) -> Result<Begun, Error> {
        for key in [&work.record, &work.lock] {
            check_key(key, &self.member.stream)?;
        }
        begin(&self.desk, &self.member, self.receipt, work).await
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Claim").field(&self.receipt).finish()
    }
}
