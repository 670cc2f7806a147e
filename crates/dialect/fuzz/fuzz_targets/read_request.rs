//! Whatever a body is, reading it ends, and an edit of it is still JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weirgate_dialect::cached::fingerprint;
use weirgate_dialect::{Dialect, Operation, head, prompt};

fuzz_target!(|body: &[u8]| {
    for dialect in Dialect::ALL {
        let _ = prompt::read(dialect, body);
        let _ = head::cap_output(dialect, body, None, 1);
    }
    for operation in Operation::ALL {
        let _ = fingerprint(operation, body, &[]);
        let _ = head::read(operation, body);
    }
    let Ok(read) = head::read(Operation::ChatCompletions, body) else { return };
    for edit in read.ask_for_usage(body).into_iter().chain([read.set_model("m")]) {
        let mut edited = body.to_vec();
        edited.splice(edit.span, edit.text.into_bytes());
        assert!(
            head::read(Operation::ChatCompletions, &edited).is_ok(),
            "{}",
            String::from_utf8_lossy(&edited)
        );
    }
});
