//! The outside world for development: a payment provider and a user directory with faults on demand.
