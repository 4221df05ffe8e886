//! Short notations to long ones.

mod canonical;
pub mod ports;
pub mod volume;

pub(crate) use canonical::canonical;
