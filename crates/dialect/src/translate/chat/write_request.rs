//! The body of a request to the provider.

mod turns;

#[cfg(test)]
mod tests;

use crate::translate::fields::Fields;
use crate::translate::neutral::{
    Choice, Format, NO_PARAMETERS, Reasoning, Request, Setting, Text, Tool, Want,
};
use crate::translate::openai::{self, SCHEMA_NAME, Wish};
use crate::translate::raw::{self, Object, write_list};
use crate::translate::{self, Error, Options, Remarks, Report};
use serde_json::value::RawValue;

/// The output limit.
const CAP: &str = "max_completion_tokens";

/// The name of it that most servers know which are not OpenAI's own.
const OLDER_CAP: &str = "max_tokens";

/// The most stop sequences that the API takes.
const MOST_STOPS: usize = 4;

/// Writes the body of `POST /v1/chat/completions`.
///
/// # Errors
/// The request names no model, forces a choice among no tools, or asks for what cannot be carried.
pub(in crate::translate) fn write(
    request: Request<'_>,
    options: &Options<'_>,
) -> Result<translate::Request, Error> {
    let Request { model, stream, include_usage, turns, tools, choice, parallel_calls, settings, rest } =
        request;
    let model = options.model(model)?;
    let mut remarks = Remarks::new(options.unsupported);
    let mut body = Fields::default();
    body.text("model", &model);
    if stream {
        body.json("stream", "true");
        // Not every client reads it, but the gateway does.
        body.json("stream_options", r#"{"include_usage":true}"#);
    }
    let cap = if options.older_cap_field { OLDER_CAP } else { CAP };
    write_settings(settings, &model.decode(), cap, &mut body, &mut remarks.report)?;
    write_tools(tools, choice, parallel_calls, &mut body, &mut remarks)?;
    body.begin("messages");
    turns::write(turns, &mut remarks, &mut body.out)?;
    let Remarks { mut report, .. } = remarks;
    let body = finish(body, rest, &mut report);
    Ok(translate::Request { body, dropped: report.into_dropped(), stream, include_usage })
}

/// Adds the fields that the client's dialect does not define, but for those that would say anew or otherwise what is written.
fn finish(body: Fields, mut rest: Object<'_>, report: &mut Report) -> Vec<u8> {
    let Fields { mut out, mut names } = body;
    names.extend(["stream", "stream_options"]);
    if [CAP, OLDER_CAP].iter().any(|cap| names.contains(cap)) {
        names.extend([CAP, OLDER_CAP]);
    }
    if names.contains(&"tools") {
        names.extend(["functions", "function_call"]);
    }
    for name in names {
        if rest.take(name).is_some() {
            report.left_out(name);
        }
    }
    rest.write_rest(&mut out);
    out.push(b'}');
    out
}

fn write_settings(
    settings: Vec<Setting<'_>>,
    model: &str,
    cap: &'static str,
    body: &mut Fields,
    report: &mut Report,
) -> Result<(), Error> {
    let is_stored =
        settings.iter().any(|setting| matches!(&setting.want, Want::Store(store) if store.get() == "true"));
    let mut unsupported = Vec::new();
    for Setting { path, want } in settings {
        let is_settled = match want {
            Want::MaxTokens(tokens) => body.json(cap, &tokens.to_string()),
            Want::Temperature(value) => body.json("temperature", value.get()),
            Want::TopP(value) => body.json("top_p", value.get()),
            Want::Seed(value) => body.json("seed", value.get()),
            Want::Choices(value) => body.json("n", value.get()),
            Want::PresencePenalty(value) => body.json("presence_penalty", value.get()),
            Want::FrequencyPenalty(value) => body.json("frequency_penalty", value.get()),
            Want::LogitBias(value) => body.json("logit_bias", value.get()),
            Want::Logprobs { top } => {
                let is_new = body.json("logprobs", "true");
                match top.filter(|_| is_new) {
                    Some(top) => body.json("top_logprobs", top.get()),
                    None => is_new,
                }
            }
            Want::Stop(list) => {
                if list.len() > MOST_STOPS {
                    unsupported.push((path, "it takes four stop sequences at most"));
                }
                let list = list.get(..MOST_STOPS).unwrap_or(&list);
                list.is_empty() || write_stops(list, body)
            }
            Want::Format(format) => write_format(&format, body),
            Want::Reasoning(reasoning) => write_effort(&reasoning, model, body),
            Want::Verbosity(word) => body.text("verbosity", &word),
            // OpenAI calls it deprecated; it is the name that the other servers know.
            Want::User(user) => body.text("user", &user),
            // They are refused unless the answer is stored.
            Want::Labels(value) => is_stored && body.json("metadata", value.get()),
            Want::Tier(tier) => match tier.decode().as_ref() {
                "standard_only" => body.text("service_tier", &"default".into()),
                _ => body.text("service_tier", &tier),
            },
            Want::Store(value) => body.json("store", value.get()),
            Want::Prediction(value) => body.json("prediction", value.get()),
            Want::Modalities(value) => body.json("modalities", value.get()),
            Want::WebSearch(value) => body.json("web_search_options", value.get()),
            Want::TopK(_) => {
                unsupported.push((path, "its API has no such field"));
                true
            }
            Want::Own { what } => {
                unsupported.push((path, what));
                true
            }
            Want::CacheHint | Want::OwnLabel => false,
        };
        if !is_settled {
            report.left_out(path);
        }
        for (path, reason) in unsupported.drain(..) {
            report.unsupported(path, reason)?;
        }
    }
    Ok(())
}

fn write_stops(list: &[Text<'_>], body: &mut Fields) -> bool {
    let is_new = body.begin("stop");
    if is_new {
        write_list(&mut body.out, list, |out, text| text.write(out));
    }
    is_new
}

fn write_format(format: &Format<'_>, body: &mut Fields) -> bool {
    let Format::Schema { schema, name, description, strict } = format else {
        return body.json("response_format", r#"{"type":"json_object"}"#);
    };
    if !body.begin("response_format") {
        return false;
    }
    let out = &mut body.out;
    out.extend_from_slice(br#"{"type":"json_schema","json_schema":{"name":"#);
    name.as_ref().unwrap_or(&SCHEMA_NAME.into()).write(out);
    if let Some(description) = description {
        out.extend_from_slice(br#","description":"#);
        description.write(out);
    }
    out.extend_from_slice(br#","schema":"#);
    raw::write_raw(out, schema);
    write_strict(out, *strict);
    out.extend_from_slice(b"}}");
    true
}

fn write_strict(out: &mut Vec<u8>, strict: Option<bool>) {
    match strict {
        Some(true) => out.extend_from_slice(br#","strict":true"#),
        Some(false) => out.extend_from_slice(br#","strict":false"#),
        None => {}
    }
}

/// Writes how hard to think. False: it is left out, which is no fault, as it is a wish.
fn write_effort(reasoning: &Reasoning<'_>, model: &str, body: &mut Fields) -> bool {
    match openai::effort(reasoning, model) {
        Wish::Word(word) => body.text("reasoning_effort", &word.into()),
        Wish::ByItself => true,
        Wish::Refused => false,
    }
}

#[derive(Debug)]
struct Function<'a> {
    name: Text<'a>,
    description: Option<Text<'a>>,
    schema: Option<&'a RawValue>,
    strict: Option<bool>,
    rest: Object<'a>,
}

impl Function<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"type":"function","function":{"name":"#);
        self.name.write(out);
        if let Some(description) = &self.description {
            out.extend_from_slice(br#","description":"#);
            description.write(out);
        }
        out.extend_from_slice(br#","parameters":"#);
        out.extend_from_slice(self.schema.map_or(NO_PARAMETERS, RawValue::get).as_bytes());
        write_strict(out, self.strict);
        self.rest.write_rest(out);
        out.extend_from_slice(b"}}");
    }
}

/// Writes the tools, and what may only come along with them.
fn write_tools(
    tools: Vec<Tool<'_>>,
    choice: Option<Choice<'_>>,
    parallel_calls: Option<bool>,
    body: &mut Fields,
    remarks: &mut Remarks,
) -> Result<(), Error> {
    let mut functions = Vec::with_capacity(tools.len());
    for (number, tool) in tools.into_iter().enumerate() {
        match tool {
            Tool::Function { name, description, schema, strict, cache, mut rest } => {
                if cache.is_some() {
                    remarks.cache_mark(|| format!("tools[{number}].cache_control"));
                }
                rest.remove(&["name", "description", "parameters", "strict"]);
                functions.push(Function { name, description, schema, strict, rest });
            }
            Tool::Hosted { kind, .. } => {
                let reason = format!("{kind} is run by the provider of another API");
                remarks.report.unsupported(format!("tools[{number}]"), &reason)?;
            }
        }
    }
    if functions.is_empty() {
        let is_forced =
            matches!(choice, Some(Choice::Any | Choice::Tool(_) | Choice::Of { required: true, .. }));
        if is_forced {
            return Err(Error::invalid("tool_choice", "there is no tool to choose"));
        }
        return Ok(());
    }
    body.begin("tools");
    write_list(&mut body.out, &functions, |out, function| function.write(out));
    if let Some(choice) = choice {
        body.begin("tool_choice");
        write_choice(&choice, &mut body.out);
    }
    if let Some(parallel) = parallel_calls {
        body.json("parallel_tool_calls", if parallel { "true" } else { "false" });
    }
    Ok(())
}

fn write_choice(choice: &Choice<'_>, out: &mut Vec<u8>) {
    let write_name = |out: &mut Vec<u8>, name: &Text<'_>| {
        out.extend_from_slice(br#"{"type":"function","function":{"name":"#);
        name.write(out);
        out.extend_from_slice(b"}}");
    };
    match choice {
        Choice::Auto => out.extend_from_slice(br#""auto""#),
        Choice::None => out.extend_from_slice(br#""none""#),
        Choice::Any => out.extend_from_slice(br#""required""#),
        Choice::Tool(name) => write_name(out, name),
        Choice::Of { names, required } => {
            let mode = if *required { "required" } else { "auto" };
            out.extend_from_slice(br#"{"type":"allowed_tools","allowed_tools":{"#);
            raw::write_field(out, "mode", mode);
            out.extend_from_slice(br#","tools":"#);
            write_list(out, names, write_name);
            out.extend_from_slice(b"}}");
        }
    }
}
