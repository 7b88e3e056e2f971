//! What Orderly's tests share: a fault proxy, eventually(), and the whole system in a box.
