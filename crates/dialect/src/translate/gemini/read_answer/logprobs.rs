//! How likely each token was, from Gemini's form to OpenAI's.

use super::{owned, text};
use crate::translate::raw::{self, Object};
use serde_json::value::RawValue;

/// Reads a `logprobsResult`: the tokens that were chosen, and for each the likeliest ones.
pub(super) fn read(result: &RawValue) -> Option<Box<RawValue>> {
    let mut result = Object::open(result)?;
    let chosen = result.take("chosenCandidates").and_then(raw::array)?;
    let mut top = result.take("topCandidates").and_then(raw::array).unwrap_or_default().into_iter();
    let mut json = br#"{"content":["#.to_vec();
    let mut is_first = true;
    for token in chosen {
        let likeliest = top.next().and_then(|top| Object::open(top)?.take("candidates")).and_then(raw::array);
        separate(&mut is_first, &mut json);
        write_token(token, &mut json)?;
        json.extend_from_slice(br#","top_logprobs":["#);
        let mut is_first = true;
        for token in likeliest.unwrap_or_default() {
            separate(&mut is_first, &mut json);
            write_token(token, &mut json)?;
            json.push(b'}');
        }
        json.extend_from_slice(b"]}");
    }
    json.extend_from_slice(br#"],"refusal":null}"#);
    owned(json)
}

fn separate(is_first: &mut bool, json: &mut Vec<u8>) {
    if !std::mem::replace(is_first, false) {
        json.push(b',');
    }
}

/// Writes a token without the closing brace.
fn write_token(token: &RawValue, json: &mut Vec<u8>) -> Option<()> {
    let mut token = Object::open(token)?;
    let word = text(token.take("token")).unwrap_or_else(|| "".into());
    json.extend_from_slice(br#"{"token":"#);
    word.write(json);
    json.extend_from_slice(br#","logprob":"#);
    // A likelihood of 1 is left out, as the API leaves out all that is 0.
    json.extend_from_slice(token.take("logProbability").map_or("0.0", RawValue::get).as_bytes());
    json.extend_from_slice(br#","bytes":"#);
    // Writing to a vector cannot fail.
    let _ = serde_json::to_writer(json, word.decode().as_bytes());
    Some(())
}
