//! Situations that users of this field reported against other tools, played on the real binary and a real engine.

mod classes;
mod engine;
mod files;
mod modes;
mod owner;
mod ready;
mod releases;
mod trust;
mod validate;
