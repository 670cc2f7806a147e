//! Telling a failure in the envelope of OpenAI's APIs.

use crate::Dialect;
use crate::error::{ClientError, ErrorKind};
use crate::translate::failure;
use crate::translate::neutral::Text;
use crate::translate::raw::{self, Object};
use serde_json::value::RawValue;

/// The code of a failure for which the provider has no word.
const PROVIDER_ERROR: &str = "provider_error";

/// Writes the envelope around what the provider says of its failure.
pub(in crate::translate) fn write_failure<'a>(
    out: &mut Vec<u8>,
    status: u16,
    mut error: Object<'a>,
    text: Option<Text<'_>>,
    mut rest: Object<'_>,
) {
    let message = error.take("message").filter(|message| raw::is_string(message));
    let Some(message) = message else {
        let text = text.map(|text| text.decode().trim().to_owned()).unwrap_or_default();
        let kind = ErrorKind::from_status(status);
        let error = ClientError::new(kind, PROVIDER_ERROR, failure::message(status, text));
        return out.extend_from_slice(error.body(Dialect::OpenAi).as_bytes());
    };
    // Gemini has the status as a number in `code`, where OpenAI's SDKs expect a word, and that in `status`.
    let word = |value: Option<&'a RawValue>| value.filter(|value| raw::is_string(value));
    let own_type = word(error.take("type"));
    let code = word(error.take("code")).or_else(|| word(error.take("status")));
    let param = word(error.take("param"));
    out.extend_from_slice(br#"{"error":{"message":"#);
    raw::write_raw(out, message);
    out.extend_from_slice(br#","type":"#);
    match own_type {
        Some(kind) => raw::write_raw(out, kind),
        None => raw::write_string(out, ErrorKind::from_status(status).openai_type()),
    }
    out.extend_from_slice(br#","param":"#);
    out.extend_from_slice(param.map_or("null", RawValue::get).as_bytes());
    out.extend_from_slice(br#","code":"#);
    match code {
        Some(code) => raw::write_raw(out, code),
        None => raw::write_string(out, PROVIDER_ERROR),
    }
    error.write_rest(out);
    out.push(b'}');
    rest.remove(&["error"]);
    rest.write_rest(out);
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::translate::neutral::Event;

    #[test]
    fn the_code_of_an_error_was_a_number() {
        let told = |status: u16, body: &str| {
            let Event::Failed { status, error, text, rest } = failure::read(body, status) else {
                panic!("{body}")
            };
            let mut out = Vec::new();
            write_failure(&mut out, status, error, text, rest);
            let error: serde_json::Value = serde_json::from_slice(&out).unwrap();
            error["error"].clone()
        };
        let gemini =
            r#"{"error":{"code":429,"message":"slow down","status":"RESOURCE_EXHAUSTED","details":[]}}"#;
        let expected = r#"{"message":"slow down","type":"rate_limit_error","param":null,"code":"RESOURCE_EXHAUSTED","details":[]}"#;
        assert_eq!(told(429, gemini).to_string(), expected);
        let cohere = told(401, r#"{"message":"no key"}"#);
        assert_eq!(
            (&cohere["type"], &cohere["code"]),
            (&"authentication_error".into(), &PROVIDER_ERROR.into())
        );
    }
}
