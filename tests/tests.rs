//! The agent from the outside: the real binary on real parts, by topic.

#![allow(clippy::unwrap_used)]

mod support;

mod architecture;
mod bad_input;
mod compose_docs;
mod docassemble;
mod equal;
mod extension;
mod facts;
mod faults;
mod images;
mod journal;
mod launch;
mod manifests;
mod moto;
mod peer_config;
mod real_names;
mod reconcile;
mod refusals;
mod scripts;
mod signatures;
mod sources;
mod standins;
mod standins_sdk;
