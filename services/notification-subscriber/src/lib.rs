//! Tells the world what happened to an order.
