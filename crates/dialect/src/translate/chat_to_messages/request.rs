//! The request body.

use super::thinking::{Effort, Thinking};
use super::tools::{self, Choice};
use super::{content, conversation};
use crate::translate::raw::{self, Object};
use crate::translate::{Error, Options, Report, Request};
use serde_json::value::RawValue;

/// Whether a value asks for nothing that would not hold without it.
type AsksForNothing = fn(&RawValue) -> bool;

/// Fields that change the answer and have no counterpart.
const UNSUPPORTED: [(&str, AsksForNothing, &str); 15] = [
    ("n", |value| value.get() == "1", "it gives one choice only"),
    ("logit_bias", is_empty, "its API has no such field"),
    ("seed", |_| false, "its API has no such field"),
    ("logprobs", |value| value.get() == "false", "it gives no log probabilities"),
    ("top_logprobs", is_zero, "it gives no log probabilities"),
    ("presence_penalty", is_zero, "its API has no such field"),
    ("frequency_penalty", is_zero, "its API has no such field"),
    ("audio", |_| false, "it gives no audio"),
    ("modalities", is_text_only, "it gives text only"),
    ("prediction", |_| false, "its API has no such field"),
    ("web_search_options", |_| false, "its web search is a tool"),
    ("verbosity", |value| value.get() == "\"medium\"", "its API has no such field"),
    ("functions", is_empty, "use tools"),
    ("function_call", |value| matches!(value.get(), "\"none\"" | "\"auto\""), "use tool_choice"),
    ("moderation", |_| false, "its API has no such field"),
];

/// Fields that leave the answer as it is and have no counterpart.
const LABELS: [(&str, AsksForNothing); 3] = [
    ("store", |value| value.get() == "false"),
    ("prompt_cache_key", |_| false),
    ("prompt_cache_retention", |_| false),
];

/// Translates a request.
pub(in crate::translate) fn translate(body: &[u8], options: &Options<'_>) -> Result<Request, Error> {
    let mut fields = raw::open_body(body)?;
    let mut report = Report::new(options.unsupported);
    let mut out = Vec::with_capacity(body.len() + body.len() / 8 + 256);

    out.extend_from_slice(br#"{"model":"#);
    let own_model = fields.take("model").and_then(raw::string);
    let model = match (options.model, own_model.as_deref()) {
        ("", Some(model)) => model,
        ("", None) => return Err(Error::invalid("model", "a string is expected")),
        (model, _) => model,
    };
    raw::write_string(&mut out, model);
    let max_tokens = max_tokens(&mut fields)?.unwrap_or(u64::from(options.default_max_tokens));
    out.extend_from_slice(format!(r#","max_tokens":{max_tokens}"#).as_bytes());

    let stream = raw::flag(&mut fields, "stream")?.unwrap_or(false);
    if stream {
        out.extend_from_slice(br#","stream":true"#);
    }
    let mut stream_options = fields.take("stream_options").and_then(Object::open).unwrap_or_default();
    let include_usage = stream_options.take("include_usage").is_some_and(|value| value.get() == "true");

    for (name, asks_for_nothing, reason) in UNSUPPORTED {
        if fields.take(name).is_some_and(|value| !asks_for_nothing(value)) {
            report.unsupported(name, reason)?;
        }
    }
    let temperature = temperature(&mut out, &mut fields, &mut report)?;
    stop_sequences(&mut out, &mut fields, &mut report)?;
    service_tier(&mut out, &mut fields, &mut report)?;
    user_id(&mut out, &mut fields, &mut report);

    let tools = match fields.take("tools") {
        Some(value) => tools::tools(value, &mut report)?,
        None => Vec::new(),
    };
    let choice = match fields.take("tool_choice") {
        Some(value) => Choice::read(value, &mut report)?,
        None => None,
    };
    let one_at_a_time = raw::flag(&mut fields, "parallel_tool_calls")? == Some(false);
    let is_forced = choice.as_ref().is_some_and(Choice::is_forced);

    let Some(messages) = fields.take("messages") else {
        return Err(Error::invalid("messages", "an array is expected"));
    };
    let conversation = conversation::translate(messages, fields.take("system"), &mut report)?;

    let mut effort_level = None;
    let effort = fields.take("reasoning_effort").and_then(raw::string);
    // The provider's own field says it more exactly.
    if let Some(effort) = effort.filter(|effort| effort != "none" && fields.get("thinking").is_none()) {
        // What the provider does not let thinking be combined with.
        let is_ruled_out = is_forced
            || conversation.lacks_thinking
            || fields.get("top_k").is_some()
            || temperature.is_some_and(|temperature| temperature != 1.0);
        let thinking = Effort::parse(&effort).and_then(|effort| effort.thinking(model, max_tokens));
        match thinking.filter(|_| !is_ruled_out) {
            Some(Thinking::Adaptive(level)) => {
                out.extend_from_slice(br#","thinking":{"type":"adaptive"}"#);
                effort_level = Some(level);
            }
            Some(Thinking::Budget(tokens)) => {
                let thinking = format!(r#","thinking":{{"type":"enabled","budget_tokens":{tokens}}}"#);
                out.extend_from_slice(thinking.as_bytes());
            }
            // How hard to think is a wish: the answer comes without it too.
            None => report.left_out("reasoning_effort"),
        }
    }
    output_config(&mut out, &mut fields, effort_level, &mut report)?;
    for (name, asks_for_nothing) in LABELS {
        if fields.take(name).is_some_and(|value| !asks_for_nothing(value)) {
            report.left_out(name);
        }
    }

    fields.write_rest(&mut out);
    if !tools.is_empty() {
        write_array(&mut out, "tools", &tools);
        // The provider takes a choice only along with tools.
        if let Some(choice) = choice.or_else(|| one_at_a_time.then(Choice::auto)) {
            out.extend_from_slice(br#","tool_choice":"#);
            choice.write(&mut out, one_at_a_time);
        }
    } else if is_forced {
        return Err(Error::invalid("tool_choice", "there is no tool to choose"));
    }
    if !conversation.system.is_empty() {
        write_array(&mut out, "system", &conversation.system);
    }
    write_array(&mut out, "messages", &conversation.messages);
    out.push(b'}');
    Ok(Request { body: out, dropped: report.into_dropped(), stream, include_usage })
}

fn write_array(out: &mut Vec<u8>, name: &str, inside: &[u8]) {
    out.push(b',');
    raw::write_string(out, name);
    out.extend_from_slice(b":[");
    out.extend_from_slice(inside);
    out.push(b']');
}

/// The output limit; `max_tokens` is the older name.
fn max_tokens(fields: &mut Object<'_>) -> Result<Option<u64>, Error> {
    let older = fields.take("max_tokens").map(|value| ("max_tokens", value));
    let newer = fields.take("max_completion_tokens").map(|value| ("max_completion_tokens", value));
    let Some((name, value)) = newer.or(older) else { return Ok(None) };
    match value.get().parse() {
        Ok(tokens) => Ok(Some(tokens)),
        Err(_) => Err(Error::invalid(name, "a whole number is expected")),
    }
}

/// OpenAI's range ends at 2, Anthropic's at 1. A greater value is refused or cut to 1 by the policy.
fn temperature(
    out: &mut Vec<u8>,
    fields: &mut Object<'_>,
    report: &mut Report,
) -> Result<Option<f64>, Error> {
    let Some(value) = fields.take("temperature") else { return Ok(None) };
    let Some(temperature) = raw::number(value) else {
        return Err(Error::invalid("temperature", "a number is expected"));
    };
    out.extend_from_slice(br#","temperature":"#);
    if temperature > 1.0 {
        report.unsupported("temperature", "its range ends at 1")?;
        out.push(b'1');
        return Ok(Some(1.0));
    }
    raw::write_raw(out, value);
    Ok(Some(temperature))
}

fn stop_sequences(out: &mut Vec<u8>, fields: &mut Object<'_>, report: &mut Report) -> Result<(), Error> {
    let mut inside = Vec::new();
    // The provider's own name may be there too, or instead.
    for name in ["stop", "stop_sequences"] {
        let Some(stop) = fields.take(name) else { continue };
        let expected = || Error::invalid(name, "a string or an array of strings is expected");
        let list = if raw::is_string(stop) { vec![stop] } else { raw::array(stop).ok_or_else(expected)? };
        for sequence in list {
            if !raw::is_string(sequence) {
                return Err(expected());
            }
            if content::is_blank(sequence) {
                report.unsupported(name, "a stop sequence cannot be white space alone")?;
                continue;
            }
            if !inside.is_empty() {
                inside.push(b',');
            }
            raw::write_raw(&mut inside, sequence);
        }
    }
    if !inside.is_empty() {
        write_array(out, "stop_sequences", &inside);
    }
    Ok(())
}

/// Anthropic knows whether a request may use capacity that was bought ahead, and nothing else.
fn service_tier(out: &mut Vec<u8>, fields: &mut Object<'_>, report: &mut Report) -> Result<(), Error> {
    let Some(tier) = fields.take("service_tier").and_then(raw::string) else { return Ok(()) };
    let tier = match tier.as_ref() {
        "auto" | "priority" | "scale" => "auto",
        "default" => "standard_only",
        "flex" => return report.unsupported("service_tier", "it has no such tier"),
        other => other,
    };
    out.push(b',');
    raw::write_field(out, "service_tier", tier);
    Ok(())
}

/// Whom the request is for. Anthropic's `metadata` holds that alone, while OpenAI's are labels of any kind.
fn user_id(out: &mut Vec<u8>, fields: &mut Object<'_>, report: &mut Report) {
    let metadata = fields.take_entry("metadata").filter(|(_, value)| value.get() != "null");
    let mut labels = metadata.and_then(|(_, value)| Object::open(value)).unwrap_or_default();
    let user_id = labels.take("user_id");
    for (name, _) in labels.into_fields() {
        report.left_out(format!("metadata.{name}"));
    }
    let (safety_identifier, user) = (fields.take("safety_identifier"), fields.take("user"));
    if let Some(user_id) = user_id.or(safety_identifier).or(user) {
        out.extend_from_slice(br#","metadata":{"user_id":"#);
        raw::write_raw(out, user_id);
        out.push(b'}');
    }
}

/// `response_format` and the effort share a field, in which the client may have put more itself.
fn output_config(
    out: &mut Vec<u8>,
    fields: &mut Object<'_>,
    effort: Option<&str>,
    report: &mut Report,
) -> Result<(), Error> {
    let own = fields.take("output_config").and_then(Object::open).unwrap_or_default();
    let schema = match fields.take("response_format") {
        Some(value) => response_schema(value, report)?,
        None => None,
    };
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
    Ok(())
}

fn response_schema<'a>(value: &'a RawValue, report: &mut Report) -> Result<Option<&'a RawValue>, Error> {
    let mut format = Object::open(value).unwrap_or_default();
    let Some(kind) = format.take("type").and_then(raw::string) else {
        return Err(Error::invalid("response_format.type", "a string is expected"));
    };
    match kind.as_ref() {
        "text" => Ok(None),
        "json_schema" => {
            let mut schema = format.take("json_schema").and_then(Object::open).unwrap_or_default();
            match schema.take("schema") {
                Some(schema) => Ok(Some(schema)),
                None => Err(Error::invalid("response_format.json_schema.schema", "an object is expected")),
            }
        }
        _ => {
            report.unsupported("response_format.type", "JSON can be asked for by a json_schema only")?;
            Ok(None)
        }
    }
}

fn is_empty(value: &RawValue) -> bool {
    Object::open(value).is_some_and(|object| object.is_empty())
        || raw::array(value).is_some_and(|list| list.is_empty())
}

fn is_zero(value: &RawValue) -> bool {
    raw::number(value) == Some(0.0)
}

fn is_text_only(value: &RawValue) -> bool {
    raw::array(value).is_some_and(|list| list.iter().all(|kind| kind.get() == "\"text\""))
}
