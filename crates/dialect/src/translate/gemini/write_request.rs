//! The body of a request to the provider.

mod config;
mod contents;
mod files;
mod tools;

#[cfg(test)]
mod tests;

use super::model::Model;
use crate::translate::neutral::{Request, Text};
use crate::translate::raw::{self, Object};
use crate::translate::{self, Error, Options, Report};

/// Writes the body of `POST …/models/{model}:generateContent`.
///
/// # Errors
/// A result belongs to no call, a choice is forced among no tools, or something is asked for that cannot be carried.
pub(in crate::translate) fn write(
    request: Request<'_>,
    options: &Options<'_>,
) -> Result<translate::Request, Error> {
    let Request { model, stream, include_usage, turns, tools, choice, parallel_calls, settings, rest } =
        request;
    let model = match (options.model, model) {
        ("", Some(model)) => Model::of(&model.decode()),
        (model, _) => Model::of(model),
    };
    let mut remarks = Remarks::new(options);
    let mut body = Fields::default();
    contents::write(turns, &model, &mut remarks, &mut body)?;
    tools::write(tools, choice, parallel_calls, &mut remarks, &mut body)?;
    let config = config::write(settings, &model, &mut remarks.report, &mut body)?;
    let Remarks { mut report, .. } = remarks;
    let body = finish(body, config, rest, &mut report);
    Ok(translate::Request { body, dropped: report.into_dropped(), stream, include_usage })
}

/// Adds what the client's dialect does not define. Of `generationConfig` each field that is not written yet goes there.
fn finish(mut body: Fields, mut config: Fields, mut rest: Object<'_>, report: &mut Report) -> Vec<u8> {
    for name in ["generationConfig", "generation_config"] {
        if let Some(more) = rest.get(name).and_then(Object::open) {
            rest.take(name);
            config.add_rest(more, &format!("{name}."), report);
        }
    }
    if config.out.len() > 1 {
        body.begin("generationConfig");
        body.out.extend_from_slice(&config.out);
        body.out.push(b'}');
    }
    body.add_rest(rest, "", report);
    body.out.push(b'}');
    body.out
}

/// The report, and what it needs to be told once only.
#[derive(Debug)]
struct Remarks {
    report: Report,
    has_cache_mark: bool,
    has_thinking: bool,
}

impl Remarks {
    fn new(options: &Options<'_>) -> Self {
        Self { report: Report::new(options.unsupported), has_cache_mark: false, has_thinking: false }
    }

    /// A mark for the prompt cache is left out: the provider caches by itself.
    fn cache_mark(&mut self, path: impl FnOnce() -> String) {
        if !std::mem::replace(&mut self.has_cache_mark, true) {
            self.report.left_out(path());
        }
    }

    /// Thinking is left out: the provider has no use for what another model thought.
    fn thinking(&mut self, path: impl FnOnce() -> String) {
        if !std::mem::replace(&mut self.has_thinking, true) {
            self.report.left_out(path());
        }
    }
}

/// The fields of an object, each of which is written once. The closing brace is left to the caller.
#[derive(Debug)]
struct Fields {
    out: Vec<u8>,
    names: Vec<&'static str>,
}

impl Default for Fields {
    fn default() -> Self {
        Self { out: b"{".to_vec(), names: Vec::new() }
    }
}

impl Fields {
    /// Writes the name of a field, to be followed by its value. False: it is there already.
    fn begin(&mut self, name: &'static str) -> bool {
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

    fn json(&mut self, name: &'static str, json: &str) -> bool {
        let is_new = self.begin(name);
        if is_new {
            self.out.extend_from_slice(json.as_bytes());
        }
        is_new
    }

    /// Adds fields of the client's, but for those that would say anew or otherwise what is written. The API takes names in
    /// both `camelCase` and `snake_case`.
    fn add_rest(&mut self, mut rest: Object<'_>, path: &str, report: &mut Report) {
        for name in &self.names {
            for name in [(*name).to_owned(), snake_case(name)] {
                if rest.take_entry(&name).is_some() {
                    report.left_out(format!("{path}{name}"));
                }
            }
        }
        let mut fields = Vec::new();
        rest.write_rest(&mut fields);
        let fields = if self.out.len() > 1 { fields.as_slice() } else { fields.get(1..).unwrap_or_default() };
        self.out.extend_from_slice(fields);
    }
}

fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

/// Writes what stands between brackets, with commas.
fn write_list<T>(out: &mut Vec<u8>, list: &[T], mut write: impl FnMut(&mut Vec<u8>, &T)) {
    out.push(b'[');
    for (number, item) in list.iter().enumerate() {
        if number > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
}

fn write_texts(out: &mut Vec<u8>, texts: &[Text<'_>]) {
    write_list(out, texts, |out, text| text.write(out));
}
