//! What stands beside the text: where it comes from, how likely it was, and what it used.

use crate::translate::neutral::{Event, Sink, Used};
use crate::translate::raw::{self, Object};
use crate::usage::Usage;
use serde_json::value::RawValue;

/// Citations, of which a stream gives one at a time.
pub(super) fn tell_citations(citations: &RawValue, to: &mut Sink<'_>) {
    let list = raw::array(citations).unwrap_or_else(|| vec![citations]);
    for citation in list {
        let pages = pages(citation);
        for page in &pages {
            to(Event::Citation { choice: 0, citation: page });
        }
        // Sources that are no pages have no form that others know.
        if pages.is_empty() && citation.get().starts_with('{') {
            to(Event::Citation { choice: 0, citation });
        }
    }
}

/// The sources of a citation that have a URL, in OpenAI's form.
fn pages(citation: &RawValue) -> Vec<Box<RawValue>> {
    let sources = Object::open(citation).and_then(|mut citation| citation.take("sources"));
    let sources = sources.and_then(raw::array).unwrap_or_default();
    sources.into_iter().filter_map(page).collect()
}

fn page(source: &RawValue) -> Option<Box<RawValue>> {
    let mut source = Object::open(source)?;
    let mut document =
        source.take("document").or_else(|| source.take("tool_output")).and_then(Object::open)?;
    let url = document.take("url").filter(|url| raw::is_string(url))?;
    let mut json = br#"{"type":"url_citation","url_citation":{"url":"#.to_vec();
    raw::write_raw(&mut json, url);
    if let Some(title) = document.take("title").filter(|title| raw::is_string(title)) {
        json.extend_from_slice(br#","title":"#);
        raw::write_raw(&mut json, title);
    }
    json.extend_from_slice(b"}}");
    RawValue::from_string(String::from_utf8(json).ok()?).ok()
}

/// How likely the tokens were, in OpenAI's form. A piece of text may be of several tokens, which are told as one: as likely as
/// all of them together.
pub(super) fn tell_logprobs(items: &RawValue, to: &mut Sink<'_>) {
    let items = raw::array(items).unwrap_or_else(|| vec![items]);
    let mut json = br#"{"content":["#.to_vec();
    let mut is_first = true;
    for item in items {
        let mut item = Object::open(item).unwrap_or_default();
        let probabilities = item.take("logprobs").and_then(raw::array).unwrap_or_default();
        let text = item.take("text").filter(|text| raw::is_string(text));
        let sum: f64 = probabilities.iter().filter_map(|value| raw::number(value)).sum();
        let Some(text) = text.filter(|_| !probabilities.is_empty() && sum.is_finite()) else { continue };
        if !std::mem::replace(&mut is_first, false) {
            json.push(b',');
        }
        json.extend_from_slice(br#"{"token":"#);
        raw::write_raw(&mut json, text);
        let likely = match probabilities.as_slice() {
            [one] => one.get().to_owned(),
            _ => sum.to_string(),
        };
        json.extend_from_slice(format!(r#","logprob":{likely},"bytes":null,"top_logprobs":[]}}"#).as_bytes());
    }
    json.extend_from_slice(b"]}");
    let logprobs = String::from_utf8(json).ok().and_then(|json| RawValue::from_string(json).ok());
    if let Some(logprobs) = logprobs.filter(|_| !is_first) {
        to(Event::Logprobs { choice: 0, logprobs: &logprobs });
    }
}

/// What was used, if anything is known of it. What is billed is counted apart, and is what remains where nothing else is told.
pub(super) fn usage(usage: &RawValue) -> Option<Used<'_>> {
    let mut fields = Object::open(usage)?;
    let tokens = fields.take("tokens").or_else(|| fields.get("billed_units")).and_then(Object::open)?;
    let count = |name: &str| tokens.get(name).and_then(number).unwrap_or(0);
    let (input, output) = (count("input_tokens"), count("output_tokens"));
    let cached = fields.take("cached_tokens").and_then(number).unwrap_or(0).min(input);
    let tokens = Usage { input: input - cached, cache_read: cached, output, ..Usage::default() };
    Some(Used { tokens, rest: fields, ..Used::default() })
}

/// A number of tokens, which the API gives as a fraction.
fn number(value: &RawValue) -> Option<u64> {
    raw::number(value).filter(|tokens| *tokens >= 0.0).map(|tokens| tokens as u64)
}
