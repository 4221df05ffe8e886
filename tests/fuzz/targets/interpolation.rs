#![no_main]
//! Variables inside of a text.

use libfuzzer_sys::fuzz_target;
use rolecall_fuzz::compose::template::{Fault, substitute};
use rolecall_fuzz::variable;

fuzz_target!(|text: &str| {
    let result = substitute(text, &variable);
    if !text.contains('$') {
        assert_eq!(result.as_deref(), Ok(text));
    }
    if let Err(Fault::Required { name, .. }) = &result {
        assert!(text.contains(name.as_str()));
    }
    let escaped = text.replace('$', "$$");
    assert_eq!(substitute(&escaped, &variable).as_deref(), Ok(text));
    let inside = format!("${{UNSET:-{escaped}}}");
    if !text.contains(['{', '}', '\n']) {
        assert_eq!(substitute(&inside, &variable).as_deref(), Ok(text));
    }
});
