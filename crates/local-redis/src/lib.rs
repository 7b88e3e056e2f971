//! Finds or fetches a real Redis or Valkey server and runs it privately.
