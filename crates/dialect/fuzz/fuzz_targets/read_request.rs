//! Whatever a body is, reading it ends, and an edit of it is still JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weirgate_dialect::{Operation, head, prompt};

fuzz_target!(|body: &[u8]| {
    let _ = prompt::read(weirgate_dialect::Dialect::OpenAi, body);
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
