//! Where a text comes from.

use crate::translate::raw::{self, Object};
use serde_json::value::RawValue;

/// Writes citations of web pages, in the form of OpenAI's chat or of Anthropic's web search, as this API has them. Others go as they
/// came.
pub(super) fn write_citation(out: &mut Vec<u8>, citation: &RawValue) {
    let mut fields = Object::open(citation).unwrap_or_default();
    let page = match fields.take("type").and_then(raw::string).as_deref() {
        Some("url_citation") => fields.take("url_citation").and_then(Object::open),
        Some("web_search_result_location") => Some(fields),
        _ => None,
    };
    let Some((mut page, url)) = page.and_then(|mut page| page.take("url").map(|url| (page, url))) else {
        return raw::write_raw(out, citation);
    };
    out.extend_from_slice(br#"{"type":"url_citation","url":"#);
    raw::write_raw(out, url);
    // Not every provider says which part of the text it is about, nor what the page is called.
    for (name, missing) in [("title", "\"\""), ("start_index", "0"), ("end_index", "0")] {
        let value = page.take(name).map_or(missing, RawValue::get);
        out.extend_from_slice(format!(r#","{name}":{value}"#).as_bytes());
    }
    out.push(b'}');
}
