#![no_main]
//! Image references: one that is read prints as one that reads the same.

use libfuzzer_sys::fuzz_target;
use rolecall_fuzz::image_ref::ImageRef;

fuzz_target!(|text: &str| {
    if let Ok(reference) = ImageRef::parse(text) {
        assert_eq!(ImageRef::parse(&reference.to_string()).ok().as_ref(), Some(&reference));
        assert!(!reference.version().is_empty() && !reference.credentials_key().is_empty());
        assert!(reference.repository().len() <= 255);
        let _ = reference.ecr();
    }
});
