//! The body of a request to the provider.

mod blocks;
mod conversation;
mod settings;
pub(in crate::translate) mod thinking;
mod tools;

#[cfg(test)]
mod tests;

use crate::translate::neutral::Request;
use crate::translate::raw::{self, Object};
use crate::translate::{self, Error, Options, Report};
use serde_json::value::RawValue;
use settings::Settings;
use thinking::Thinking;

/// Writes the body of `POST /v1/messages`.
///
/// # Errors
/// The request names no model, forces a choice among no tools, or asks for what cannot be carried.
pub(in crate::translate) fn write(
    request: Request<'_>,
    options: &Options<'_>,
) -> Result<translate::Request, Error> {
    let max_tokens = request.max_tokens().unwrap_or(u64::from(options.default_max_tokens));
    let Request { model, stream, include_usage, turns, tools, choice, parallel_calls, settings, mut rest } =
        request;
    let model = options.model(model)?;
    let mut report = Report::new(options.unsupported);
    let settings = Settings::read(settings, &mut rest, &mut report)?;
    let tools = tools::write(tools, &mut report)?;
    let choice = tools::choice(choice, &mut report)?;
    let is_forced = tools::is_forced(choice.as_ref());
    if tools.is_empty() && is_forced {
        return Err(Error::invalid("tool_choice", "there is no tool to choose"));
    }
    let conversation = conversation::write(turns, rest.take("system"), &mut report)?;
    let is_ruled_out = is_forced || conversation.lacks_thinking;
    let thinking = settings.thinking(&model.decode(), max_tokens, is_ruled_out, &rest, &mut report);

    let mut out = b"{\"model\":".to_vec();
    out.reserve(conversation.messages.len() + conversation.system.len() + tools.len() + 512);
    model.write(&mut out);
    out.extend_from_slice(format!(r#","max_tokens":{max_tokens}"#).as_bytes());
    if stream {
        out.extend_from_slice(br#","stream":true"#);
    }
    settings.write(&mut out);
    let effort = match thinking {
        Some(Thinking::Adaptive(effort)) => {
            out.extend_from_slice(br#","thinking":{"type":"adaptive"}"#);
            effort
        }
        Some(Thinking::Budget(tokens)) => {
            let thinking = format!(r#","thinking":{{"type":"enabled","budget_tokens":{tokens}}}"#);
            out.extend_from_slice(thinking.as_bytes());
            None
        }
        None => None,
    };
    write_output_config(&mut out, rest.take("output_config"), effort, settings.schema);
    settings.write_sampling(&mut out);
    // Those would say anew or otherwise what is written.
    for name in ["model", "max_tokens", "stream", "tools", "tool_choice", "messages"] {
        if rest.take(name).is_some() {
            report.left_out(name);
        }
    }
    rest.write_rest(&mut out);
    if !tools.is_empty() {
        write_array(&mut out, "tools", &tools);
        // The provider takes a choice only along with tools.
        tools::write_choice(&mut out, choice.as_ref(), parallel_calls == Some(false));
    }
    if !conversation.system.is_empty() {
        write_array(&mut out, "system", &conversation.system);
    }
    write_array(&mut out, "messages", &conversation.messages);
    out.push(b'}');
    let mut dropped = report.into_dropped();
    dropped.extend(settings.labels);
    Ok(translate::Request { body: out, dropped, stream, include_usage })
}

fn write_array(out: &mut Vec<u8>, name: &str, inside: &[u8]) {
    out.push(b',');
    raw::write_string(out, name);
    out.extend_from_slice(b":[");
    out.extend_from_slice(inside);
    out.push(b']');
}

/// Writes a mark for the prompt cache. It may be among the other fields too.
fn write_cache(out: &mut Vec<u8>, cache: Option<&RawValue>, rest: &mut Object<'_>) {
    if let Some(cache) = cache {
        rest.remove(&["cache_control"]);
        out.extend_from_slice(br#","cache_control":"#);
        raw::write_raw(out, cache);
    }
}

/// The form of the answer and the effort share a field, in which the client may have put more itself.
fn write_output_config(
    out: &mut Vec<u8>,
    own: Option<&RawValue>,
    effort: Option<&str>,
    schema: Option<&RawValue>,
) {
    let own = own.and_then(Object::open).unwrap_or_default();
    let effort = effort.filter(|_| own.get("effort").is_none());
    let schema = schema.filter(|_| own.get("format").is_none());
    let mut config = Vec::new();
    if let Some(effort) = effort {
        config.push(b',');
        raw::write_field(&mut config, "effort", effort);
    }
    if let Some(schema) = schema {
        config.extend_from_slice(br#","format":{"type":"json_schema","schema":"#);
        raw::write_raw(&mut config, schema);
        config.push(b'}');
    }
    own.write_rest(&mut config);
    if let Some((_, inside)) = config.split_first() {
        out.extend_from_slice(br#","output_config":{"#);
        out.extend_from_slice(inside);
        out.push(b'}');
    }
}
