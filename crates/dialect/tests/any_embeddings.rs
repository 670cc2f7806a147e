//! Whatever comes in: no panic, and no output that is not JSON.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use proptest::prelude::*;
use serde_json::Value;
use serde_json::value::RawValue;
use weirgate_dialect::Dialect;
use weirgate_dialect::translate::embeddings::{self, AnswerOptions, Encoding};
use weirgate_dialect::translate::{Options, Unsupported};

/// Pieces of requests and answers, so that random ones get somewhere.
const WORDS: [&str; 26] = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "null",
    "1e400",
    "-0.5",
    "\"a\"",
    "\\",
    "\"\\ud800\"",
    "\"model\":",
    "\"input\":",
    "\"dimensions\":",
    "\"encoding_format\":",
    "\"base64\"",
    "\"input_type\":",
    "\"texts\":",
    "\"embeddings\":",
    "\"embedding\":",
    "\"values\":",
    "\"float\":",
    "\"meta\":",
    "\"error\":",
    "\"message\":",
];

/// Whole forms, with something random in a place of theirs.
const FORMS: [&str; 7] = [
    r#"{"model":"m","input":@}"#,
    r#"{"model":"m","input":["x",@]}"#,
    r#"{"model":"m","input":"x",@}"#,
    r#"{"embeddings":[{"values":[@]}]}"#,
    r#"{"embeddings":{"float":[[@]]},"meta":@}"#,
    r#"{"embedding":[@],"inputTextTokenCount":@}"#,
    "@",
];

fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let word = prop::sample::select(WORDS.as_slice()).prop_map(|word| word.as_bytes().to_vec());
    let bytes = prop::collection::vec(any::<u8>(), 0..8);
    let inside = prop::collection::vec(prop_oneof![8 => word, 1 => bytes], 0..12);
    (prop::sample::select(FORMS.as_slice()), inside).prop_map(|(form, inside)| {
        let parts: Vec<_> = form.split('@').map(str::as_bytes).collect();
        parts.join(inside.concat().as_slice())
    })
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(bytes)))
}

proptest! {
    #[test]
    fn any_answer_is_openais_or_an_error(body in bodies(), status in prop::sample::select(vec![200_u16, 429, 500]),
        base64: bool) {
        let encoding = if base64 { Encoding::Base64 } else { Encoding::Float };
        let options =
            AnswerOptions { status, encoding, texts: 1, served: "m".to_owned(), limit: 1 << 20 };
        match embeddings::answer(&body, &options) {
            Ok(answer) if status == 200 => prop_assert_eq!(json(&answer)["data"].as_array().unwrap().len(), 1),
            Ok(answer) => prop_assert!(json(&answer)["error"]["message"].is_string()),
            Err(_) => prop_assert_eq!(status, 200),
        }
    }

    #[test]
    fn any_request_is_the_providers_or_refused(body in bodies(), drop: bool) {
        let unsupported = if drop { Unsupported::Drop } else { Unsupported::Reject };
        for to in Dialect::ALL {
            for model in ["", "cohere.embed-v4:0", "amazon.titan-embed-text-v2:0"] {
                let options = Options {
                    model,
                    unsupported,
                    default_max_tokens: 1,
                    output_cap: None,
                    older_cap_field: false,
                    betas: "",
                    stream: false,
                };
                let request = embeddings::request(to, &body, &options);
                prop_assert!(request.is_err() || embeddings::is_supported(Dialect::OpenAi, to));
                if let Ok(request) = request {
                    // Escapes that stand for no character are the client's, and are copied.
                    let body = serde_json::from_slice::<&RawValue>(&request.body);
                    let is_object = body.is_ok_and(|body| body.get().trim_start().as_bytes().first() == Some(&0x7b));
                    prop_assert!(is_object && request.wanted.texts > 0);
                }
            }
        }
    }
}
