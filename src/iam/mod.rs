//! The least that the role of an instance has to be allowed, so that a run of a project reaches ready. Pure: from a
//! manifest to a policy document.
//!
//! Each permission is for exactly what a run asks for. What the engine does with the role
//! for a log driver is counted in; what scripts and containers do with it is theirs to add.

mod beside;
mod logs;
mod needs;
mod policy;
mod scope;
mod unknown;

pub use beside::{Asked, Beside};
pub use needs::{Besides, Needs};
pub use policy::{Condition, Policy, Statement};
pub use scope::Scope;
pub use unknown::Unknown;
