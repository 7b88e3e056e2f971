//! A TCP proxy that fails on purpose.
