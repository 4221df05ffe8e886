//! The world around the agent, for tests, demo and bench: an embedded EC2 (metadata, S3 and the other APIs, an
//! image registry) in this process, and real parts (Docker, moto, docker-registry) in a network of their own.
//!
//! A [`bed::Bed`] brings them together. Everything binds to the loopback of a network namespace that only this
//! test is in, so tests run in parallel with whatever ports they like, and nothing of the machine is touched.

// Each of the programs that share these modules uses its part of them.
#![allow(dead_code, unreachable_pub, missing_docs, clippy::unwrap_used)]

pub mod agent;
pub mod api;
pub mod aws;
pub mod bed;
pub mod client;
pub mod dockerd;
pub mod docs;
pub mod gate;
pub mod http;
pub mod image;
pub mod imds;
pub mod minisign;
pub mod moto;
pub mod net;
mod played;
pub mod proxy;
pub mod registry;
pub mod registry_debian;
pub mod relay;
pub mod s3;
pub mod scaling;
pub mod tls;
