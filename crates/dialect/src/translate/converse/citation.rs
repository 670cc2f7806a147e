//! Where something in an answer comes from. Of pages of the web the other dialects know too.

use crate::translate::raw::{self, Object};
use serde_json::value::RawValue;

/// A citation of a page as OpenAI writes it; `None`: it is of something else, which stays as it is.
pub(super) fn read(citation: &RawValue) -> Option<Box<RawValue>> {
    let mut fields = Object::open(citation)?;
    let mut location = fields.take("location").and_then(Object::open)?;
    let url = location.take("web").and_then(Object::open)?.take("url").filter(|url| raw::is_string(url))?;
    let mut json = br#"{"type":"url_citation","url_citation":{"url":"#.to_vec();
    raw::write_raw(&mut json, url);
    if let Some(title) = fields.take("title").filter(|title| raw::is_string(title)) {
        json.extend_from_slice(br#","title":"#);
        raw::write_raw(&mut json, title);
    }
    json.extend_from_slice(b"}}");
    RawValue::from_string(String::from_utf8(json).ok()?).ok()
}

/// Writes a citation of a page, whether OpenAI's form or Anthropic's names it. False: it is of something else.
pub(super) fn write(out: &mut Vec<u8>, citation: &RawValue) -> bool {
    let mut fields = Object::open(citation).unwrap_or_default();
    if let Some(page) = fields.take("url_citation").and_then(Object::open) {
        fields = page;
    }
    let Some(url) = fields.take("url").filter(|url| raw::is_string(url)) else { return false };
    out.push(b'{');
    if let Some(title) = fields.take("title").filter(|title| raw::is_string(title)) {
        out.extend_from_slice(br#""title":"#);
        raw::write_raw(out, title);
        out.push(b',');
    }
    out.extend_from_slice(br#""location":{"web":{"url":"#);
    raw::write_raw(out, url);
    out.extend_from_slice(b"}}}");
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_carried_both_ways() {
        let page = r#"{"title":"T","sourceContent":[],"location":{"web":{"url":"https://a","domain":"a"}}}"#;
        let read = read(serde_json::from_str(page).unwrap()).unwrap();
        assert_eq!(read.get(), r#"{"type":"url_citation","url_citation":{"url":"https://a","title":"T"}}"#);
        let mut out = Vec::new();
        assert!(write(&mut out, &read));
        assert_eq!(out, br#"{"title":"T","location":{"web":{"url":"https://a"}}}"#);
        let chunk = r#"{"title":"T","location":{"documentChar":{"documentIndex":0}}}"#;
        assert!(super::read(serde_json::from_str(chunk).unwrap()).is_none());
        assert!(!write(&mut out, serde_json::from_str(chunk).unwrap()));
    }
}
