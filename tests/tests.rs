//! The agent from the outside: the real binary on real parts, by topic.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

mod support;

mod architecture;
mod bad_input;
mod bake;
mod canaries;
mod cases;
mod compose_docs;
mod crash;
mod docassemble;
mod docs;
mod equal;
mod extension;
mod facts;
mod failures;
mod faults;
mod iam;
mod identity;
mod images;
mod journal;
mod last_good;
mod launch;
mod lifecycle;
mod manifests;
mod moto;
mod peer_config;
mod real_names;
mod reconcile;
mod refusals;
mod scripts;
mod secrets;
mod signatures;
mod sources;
mod standins;
mod standins_sdk;
mod state;
mod user_data;
