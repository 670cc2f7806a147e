//! The body of a request to the provider.

mod config;
mod contents;
mod files;
mod tools;

#[cfg(test)]
mod tests;

use super::model::Model;
use super::snake_case;
use crate::translate::fields::Fields;
use crate::translate::neutral::{Request, Text};
use crate::translate::raw::{Object, write_list};
use crate::translate::{self, Error, Options, Remarks, Report};

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
    let mut remarks = Remarks::new(options.unsupported);
    let mut body = Fields::default();
    contents::write(turns, &model, &mut remarks, &mut body)?;
    let has_tools = !tools.is_empty();
    tools::write(tools, choice, parallel_calls, &mut remarks, &mut body)?;
    let config = config::write(settings, &model, has_tools, &mut remarks.report)?;
    let Remarks { mut report, .. } = remarks;
    let body = finish(body, config, rest, &mut report);
    Ok(translate::Request { body, dropped: report.into_dropped(), stream, include_usage })
}

/// Adds what the client's dialect does not define. Of `generationConfig` each field that is not written yet goes there.
fn finish(mut body: Fields, mut config: Fields, mut rest: Object<'_>, report: &mut Report) -> Vec<u8> {
    for name in ["generationConfig", "generation_config"] {
        if let Some(more) = rest.get(name).and_then(Object::open) {
            rest.take(name);
            add_rest(&mut config, more, &format!("{name}."), report);
        }
    }
    if config.out.len() > 1 {
        body.begin("generationConfig");
        body.out.extend_from_slice(&config.out);
        body.out.push(b'}');
    }
    add_rest(&mut body, rest, "", report);
    body.out.push(b'}');
    body.out
}

/// Adds fields of the client's, but for those that would say anew or otherwise what is written. The API takes names in both
/// `camelCase` and `snake_case`.
fn add_rest(to: &mut Fields, mut rest: Object<'_>, path: &str, report: &mut Report) {
    for name in &to.names {
        for name in [(*name).to_owned(), snake_case(name)] {
            if rest.take_entry(&name).is_some() {
                report.left_out(format!("{path}{name}"));
            }
        }
    }
    let mut fields = Vec::new();
    rest.write_rest(&mut fields);
    let fields = if to.out.len() > 1 { fields.as_slice() } else { fields.get(1..).unwrap_or_default() };
    to.out.extend_from_slice(fields);
}

fn write_texts(out: &mut Vec<u8>, texts: &[Text<'_>]) {
    write_list(out, texts, |out, text| text.write(out));
}
