//! A TCP proxy that fails on purpose.

/// Being written.
pub struct FaultProxy;
