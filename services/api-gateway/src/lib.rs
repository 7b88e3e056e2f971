//! The HTTP edge and query side of Orderly.
