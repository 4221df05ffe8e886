//! Telling: the status file, the console line, and following a run.

pub mod bug;
pub mod console;
pub mod follow;
pub mod guard;
pub mod reporter;
pub mod status;
