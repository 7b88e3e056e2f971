//! Charges every payment request exactly once.
