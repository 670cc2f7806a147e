//! The arguments of a call that come in pieces.

use serde_json::value::RawValue;

/// Whether the pieces of a JSON text make a whole object, by its braces.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Balance {
    begun: bool,
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Balance {
    /// Takes the next piece.
    pub(super) fn add(&mut self, json: &str) {
        for byte in json.bytes() {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_string => self.escaped = true,
                b'"' => self.in_string = !self.in_string,
                _ if self.in_string => {}
                b'{' => {
                    self.begun = true;
                    self.depth += 1;
                }
                b'}' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
    }

    pub(super) fn is_whole(self) -> bool {
        self.begun && self.depth == 0
    }
}

/// The input of a call, which has to be an object. Models that write no JSON are rare, and what they wrote is kept.
pub(super) fn input(json: &str) -> String {
    let json = json.trim();
    if json.is_empty() {
        return "{}".to_owned();
    }
    if json.starts_with('{') && serde_json::from_str::<&RawValue>(json).is_ok() {
        // A line end would end the event that holds it. None is within a text of JSON, so a space says the same.
        return json.replace(['\n', '\r'], " ");
    }
    serde_json::json!({"arguments": json}).to_string()
}
