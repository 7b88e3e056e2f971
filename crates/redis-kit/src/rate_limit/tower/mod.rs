//! A limiter in front of an HTTP service.

mod layer;
mod service;

pub use layer::RateLimitLayer;
pub use service::RateLimit;
