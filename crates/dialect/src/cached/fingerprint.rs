//! Which requests ask for the same.

use crate::Operation;
use crate::layout::Layout;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Number;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::fmt;

/// The largest body that is looked at, in bytes. Longer ones are hardly ever sent twice, and cost as much as their length.
const BODY_BYTES: usize = 1 << 20;
/// The longest question that is shown, in bytes: sentence models read no more of one.
const QUESTION_BYTES: usize = 2_000;

/// Up to here every whole number has a form of its own among those of 64 bits with a point.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Fields that shape no answer: how it is delivered, who asks, and what is billed.
const WITHOUT_EFFECT: &[&str] = &[
    "stream",
    "stream_options",
    "user",
    "metadata",
    "store",
    "service_tier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "labels",
    "requestMetadata",
];

/// Fields below which the order of an object's fields is what a model reads.
const ORDERED: &[&str] = &[
    "tools",
    "functions",
    "response_format",
    "output_config",
    "output_format",
    "input",
    "arguments",
    "parameters",
    "text",
    "toolConfig",
    "args",
    "responseSchema",
    "response_schema",
    "responseJsonSchema",
    "outputConfig",
];

/// Fields of the Responses API that refer to what the provider has kept.
const STATE: &[&str] = &["previous_response_id", "conversation", "prompt"];

/// What tells a request from others, but for who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// SHA-256 of all that shapes the answer.
    pub digest: [u8; 32],
    /// SHA-256 of the same without the question.
    pub context: [u8; 32],
    /// The text of the last message, if a user says it and it is nothing but text.
    pub question: Option<String>,
    /// Whether the model is to give the same answer each time, as far as it can: its temperature is 0, and one answer is asked for.
    pub deterministic: bool,
    /// Whether the model may call tools.
    pub tools: bool,
}

/// Reads the fingerprint of a request. `outside`: what shapes the answer and stands beside the body, such as the version of the
/// API. `None` for what is no JSON object, is too large, or has a field twice, which two readers may understand differently.
pub fn fingerprint(operation: Operation, body: &[u8], outside: &[(&str, &str)]) -> Option<Fingerprint> {
    if body.len() > BODY_BYTES {
        return None;
    }
    let Json::Object(mut fields) = serde_json::from_slice::<Json<'_>>(body).ok()? else { return None };
    let layout = Layout::of(operation.dialect()?);
    if operation == Operation::Responses && needs_state(&fields) {
        return None;
    }
    fields.retain(|(name, _)| !WITHOUT_EFFECT.contains(&name.as_ref()));
    let settings = layout.settings.iter().find_map(|name| match find(&fields, name) {
        Some(Json::Object(settings)) => Some(settings),
        _ => None,
    });
    let settings = settings.unwrap_or(&fields);
    let temperature = find(settings, "temperature").and_then(Json::as_f64);
    let choices = layout.choices.iter().find_map(|name| find(settings, name)).map_or(Some(1.0), Json::as_f64);
    let tools = layout.tools.iter().any(|name| find(&fields, name).is_some_and(Json::is_full));
    let mut writer = Writer(Sha256::new());
    writer.text(operation.as_str());
    for (name, value) in outside {
        writer.text(name);
        writer.text(value);
    }
    let question = take_question(layout, &mut fields);
    fields.sort_by(|(one, _), (other, _)| one.cmp(other));
    writer.object(&fields, false)?;
    let context = writer.0.clone().finalize();
    if let Some(question) = &question {
        writer.text(question);
    }
    Some(Fingerprint {
        digest: writer.0.finalize().into(),
        context: context.into(),
        question: question.filter(|question| question.len() <= QUESTION_BYTES).map(Cow::into_owned),
        deterministic: temperature == Some(0.0) && choices == Some(1.0),
        tools,
    })
}

/// Whether an answer depends on what the provider has kept, or is kept there to be named by a later request: an answer from the cache
/// has an id that the provider does not know. It keeps answers unless it is told not to.
fn needs_state(fields: &[Field<'_>]) -> bool {
    let kept = !matches!(find(fields, "store"), Some(Json::Bool(false)));
    kept || STATE.iter().any(|name| find(fields, name).is_some_and(|value| !matches!(value, Json::Null)))
}

/// Takes the text out of the last message, where it is a user's and only text.
fn take_question<'a>(layout: &Layout, fields: &mut [Field<'a>]) -> Option<Cow<'a, str>> {
    let (_, turns) = fields.iter_mut().find(|(name, _)| name == layout.turns)?;
    let turns = match turns {
        Json::Text(text) if layout.turns_may_be_text => return Some(std::mem::take(text)),
        Json::List(turns) => turns,
        _ => return None,
    };
    let Some(Json::Object(turn)) = turns.last_mut() else { return None };
    if find(turn, "role").and_then(Json::as_str) != Some("user") {
        return None;
    }
    let (_, parts) = turn.iter_mut().find(|(name, _)| name == layout.parts)?;
    match parts {
        Json::Text(text) => Some(std::mem::take(text)),
        Json::List(parts) => match parts.as_mut_slice() {
            [Json::Object(part)] => only_text(part),
            _ => None,
        },
        _ => None,
    }
}

/// The text of a part that is nothing else. Gemini and Converse have no `type`; what else they say of a part is another field.
fn only_text<'a>(part: &mut [Field<'a>]) -> Option<Cow<'a, str>> {
    match find(part, "type").map(Json::as_str) {
        Some(Some("text" | "input_text")) => {}
        None if part.len() == 1 => {}
        _ => return None,
    }
    let (_, Json::Text(text)) = part.iter_mut().find(|(name, _)| name == "text")? else { return None };
    Some(std::mem::take(text))
}

type Field<'a> = (Cow<'a, str>, Json<'a>);

fn find<'f, 'a>(fields: &'f [Field<'a>], name: &str) -> Option<&'f Json<'a>> {
    fields.iter().find(|(field, _)| field == name).map(|(_, value)| value)
}

/// JSON as it stands, with every field of an object in its place.
#[derive(Debug)]
enum Json<'a> {
    Null,
    Bool(bool),
    Number(Number),
    Text(Cow<'a, str>),
    List(Vec<Json<'a>>),
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

impl Json<'_> {
    fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Number(number) => number.as_f64(),
            _ => None,
        }
    }

    fn is_full(&self) -> bool {
        match self {
            Self::List(items) => !items.is_empty(),
            Self::Object(fields) => !fields.is_empty(),
            _ => false,
        }
    }
}

/// Writes JSON so that equal values are equal bytes, and others are not: each has its kind and its length before it.
struct Writer(Sha256);

impl Writer {
    fn head(&mut self, kind: u8, length: usize) {
        self.0.update([kind]);
        self.0.update((length as u64).to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.head(b's', text.len());
        self.0.update(text.as_bytes());
    }

    fn value(&mut self, value: &Json<'_>, ordered: bool) -> Option<()> {
        match value {
            Json::Null => self.head(b'0', 0),
            Json::Bool(value) => self.head(b'b', usize::from(*value)),
            Json::Number(number) => {
                let text = number.to_string();
                self.head(b'n', text.len());
                self.0.update(text.as_bytes());
            }
            Json::Text(text) => self.text(text),
            Json::List(items) => {
                self.head(b'l', items.len());
                for item in items {
                    self.value(item, ordered)?;
                }
            }
            Json::Object(fields) => self.object(fields, ordered)?,
        }
        Some(())
    }

    /// `ordered`: the order of fields means something.
    fn object(&mut self, fields: &[(Cow<'_, str>, Json<'_>)], ordered: bool) -> Option<()> {
        let mut sorted: Vec<&(Cow<'_, str>, Json<'_>)> = fields.iter().collect();
        sorted.sort_by(|(one, _), (other, _)| one.cmp(other));
        let twice = sorted.iter().zip(sorted.iter().skip(1)).any(|((one, _), (other, _))| one == other);
        if twice {
            return None;
        }
        self.head(b'o', fields.len());
        for (name, value) in if ordered { fields.iter().collect() } else { sorted } {
            self.text(name);
            self.value(value, ordered || ORDERED.contains(&name.as_ref()))?;
        }
        Some(())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Json<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct JsonVisitor;
        impl<'de> Visitor<'de> for JsonVisitor {
            type Value = Json<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }
            fn visit_unit<E>(self) -> Result<Json<'de>, E> {
                Ok(Json::Null)
            }
            fn visit_bool<E>(self, value: bool) -> Result<Json<'de>, E> {
                Ok(Json::Bool(value))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Json<'de>, E> {
                Ok(Json::Number(value.into()))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Json<'de>, E> {
                Ok(Json::Number(value.into()))
            }
            fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Json<'de>, E> {
                // A whole number of more digits has lost some of them here.
                if value.abs() >= EXACT {
                    return Err(E::custom("a number is too large to be told from its neighbours"));
                }
                Ok(Number::from_f64(value).map_or(Json::Null, Json::Number))
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Json<'de>, E> {
                Ok(Json::Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Json<'de>, E> {
                Ok(Json::Text(Cow::Owned(text.to_owned())))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json<'de>, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Json::List(items))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some(Name(name)) = map.next_key()? {
                    fields.push((name, map.next_value()?));
                }
                Ok(Json::Object(fields))
            }
        }
        deserializer.deserialize_any(JsonVisitor)
    }
}

/// The name of a field, borrowed where it has no escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
