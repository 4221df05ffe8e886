#![no_main]
//! Answers of metadata: identity document, instance profile, role, zone, list of tags.

use libfuzzer_sys::fuzz_target;
use rolecall_fuzz::facts::read;

fuzz_target!(|text: &str| read(text));
