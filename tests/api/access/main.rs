//! Signing in, and what callers may do.
