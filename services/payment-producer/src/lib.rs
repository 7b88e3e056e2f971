//! Turns placed orders into payment requests.
