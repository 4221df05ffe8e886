//! Input and output from outside: owners, endpoints, blocking files, terminal escapes.
