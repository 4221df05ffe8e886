//! Which failures are tried again, and hosts that stay up.
