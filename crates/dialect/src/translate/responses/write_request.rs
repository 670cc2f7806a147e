//! The body of a request to the provider.

mod items;
mod settings;
mod tools;

#[cfg(test)]
mod tests;

use crate::translate::fields::Fields;
use crate::translate::neutral::Request;
use crate::translate::raw::{self, Object};
use crate::translate::{self, Error, Options, Remarks, Report};
use serde_json::value::RawValue;

/// What the answer has to hold so that what was thought can be sent back.
const ENCRYPTED: &str = "reasoning.encrypted_content";

/// The same for how likely tokens are.
const LOGPROBS: &str = "message.output_text.logprobs";

/// Writes the body of `POST /v1/responses`.
///
/// # Errors
/// The request names no model, forces a choice among no tools, or asks for what cannot be carried.
pub(in crate::translate) fn write(
    request: Request<'_>,
    options: &Options<'_>,
) -> Result<translate::Request, Error> {
    let Request { model, stream, include_usage, turns, tools, choice, parallel_calls, settings, mut rest } =
        request;
    let model = options.model(model)?;
    let mut remarks = Remarks::new(options.unsupported);
    let mut body = Fields::default();
    body.text("model", &model);
    if stream {
        body.json("stream", "true");
    }
    let wants_logprobs = settings::write(settings, &model.decode(), &mut body, &mut remarks.report)?;
    tools::write(tools, choice, parallel_calls, &mut body, &mut remarks)?;
    // A client may say so itself, where its own API has no such field.
    match rest.take("store") {
        Some(store) => body.json("store", store.get()),
        None => body.json("store", "false"),
    };
    write_include(rest.take("include"), wants_logprobs, &mut body);
    body.begin("input");
    items::write(turns, &mut remarks, &mut body.out)?;
    let Remarks { mut report, .. } = remarks;
    let body = finish(body, rest, &mut report);
    Ok(translate::Request { body, dropped: report.into_dropped(), stream, include_usage })
}

/// Writes what the answer is to hold. `own`: a list of the client's, where its own API has no such field.
fn write_include(own: Option<&RawValue>, wants_logprobs: bool, body: &mut Fields) {
    let own = own.and_then(raw::array).unwrap_or_default();
    let ours = [(ENCRYPTED, true), (LOGPROBS, wants_logprobs)];
    let ours = ours.into_iter().filter(|(name, is_wanted)| {
        *is_wanted && !own.iter().any(|own| raw::string(own).is_some_and(|own| own == *name))
    });
    let ours: Vec<String> = ours.map(|(name, _)| format!("\"{name}\"")).collect();
    let all: Vec<&str> = ours.iter().map(String::as_str).chain(own.iter().map(|name| name.get())).collect();
    body.json("include", &format!("[{}]", all.join(",")));
}

/// Adds the fields that the client's dialect does not define, but for those that would say anew or otherwise what is written.
fn finish(body: Fields, mut rest: Object<'_>, report: &mut Report) -> Vec<u8> {
    let Fields { mut out, mut names } = body;
    names.push("stream");
    for name in names {
        if rest.take(name).is_some() {
            report.left_out(name);
        }
    }
    rest.write_rest(&mut out);
    out.push(b'}');
    out
}
