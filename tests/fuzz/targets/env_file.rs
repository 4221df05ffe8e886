#![no_main]
//! Files of variables, in both notations.

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use rolecall_fuzz::compose::dotenv::{Variables, parse, parse_raw};
use rolecall_fuzz::{variable, well_placed};

fuzz_target!(|data: &[u8]| {
    let mut read = Variables::new();
    if let Err(fault) = parse(Path::new(".env"), data, &mut read, &variable) {
        well_placed(&fault, data);
    }
    let mut read = Variables::new();
    match parse_raw(Path::new("e.env"), data, &mut read, &|_| None) {
        Ok(()) => assert!(read.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() <= data.len()),
        Err(fault) => well_placed(&fault, data),
    }
});
