#![no_main]
//! Sources, what they hold, and the names of files inside of them.

use libfuzzer_sys::fuzz_target;
use rolecall_fuzz::{
    fetch::{content::recognise, names},
    settings::{Source, duration, roles},
};

fuzz_target!(|data: &[u8]| {
    let _ = recognise("f", data);
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = (duration(text), roles(text));
    names(&text.split('\0').collect::<Vec<_>>());
    match Source::parse(text) {
        Ok(source) => {
            assert_eq!(Source::parse(&source.identity()).ok().as_ref(), Some(&source), "{text:?}");
            // A query may hold a signature.
            assert!(!matches!(&source, Source::Web { .. } if source.to_string().contains("?X-Amz-")), "{source}");
            assert!(source.pin().is_none_or(|pin| pin.len() == 64));
            assert!(source.bucket().is_none_or(|bucket| (3..=63).contains(&bucket.len())));
            assert!(!source.folder_name().contains('/') && !source.last_part().contains('/'), "{text:?}");
            assert_eq!(source.bucket().is_some(), source.bucket_url().is_some());
        }
        Err(err) => assert!(!err.message.is_empty() && !err.message.contains('\0'), "{err:?}"),
    }
});
