//! Any bytes are a request that becomes JSON, or an error, between any two dialects.

#![no_main]

use libfuzzer_sys::fuzz_target;
use weirgate_dialect::Dialect;
use weirgate_dialect::translate::{self, Options, Unsupported};

fuzz_target!(|data: &[u8]| {
    for unsupported in [Unsupported::Reject, Unsupported::Drop] {
        let options = Options {
            model: "m",
            unsupported,
            default_max_tokens: 4096,
            output_cap: None,
            older_cap_field: false,
            betas: "",
            stream: false,
        };
        for from in Dialect::ALL {
            for to in Dialect::ALL {
                if let Ok(request) = translate::request(from, to, data, &options) {
                    assert!(serde_json::from_slice::<&serde_json::value::RawValue>(&request.body).is_ok());
                }
            }
        }
    }
});
