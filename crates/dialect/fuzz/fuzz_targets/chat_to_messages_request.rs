//! Any bytes are a request that becomes JSON, or an error.

#![no_main]

use libfuzzer_sys::fuzz_target;
use weirgate_dialect::Dialect;
use weirgate_dialect::translate::{self, Options, Unsupported};

fuzz_target!(|data: &[u8]| {
    for unsupported in [Unsupported::Reject, Unsupported::Drop] {
        let options = Options { model: "claude-x", unsupported, default_max_tokens: 4096 };
        if let Ok(request) = translate::request(Dialect::OpenAi, Dialect::Anthropic, data, &options) {
            assert!(serde_json::from_slice::<&serde_json::value::RawValue>(&request.body).is_ok());
        }
    }
});
