//! The few fields of a request body that routing needs.
//!
//! The body is read once, in order, and nothing is kept but these fields: a prompt of ten megabytes costs a
//! scan, not a tree. A field that stands twice is refused, so that no two readers of one body can disagree.

use crate::error::{ClientError, ErrorKind};
use crate::layout::Layout;
use crate::names::MODEL_BYTES;
use crate::{Dialect, Operation};
use serde::Deserialize;
use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

/// What routing needs to know of a request body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The model asked for.
    pub model: Option<String>,
    /// Where the model's JSON string stands in the body, quotes included.
    pub model_span: Option<Range<usize>>,
    /// Whether the answer is to be streamed.
    pub stream: bool,
    /// The most tokens the client wants generated for one choice.
    pub max_tokens: Option<u64>,
    /// How many answers it wants.
    pub choices: u64,
    /// Whether the client asked for usage at the end of a stream.
    pub include_usage: bool,
    /// The service tier that the client asks for, such as `flex` or `priority`.
    pub tier: Option<String>,
    /// The end user that the request names: `user` of OpenAI's API, `metadata.user_id` of Anthropic's.
    pub end_user: Option<String>,
    /// Where the value of `stream_options` stands in the body.
    pub stream_options_span: Option<Range<usize>>,
    /// The first byte after the opening brace.
    pub first_field: usize,
    /// Whether the object has no field at all.
    pub is_empty: bool,
}

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow, default, deserialize_with = "also_null")]
    model: Option<&'a RawValue>,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    max_tokens: Option<u64>,
    #[serde(default)]
    max_completion_tokens: Option<u64>,
    #[serde(default)]
    max_output_tokens: Option<u64>,
    #[serde(default)]
    n: Option<u64>,
    #[serde(default)]
    best_of: Option<u64>,
    #[serde(borrow, default)]
    prompt: Option<&'a RawValue>,
    #[serde(borrow, default)]
    service_tier: Option<&'a RawValue>,
    #[serde(borrow, default)]
    user: Option<&'a RawValue>,
    #[serde(borrow, default)]
    metadata: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "also_null")]
    stream_options: Option<&'a RawValue>,
    /// Gemini's settings. Its servers take every name in either form.
    #[serde(borrow, default, rename = "generationConfig", alias = "generation_config")]
    generation_config: Option<&'a RawValue>,
    /// Those of Converse.
    #[serde(borrow, default, rename = "inferenceConfig")]
    inference_config: Option<&'a RawValue>,
}

/// What the settings of Gemini and Converse say of the length of an answer.
#[derive(Deserialize, Default)]
struct Settings {
    #[serde(default, rename = "maxOutputTokens", alias = "max_output_tokens", alias = "maxTokens")]
    cap: Option<u64>,
    #[serde(default, rename = "candidateCount", alias = "candidate_count")]
    choices: Option<u64>,
}

impl Settings {
    fn read(field: &str, raw: Option<&RawValue>) -> Result<Self, ClientError> {
        let Some(raw) = raw.filter(|raw| raw.get() != "null") else { return Ok(Self::default()) };
        object(raw.get().as_bytes())
            .map_err(|error| wrong_type(field, &format!("cannot be read: {}", error.message)))
    }
}

#[derive(Deserialize, Default)]
struct StreamOptions {
    #[serde(default)]
    include_usage: Option<bool>,
}

/// To how many prompts a legacy completion wants answers: each may be a text or a list of tokens.
fn prompts(prompt: &RawValue) -> u64 {
    let list: Vec<&RawValue> = serde_json::from_str(prompt.get()).unwrap_or_default();
    let is_token = |item: &&RawValue| item.get().starts_with(|first: char| first.is_ascii_digit());
    if list.first().is_none_or(is_token) { 1 } else { list.len() as u64 }
}

/// Keeps a `null` as a value, which an edit must replace where it stands.
fn also_null<'de: 'a, 'a, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// Reads the head of a JSON request body.
///
/// # Errors
/// [`ErrorKind::InvalidRequest`] with line and column if the body is no JSON object or a field has the wrong type.
pub fn read(operation: Operation, body: &[u8]) -> Result<Head, ClientError> {
    let fields: Fields<'_> = object(body)?;
    look_alikes(body)?;
    let model = fields.model.map(|raw| string(raw.get(), "model")).transpose()?;
    if model.as_ref().is_some_and(|model| model.len() > MODEL_BYTES) {
        return Err(wrong_type("model", &format!("must be a name of at most {MODEL_BYTES} bytes")));
    }
    let stream_options = match fields.stream_options {
        Some(raw) if raw.get() != "null" => serde_json::from_str(raw.get())
            .map_err(|error| wrong_type("stream_options", &format!("must be an object: {error}")))?,
        _ => StreamOptions::default(),
    };
    let tier = fields.service_tier.filter(|raw| raw.get() != "null");
    let tier = tier.map(|raw| string(raw.get(), "service_tier")).transpose()?;
    let settings = match operation {
        Operation::GenerateContent => Settings::read("generationConfig", fields.generation_config)?,
        Operation::Converse => Settings::read("inferenceConfig", fields.inference_config)?,
        _ => Settings::default(),
    };
    // A cap that the provider does not read must not make a request look cheap.
    let cap = match operation {
        Operation::ChatCompletions => fields.max_completion_tokens.max(fields.max_tokens),
        Operation::Messages | Operation::Completions => fields.max_tokens,
        Operation::Responses => fields.max_output_tokens,
        Operation::GenerateContent | Operation::Converse => settings.cap,
        // None of these generates anything.
        Operation::Rerank | Operation::CountTokens => Some(0),
        Operation::Embeddings
        | Operation::Realtime
        | Operation::Models
        | Operation::Probe
        | Operation::Passthrough => {
            fields.max_output_tokens.max(fields.max_completion_tokens).max(fields.max_tokens)
        }
    };
    let choices = fields.n.max(fields.best_of).max(settings.choices).unwrap_or(1);
    let prompts = match operation {
        Operation::Completions => fields.prompt.map_or(1, prompts),
        _ => 1,
    };
    let first_field = body.iter().position(|&byte| byte == b'{').map_or(0, |brace| brace + 1);
    Ok(Head {
        model: model.map(Cow::into_owned),
        model_span: fields.model.and_then(|raw| span(body, raw)),
        stream: fields.stream.unwrap_or(false),
        max_tokens: cap,
        choices: choices.max(1).saturating_mul(prompts),
        include_usage: stream_options.include_usage.unwrap_or(false),
        tier: tier.map(Cow::into_owned),
        end_user: match operation {
            Operation::Messages => fields.metadata.and_then(user_id),
            _ => fields.user.and_then(|raw| serde_json::from_str(raw.get()).ok()),
        },
        stream_options_span: fields.stream_options.and_then(|raw| span(body, raw)),
        first_field,
        is_empty: body.iter().skip(first_field).find(|byte| !byte.is_ascii_whitespace()) == Some(&b'}'),
    })
}

/// The end user in Anthropic's `metadata`. What it is not is left to the provider to refuse.
fn user_id(metadata: &RawValue) -> Option<String> {
    #[derive(Deserialize)]
    struct Metadata {
        user_id: Option<String>,
    }
    serde_json::from_str::<Metadata>(metadata.get()).ok()?.user_id
}

/// An edit of a body: put `text` in place of the bytes in `span`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The bytes to replace; empty to insert.
    pub span: Range<usize>,
    /// What to put there.
    pub text: String,
}

impl Head {
    /// The edit that makes a streamed OpenAI request ask for usage, or `None` if it does already.
    pub fn ask_for_usage(&self, body: &[u8]) -> Option<Edit> {
        if self.include_usage {
            return None;
        }
        let Some(span) = self.stream_options_span.clone() else {
            return Some(self.insert(r#""stream_options":{"include_usage":true}"#.to_owned()));
        };
        // Keeps what else the client put there, such as include_obfuscation.
        let mut options: serde_json::Map<String, serde_json::Value> =
            body.get(span.clone()).and_then(|text| serde_json::from_slice(text).ok()).unwrap_or_default();
        options.insert("include_usage".to_owned(), true.into());
        Some(Edit { span, text: serde_json::Value::Object(options).to_string() })
    }

    /// The edit that puts another model in place of the one in the body.
    pub fn set_model(&self, model: &str) -> Edit {
        let quoted = serde_json::Value::from(model).to_string();
        match &self.model_span {
            Some(span) => Edit { span: span.clone(), text: quoted },
            None => self.insert(format!("\"model\":{quoted}")),
        }
    }
}

impl Head {
    /// The edit that makes this the first field.
    fn insert(&self, field: String) -> Edit {
        let comma = if self.is_empty { "" } else { "," };
        Edit { span: self.first_field..self.first_field, text: field + comma }
    }
}

/// The edits that put another model in place of every one that a body of Gemini's API names besides its path: `model`, and that of each
/// of `requests`. They are in the order of the body. Empty if there is none, or if the body cannot be read.
pub fn rename_in_gemini(body: &[u8], model: &str) -> Vec<Edit> {
    #[derive(Deserialize)]
    struct Call<'a> {
        #[serde(borrow, default)]
        model: Option<&'a RawValue>,
        #[serde(borrow, default)]
        requests: Vec<Inner<'a>>,
    }
    #[derive(Deserialize)]
    struct Inner<'a> {
        #[serde(borrow, default)]
        model: Option<&'a RawValue>,
    }
    let Ok(Call { model: own, requests }) = serde_json::from_slice(body) else { return Vec::new() };
    let named = own.into_iter().chain(requests.into_iter().filter_map(|request| request.model));
    let mut spans: Vec<_> = named.filter_map(|raw| span(body, raw)).collect();
    spans.sort_by_key(|span| span.start);
    let text = serde_json::Value::from(format!("models/{model}")).to_string();
    spans.into_iter().map(|span| Edit { span, text: text.clone() }).collect()
}

/// A chat's body with a cap on the tokens of its answer, in place of every cap that it has. `field`: the name that a provider of OpenAI's
/// chat has for it, where that is not `max_completion_tokens`. `None` for a body that is no JSON object.
pub fn cap_output(dialect: Dialect, body: &[u8], field: Option<&str>, tokens: u64) -> Option<Vec<u8>> {
    let layout = Layout::of(dialect);
    let own = layout.caps.first().copied()?;
    let field = field.filter(|_| dialect == Dialect::OpenAi).unwrap_or(own);
    let tokens = serde_json::value::to_raw_value(&tokens).ok()?;
    let Members(mut members) = serde_json::from_slice(body).ok()?;
    let Some(name) = layout.settings.first() else {
        return write_capped(members, layout.caps, field, &tokens);
    };
    // The settings are an object of their own, under one of its names.
    let settings = members.iter().position(|(name, _)| layout.settings.contains(&name.as_ref()));
    let settings = settings.map(|place| members.remove(place).1.get()).filter(|json| *json != "null");
    let Members(settings) =
        settings.map_or(Some(Members(Vec::new())), |json| serde_json::from_str(json).ok())?;
    let settings = String::from_utf8(write_capped(settings, layout.caps, field, &tokens)?).ok()?;
    let settings = RawValue::from_string(settings).ok()?;
    write_capped(members, &[], name, &settings)
}

/// An object with one cap, in place of those that it has. A null is no cap, but a second field of the name would be one too many.
fn write_capped(
    members: Vec<(Cow<'_, str>, &RawValue)>,
    caps: &[&str],
    field: &str,
    cap: &RawValue,
) -> Option<Vec<u8>> {
    let kept = members.iter().filter(|(name, _)| !caps.contains(&name.as_ref()));
    let mut out = vec![b'{'];
    for (name, value) in kept {
        serde_json::to_writer(&mut out, name).ok()?;
        out.push(b':');
        out.extend_from_slice(value.get().as_bytes());
        out.push(b',');
    }
    out.extend_from_slice(format!("\"{field}\":{cap}}}").as_bytes());
    Some(out)
}

/// The members of an object, in their order.
pub(crate) struct Members<'a>(pub(crate) Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(name) = map.next_key::<Cow<'de, str>>()? {
                    members.push((name, map.next_value()?));
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Visitor).map(Members)
    }
}

/// The fields that decide where a request goes and what it costs.
const KNOWN: [&str; 17] = [
    "model",
    "messages",
    "system",
    "stream",
    "stream_options",
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "n",
    "best_of",
    "prompt",
    "tools",
    "input",
    "service_tier",
    "contents",
    "generationConfig",
    "inferenceConfig",
];

/// Refuses fields whose names are ours but for the case of their letters: some servers take `Model` for `model`, and the
/// last of the two wins.
fn look_alikes(body: &[u8]) -> Result<(), ClientError> {
    struct Keys;
    impl<'de> Visitor<'de> for Keys {
        type Value = Option<String>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut found = None;
            while let Some(key) = map.next_key::<Cow<'de, str>>()? {
                map.next_value::<IgnoredAny>()?;
                if KNOWN.iter().any(|known| *known != key && known.eq_ignore_ascii_case(&key)) {
                    found = Some(key.into_owned());
                }
            }
            Ok(found)
        }
    }
    let found = serde_json::Deserializer::from_slice(body).deserialize_map(Keys);
    match found.map_err(|error| invalid_json(&error))? {
        None => Ok(()),
        Some(field) => {
            let right = field.to_ascii_lowercase();
            Err(wrong_type(&field, &format!("is no field of this API; did you mean {right}?")))
        }
    }
}

/// Reads a body that must be a JSON object. (serde alone would take a list of the fields' values as well.)
pub(crate) fn object<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, ClientError> {
    must_be_object(body)?;
    serde_json::from_slice(body).map_err(|error| invalid_json(&error))
}

/// Refuses what cannot be a JSON object by its first byte.
pub(crate) fn must_be_object(body: &[u8]) -> Result<(), ClientError> {
    match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{') => Ok(()),
        Some(_) => Err(ClientError::new(
            ErrorKind::InvalidRequest,
            "invalid_json",
            "the body is not valid: a JSON object is needed, line 1 column 1",
        )),
        None => Err(ClientError::new(
            ErrorKind::InvalidRequest,
            "invalid_json",
            "the body is empty: a JSON object is needed",
        )),
    }
}

/// The error for bytes that are not the JSON they should be, saying where.
pub(crate) fn invalid_json(error: &serde_json::Error) -> ClientError {
    // serde_json ends its text with " at line L column C" already.
    ClientError::new(ErrorKind::InvalidRequest, "invalid_json", format!("the body is not valid: {error}"))
}

fn wrong_type(field: &str, message: &str) -> ClientError {
    ClientError::new(ErrorKind::InvalidRequest, "invalid_type", format!("{field} {message}"))
        .with_param(field)
}

fn string<'a>(raw: &'a str, field: &str) -> Result<Cow<'a, str>, ClientError> {
    let plain = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match plain {
        Some(text) if !text.contains('\\') => Ok(Cow::Borrowed(text)),
        Some(_) => {
            serde_json::from_str(raw).map(Cow::Owned).map_err(|_| wrong_type(field, "must be a string"))
        }
        None => Err(wrong_type(field, "must be a string")),
    }
}

/// Where a borrowed value stands in the body it was borrowed from.
fn span(body: &[u8], raw: &RawValue) -> Option<Range<usize>> {
    let start = (raw.get().as_ptr() as usize).checked_sub(body.as_ptr() as usize)?;
    let end = start.checked_add(raw.get().len())?;
    (end <= body.len()).then_some(start..end)
}

#[cfg(test)]
mod tests;
