//! Whatever a body is, reading it ends, and an edit of it is still JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weirgate_dialect::cached::fingerprint;
use weirgate_dialect::{Dialect, Operation, form, head, prompt};

fuzz_target!(|body: &[u8]| {
    for dialect in Dialect::ALL {
        let _ = prompt::read(dialect, body);
        let _ = head::cap_output(dialect, body, None, 1);
    }
    for operation in Operation::ALL {
        let _ = fingerprint(operation, body, &[]);
        let _ = head::read(operation, body);
    }
    let _ = form::texts("b1", body);
    if let Some(read) = form::read("b1", body) {
        let edit = read.set_model("m");
        let mut edited = body.to_vec();
        edited.splice(edit.span, edit.text.into_bytes());
        assert!(form::read("b1", &edited).is_some_and(|form| form.model == "m"), "{}", String::from_utf8_lossy(&edited));
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
