//! What the client wants of the answer.

use crate::translate::Error;
use crate::translate::neutral::{Effort, Format, Reasoning, Setting, Text, Want};
use crate::translate::raw::{self, Object};
use serde_json::value::RawValue;

/// Whether a value asks for nothing that would not hold without it.
type AsksForNothing = fn(&RawValue) -> bool;
/// What a field is in the neutral form.
type Means<'a> = fn(&'a RawValue) -> Want<'a>;

/// Why what the provider has kept cannot be named.
const NOT_KEPT: &str = "it keeps no conversations: send the whole of it as input";

/// Fields with a meaning of their own.
fn plain<'a>() -> [(&'static str, AsksForNothing, Means<'a>); 17] {
    [
        ("temperature", |_| false, Want::Temperature),
        ("top_p", |_| false, Want::TopP),
        ("store", is_false, Want::Store),
        ("prompt_cache_key", |_| false, |_| Want::CacheHint),
        ("prompt_cache_retention", |_| false, |_| Want::CacheHint),
        ("prompt_cache_options", |_| false, |_| Want::CacheHint),
        (
            "service_tier",
            |value| value.get() == "\"auto\"",
            |value| Text::read(value).map_or(Want::OwnLabel, Want::Tier),
        ),
        (
            "truncation",
            |value| value.get() == "\"disabled\"",
            |_| Want::Own { what: "it drops nothing from a conversation that is too long" },
        ),
        ("background", is_false, |_| Want::Own { what: "its answers are not made in the background" }),
        ("previous_response_id", |_| false, |_| Want::Own { what: NOT_KEPT }),
        ("conversation", |_| false, |_| Want::Own { what: NOT_KEPT }),
        ("prompt", |_| false, |_| Want::Own { what: "it keeps no prompts: send the whole of it as input" }),
        ("context_management", is_empty, |_| Want::Own { what: "its API edits no context" }),
        ("moderation", |_| false, |_| Want::Own { what: "its API has no such field" }),
        // Of the tools that OpenAI runs, which have a reason of their own.
        ("max_tool_calls", |_| false, |_| Want::OwnLabel),
        ("access_programs", |_| false, |_| Want::OwnLabel),
        ("image", |_| false, |_| Want::OwnLabel),
    ]
}

/// Takes the settings out of the body's fields.
pub(super) fn read<'a>(fields: &mut Object<'a>) -> Result<Vec<Setting<'a>>, Error> {
    let mut settings = Vec::new();
    if let Some(value) = fields.take("max_output_tokens") {
        let path = "max_output_tokens";
        let tokens = value.get().parse().map_err(|_| Error::invalid(path, "a whole number is expected"))?;
        settings.push(Setting { path, want: Want::MaxTokens(tokens) });
    }
    include(fields, &mut settings);
    users(fields, &mut settings);
    for (path, asks_for_nothing, means) in plain() {
        let value = fields.take(path).filter(|value| !asks_for_nothing(value));
        if let Some(value) = value {
            if path == "temperature" && raw::number(value).is_none() {
                return Err(Error::invalid(path, "a number is expected"));
            }
            settings.push(Setting { path, want: means(value) });
        }
    }
    if let Some(text) = fields.take("text").and_then(Object::open) {
        read_text(text, &mut settings)?;
    }
    if let Some(reasoning) = fields.take("reasoning").and_then(Object::open) {
        read_reasoning(reasoning, &mut settings);
    }
    Ok(settings)
}

/// What the answer is to hold besides. What of it concerns tools that OpenAI runs changes nothing without them.
fn include<'a>(fields: &mut Object<'a>, settings: &mut Vec<Setting<'a>>) {
    let top = fields.take("top_logprobs").filter(|value| !is_zero(value));
    let names = fields.take("include").and_then(raw::array).unwrap_or_default();
    let mut has_logprobs = false;
    let mut has_others = false;
    for name in names {
        match raw::string(name).as_deref() {
            Some("message.output_text.logprobs") => has_logprobs = true,
            // What was thought always comes back with what proves it.
            Some("reasoning.encrypted_content") => {}
            _ => has_others = true,
        }
    }
    if has_logprobs {
        settings.push(Setting { path: "include", want: Want::Logprobs { top } });
    } else if top.is_some() {
        settings.push(Setting { path: "top_logprobs", want: Want::Logprobs { top } });
    }
    if has_others {
        settings.push(Setting { path: "include", want: Want::OwnLabel });
    }
}

/// Whom the request is for: by the newest name, or as Anthropic's clients say it among the labels.
fn users<'a>(fields: &mut Object<'a>, settings: &mut Vec<Setting<'a>>) {
    let metadata = fields.take("metadata");
    let mut labels = metadata.and_then(Object::open).unwrap_or_default();
    let by_label = labels.take("user_id").and_then(Text::read).map(|user| ("metadata.user_id", user));
    let names = [("safety_identifier", fields.take("safety_identifier")), ("user", fields.take("user"))];
    let named = names.into_iter().find_map(|(path, value)| Some((path, value.and_then(Text::read)?)));
    if let Some((path, user)) = by_label.or(named) {
        settings.push(Setting { path, want: Want::User(user) });
    }
    if let Some(metadata) = metadata.filter(|_| !labels.is_empty()) {
        settings.push(Setting { path: "metadata", want: Want::Labels(metadata) });
    }
}

fn read_text<'a>(mut text: Object<'a>, settings: &mut Vec<Setting<'a>>) -> Result<(), Error> {
    let verbosity = text.take("verbosity").and_then(Text::read).filter(|word| word.decode() != "medium");
    settings.extend(verbosity.map(|word| Setting { path: "text.verbosity", want: Want::Verbosity(word) }));
    let Some(format) = text.take("format") else { return Ok(()) };
    let mut format = Object::open(format).unwrap_or_default();
    let Some(kind) = format.take("type").and_then(raw::string) else {
        return Err(Error::invalid("text.format.type", "a string is expected"));
    };
    let (path, want) = match kind.as_ref() {
        "text" => return Ok(()),
        "json_object" => ("text.format", Want::Format(Format::Json)),
        "json_schema" => {
            let (name, description) = (format.take("name"), format.take("description"));
            let strict = format.take("strict").map(|strict| strict.get() == "true");
            let Some(schema) = format.take("schema") else {
                return Err(Error::invalid("text.format.schema", "an object is expected"));
            };
            let (name, description) = (name.and_then(Text::read), description.and_then(Text::read));
            ("text.format", Want::Format(Format::Schema { schema, name, description, strict }))
        }
        _ => ("text.format.type", Want::Own { what: "JSON and text can be asked for" }),
    };
    settings.push(Setting { path, want });
    Ok(())
}

fn read_reasoning<'a>(mut fields: Object<'a>, settings: &mut Vec<Setting<'a>>) {
    let mut word = |name: &str| fields.take(name).and_then(Text::read);
    let effort = word("effort");
    // The older name of the summary.
    let shown = word("summary").or_else(|| word("generate_summary"));
    let is_pro = word("mode").is_some_and(|mode| mode.decode() != "standard");
    let has_context = word("context").is_some_and(|context| context.decode() != "auto");
    if effort.is_some() || shown.is_some() {
        let effort = effort.map(|effort| effort.decode().into_owned()).unwrap_or_default();
        let off = effort == "none";
        let reasoning = Reasoning { off, effort: Effort::parse(&effort), shown, ..Reasoning::default() };
        settings.push(Setting { path: "reasoning", want: Want::Reasoning(reasoning) });
    }
    if is_pro {
        let want = Want::Own { what: "its models think in one mode only" };
        settings.push(Setting { path: "reasoning.mode", want });
    }
    if has_context {
        settings.push(Setting { path: "reasoning.context", want: Want::OwnLabel });
    }
}

fn is_false(value: &RawValue) -> bool {
    value.get() == "false"
}

fn is_zero(value: &RawValue) -> bool {
    raw::number(value) == Some(0.0)
}

fn is_empty(value: &RawValue) -> bool {
    Object::open(value).is_some_and(|object| object.is_empty())
        || raw::array(value).is_some_and(|list| list.is_empty())
}
