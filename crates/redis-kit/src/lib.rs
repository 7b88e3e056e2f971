//! The seven Redis patterns done properly, free of any domain.
