//! Writing an object field by field.

use super::neutral::Text;
use super::raw;

/// The fields of an object, each of which is written once. The closing brace is left to the caller.
#[derive(Debug)]
pub(super) struct Fields {
    pub(super) out: Vec<u8>,
    pub(super) names: Vec<&'static str>,
}

impl Default for Fields {
    fn default() -> Self {
        Self { out: b"{".to_vec(), names: Vec::new() }
    }
}

impl Fields {
    /// Writes the name of a field, to be followed by its value. False: it is there already.
    pub(super) fn begin(&mut self, name: &'static str) -> bool {
        if self.names.contains(&name) {
            return false;
        }
        if self.out.len() > 1 {
            self.out.push(b',');
        }
        raw::write_string(&mut self.out, name);
        self.out.push(b':');
        self.names.push(name);
        true
    }

    pub(super) fn json(&mut self, name: &'static str, json: &str) -> bool {
        let is_new = self.begin(name);
        if is_new {
            self.out.extend_from_slice(json.as_bytes());
        }
        is_new
    }

    pub(super) fn text(&mut self, name: &'static str, text: &Text<'_>) -> bool {
        let is_new = self.begin(name);
        if is_new {
            text.write(&mut self.out);
        }
        is_new
    }
}
