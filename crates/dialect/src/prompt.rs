//! The text of a request, whatever its dialect, borrowed from the body.
//!
//! Every string that a model may read is listed, also those in places that this code has never heard of: a
//! guard that looked only into the fields it knows could be passed by the next one that a vendor adds.
//! What a model does not read as text (identifiers, image data, addresses) is left out.

use crate::Dialect;
use crate::error::{ClientError, ErrorKind};
use crate::head::{invalid_json, must_be_object, object};
use crate::layout::Layout;
use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// The prompt of one request.
#[derive(Debug, Default)]
pub struct Prompt<'a> {
    /// The messages in order; a separate `system` field stands first, as a message of that role.
    pub messages: Vec<Message<'a>>,
    /// The definitions of tools, as JSON text.
    pub tools: Option<&'a str>,
    /// The schema that the answer must have, as JSON text.
    pub response_format: Option<&'a str>,
    /// Every text of the request that stands in no message: definitions of tools, schemas, and whatever a vendor adds.
    pub rest: Message<'a>,
}

/// One message.
#[derive(Debug, Default)]
pub struct Message<'a> {
    /// Who speaks; empty if the message does not say.
    pub role: Cow<'a, str>,
    /// The speaker's name, if one is given.
    pub name: Option<Cow<'a, str>>,
    /// Every text in the message, in order: its content, calls of tools, their results.
    pub texts: Vec<Cow<'a, str>>,
    /// Which of them are its content proper: what a model reads one after another.
    pub spoken: Vec<usize>,
    /// How many calls of tools the message makes.
    pub tool_calls: usize,
    /// Images, each with whether only a coarse look was asked for.
    pub images: Vec<ImageDetail>,
    /// Bytes of files that stand in the message, such as PDFs.
    pub file_bytes: u64,
    /// Bytes of sound that stand in the message.
    pub sound_bytes: u64,
    /// Files that are only named, by an address or an id.
    pub named_files: usize,
}

/// How closely a model is to look at an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageDetail {
    /// A thumbnail.
    Low,
    /// The image itself, or left to the provider.
    High,
}

/// Reads the prompt of a chat in this dialect.
///
/// # Errors
/// [`ErrorKind::InvalidRequest`], with line and column, if the body is not what the API asks for.
pub fn read(dialect: Dialect, body: &[u8]) -> Result<Prompt<'_>, ClientError> {
    let layout = Layout::of(dialect);
    must_be_object(body)?;
    let mut json = serde_json::Deserializer::from_slice(body);
    let fields = Fields::read(layout, &mut json);
    let fields =
        fields.and_then(|fields| json.end().map(|()| fields)).map_err(|error| invalid_json(&error))?;
    let mut prompt = Prompt {
        messages: Vec::new(),
        tools: fields.tools,
        response_format: fields.response_format,
        rest: fields.rest,
    };
    if let Some(mut system) = fields.system {
        system.role = Cow::Borrowed("system");
        prompt.messages.push(system);
    }
    match fields.messages {
        Some(messages) => prompt.messages.extend(messages),
        None => {
            let turns = layout.turns;
            let message = format!("{turns} is missing: a list of messages is needed");
            return Err(
                ClientError::new(ErrorKind::InvalidRequest, "missing_field", message).with_param(turns)
            );
        }
    }
    Ok(prompt)
}

/// Reads the prompt of a request that asks only how many tokens it has: that of a chat, which Gemini's may have in an object of its own.
///
/// # Errors
/// As [`read`].
pub fn read_counted(dialect: Dialect, body: &[u8]) -> Result<Prompt<'_>, ClientError> {
    #[derive(Deserialize)]
    struct Nested<'a> {
        #[serde(borrow, default, rename = "generateContentRequest", alias = "generate_content_request")]
        request: Option<&'a RawValue>,
    }
    let nested = match dialect {
        Dialect::Gemini => object::<Nested<'_>>(body)?.request.filter(|request| request.get() != "null"),
        _ => None,
    };
    read(dialect, nested.map_or(body, |request| request.get().as_bytes()))
}

/// Reads the texts that a model reads of a request in OpenAI's older API for completions: the prompts, and what is to come after
/// them. Prompts may also be numbers of tokens, which are no texts.
///
/// # Errors
/// As [`read_any`].
pub fn read_completion(body: &[u8]) -> Result<Vec<Cow<'_, str>>, ClientError> {
    #[derive(Deserialize)]
    struct Fields<'a> {
        #[serde(borrow, default)]
        prompt: Option<&'a RawValue>,
        #[serde(borrow, default)]
        suffix: Option<&'a RawValue>,
    }
    let fields: Fields<'_> = object(body)?;
    let mut message = Message::default();
    for raw in [fields.prompt, fields.suffix].into_iter().flatten() {
        let collect = Collect { into: &mut message, key: "", keys_are_text: false };
        let read = collect.deserialize(&mut serde_json::Deserializer::from_str(raw.get()));
        read.map_err(|error| invalid_json(&error))?;
    }
    Ok(message.texts)
}

/// Reads the text of any other JSON request as one message without a role: every string of it.
///
/// # Errors
/// [`ErrorKind::InvalidRequest`] if the body is no JSON. Matching its bytes instead would miss what escapes or another
/// encoding hide from us and not from the provider.
pub fn read_any(body: &[u8]) -> Result<Prompt<'_>, ClientError> {
    let mut message = Message::default();
    let mut json = serde_json::Deserializer::from_slice(body);
    Collect { into: &mut message, key: "", keys_are_text: false }
        .deserialize(&mut json)
        .and_then(|()| json.end())
        .map_err(|error| invalid_json(&error))?;
    Ok(Prompt { messages: vec![message], ..Prompt::default() })
}

impl<'a> Prompt<'a> {
    /// The texts of a request that is no JSON, as one message without a role.
    pub fn of_texts(texts: Vec<Cow<'a, str>>) -> Self {
        Self { messages: vec![Message { texts, ..Message::default() }], ..Self::default() }
    }
}

#[derive(Default)]
struct Fields<'a> {
    messages: Option<Vec<Message<'a>>>,
    system: Option<Message<'a>>,
    tools: Option<&'a str>,
    response_format: Option<&'a str>,
    rest: Message<'a>,
}

impl<'a> Fields<'a> {
    fn read<D: Deserializer<'a>>(layout: &'static Layout, json: D) -> Result<Self, D::Error> {
        struct FieldsVisitor(&'static Layout);
        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Fields<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let Self(layout) = self;
                let mut fields = Fields::default();
                while let Some(Text(key)) = map.next_key()? {
                    match key.as_ref() {
                        turns if turns == layout.turns => {
                            if fields.messages.is_some() {
                                return Err(de::Error::duplicate_field(layout.turns));
                            }
                            fields.messages = map.next_value_seed(Messages(layout))?;
                        }
                        system if layout.system.contains(&system) => {
                            if fields.system.is_some() {
                                return Err(de::Error::duplicate_field("system"));
                            }
                            let mut message = Message::default();
                            map.next_value_seed(Collect::content(&mut message))?;
                            fields.system = (!message.texts.is_empty()).then_some(message);
                        }
                        "model" => {
                            map.next_value::<IgnoredAny>()?;
                        }
                        tools if layout.tools.contains(&tools) => {
                            let tools = fields.raw(map.next_value()?);
                            fields.tools = fields.tools.or(tools);
                        }
                        format if format == layout.format => {
                            fields.response_format = fields.raw(map.next_value()?);
                        }
                        _ => map.next_value_seed(Collect {
                            into: &mut fields.rest,
                            key: &key,
                            keys_are_text: false,
                        })?,
                    }
                }
                Ok(fields)
            }
        }
        json.deserialize_map(FieldsVisitor(layout))
    }

    /// Keeps the JSON, whose structure is counted, and lists its texts.
    fn raw(&mut self, raw: &'a RawValue) -> Option<&'a str> {
        let collect = Collect { into: &mut self.rest, key: "", keys_are_text: true };
        // What was parsed once parses again.
        let _ = collect.deserialize(&mut serde_json::Deserializer::from_str(raw.get()));
        (raw.get() != "null").then_some(raw.get())
    }
}

/// The most messages of one request, as Anthropic limits them: each takes memory that a wasm VM never gives back.
const MESSAGES: usize = 100_000;

/// The turns of a conversation; nothing in place of a `null`.
struct Messages(&'static Layout);

impl<'de> DeserializeSeed<'de> for Messages {
    type Value = Option<Vec<Message<'de>>>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Messages {
    type Value = Option<Vec<Message<'de>>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of messages")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        self.text(Cow::Borrowed(text))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        self.text(Cow::Owned(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut messages = Vec::new();
        while let Some(message) = seq.next_element()? {
            if messages.len() == MESSAGES {
                return Err(de::Error::custom(format_args!("more than {MESSAGES} messages")));
            }
            messages.push(message);
        }
        Ok(Some(messages))
    }
}

impl Messages {
    fn text<'de, E: de::Error>(self, text: Cow<'de, str>) -> Result<Option<Vec<Message<'de>>>, E> {
        if !self.0.turns_may_be_text {
            return Err(E::invalid_type(de::Unexpected::Str(&text), &self));
        }
        let role = Cow::Borrowed("user");
        Ok(Some(vec![Message { role, texts: vec![text], spoken: vec![0], ..Message::default() }]))
    }
}

/// A string borrowed from the input where it holds no escapes.
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Message<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MessageVisitor;
        impl<'de> Visitor<'de> for MessageVisitor {
            type Value = Message<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a message, which is an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut message = Message::default();
                let mut role_seen = false;
                while let Some(Text(key)) = map.next_key()? {
                    match key.as_ref() {
                        "role" if role_seen => return Err(de::Error::duplicate_field("role")),
                        "role" => {
                            message.role = map.next_value::<Text<'de>>()?.0;
                            role_seen = true;
                        }
                        "name" => message.name = map.next_value::<Option<Text<'de>>>()?.map(|text| text.0),
                        _ => map.next_value_seed(Collect {
                            into: &mut message,
                            key: &key,
                            keys_are_text: false,
                        })?,
                    }
                }
                Ok(message)
            }
        }
        deserializer.deserialize_map(MessageVisitor)
    }
}

/// Keys whose strings no model reads as text.
fn is_reference(key: &str) -> bool {
    matches!(
        key,
        "type"
            | "id"
            | "tool_call_id"
            | "tool_use_id"
            | "call_id"
            | "index"
            | "url"
            | "file_id"
            | "file_data"
            | "media_type"
            | "format"
            | "signature"
            | "encrypted_content"
            | "redactedContent"
            | "thoughtSignature"
            | "thought_signature"
            | "cache_control"
            | "toolUseId"
            | "mimeType"
            | "mime_type"
            | "uri"
            | "fileUri"
            | "file_uri"
            | "file_url"
            | "bytes"
            | "detail"
    )
}

/// How many bytes stand in a text of base64.
fn decoded(text: &str) -> u64 {
    (text.len() / 4 * 3) as u64
}

/// Collects every text below one JSON value.
struct Collect<'m, 'de, 'k> {
    into: &'m mut Message<'de>,
    /// The key under which the value stands.
    key: &'k str,
    /// Whether the keys below are part of the text too: the arguments of a tool call are.
    keys_are_text: bool,
}

impl<'de> DeserializeSeed<'de> for Collect<'_, 'de, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'m, 'de> Collect<'m, 'de, 'static> {
    /// The content of a message.
    fn content(into: &'m mut Message<'de>) -> Self {
        Self { into, key: "content", keys_are_text: false }
    }
}

impl<'de> Collect<'_, 'de, '_> {
    fn text(self, text: Cow<'de, str>) {
        if self.key == "detail"
            && text == "low"
            && let Some(image) = self.into.images.last_mut()
        {
            *image = ImageDetail::Low;
        }
        if !self.keys_are_text {
            match self.key {
                "file_data" | "bytes" => self.into.file_bytes += decoded(&text),
                "file_id" | "file_url" | "fileUri" | "file_uri" | "uri" => self.into.named_files += 1,
                // The Responses API has the address itself where chats have an object.
                "image_url" => return self.into.images.push(ImageDetail::High),
                _ => {}
            }
        }
        if self.keys_are_text || !is_reference(self.key) {
            if matches!(self.key, "content" | "text" | "input_text") {
                self.into.spoken.push(self.into.texts.len());
            }
            self.into.texts.push(text);
        }
    }
}

impl<'de> Visitor<'de> for Collect<'_, 'de, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, a list or an object")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<(), E> {
        self.text(Cow::Borrowed(text));
        Ok(())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<(), E> {
        self.text(Cow::Owned(text.to_owned()));
        Ok(())
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Self { into, key, keys_are_text } = self;
        while seq.next_element_seed(Collect { into: &mut *into, key, keys_are_text })?.is_some() {
            if key == "tool_calls" {
                into.tool_calls += 1;
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { into, key: parent, keys_are_text } = self;
        // The data of an image or a file is text only where the object says so, and may stand before the
        // field that says it.
        let mut data: Option<Cow<'de, str>> = None;
        let mut is_text = false;
        let mut is_image = false;
        let mut is_sound = parent == "input_audio";
        let files = (into.file_bytes, into.named_files);
        if !keys_are_text {
            match parent {
                "image_url" => into.images.push(ImageDetail::High),
                "image" => {
                    is_image = true;
                    into.images.push(ImageDetail::High);
                }
                "toolUse" | "functionCall" | "function_call" => into.tool_calls += 1,
                _ => {}
            }
        }
        while let Some(Text(key)) = map.next_key()? {
            if keys_are_text {
                into.texts.push(key.clone());
            }
            match key.as_ref() {
                "type" if !keys_are_text => {
                    let raw = map.next_value::<&'de RawValue>()?.get();
                    let Ok(Text(kind)) = serde_json::from_str(raw) else {
                        // In a schema it may be a list, or a property of that name.
                        let collect = Collect { into: &mut *into, key: "", keys_are_text };
                        let nested = collect.deserialize(&mut serde_json::Deserializer::from_str(raw));
                        nested.map_err(de::Error::custom)?;
                        continue;
                    };
                    is_text |= kind == "text";
                    match kind.as_ref() {
                        "tool_use" => into.tool_calls += 1,
                        "image" => {
                            is_image = true;
                            into.images.push(ImageDetail::High);
                        }
                        "url" if parent == "source" => into.named_files += 1,
                        _ => {}
                    }
                }
                "mimeType" | "mime_type" if !keys_are_text => {
                    let kind = map.next_value::<MaybeText<'de>>()?.0.unwrap_or_default();
                    is_sound |= kind.starts_with("audio/");
                    if kind.starts_with("image/") {
                        is_image = true;
                        into.images.push(ImageDetail::High);
                    }
                }
                "data" if !keys_are_text => {
                    if let MaybeText(Some(text)) = map.next_value::<MaybeText<'de>>()? {
                        data = Some(text)
                    }
                }
                _ => map.next_value_seed(Collect {
                    into: &mut *into,
                    key: &key,
                    keys_are_text: keys_are_text || matches!(key.as_ref(), "input" | "arguments" | "args"),
                })?,
            }
        }
        match data {
            Some(text) if is_text => into.texts.push(text),
            Some(text) if is_sound => into.sound_bytes += decoded(&text),
            Some(text) => into.file_bytes += decoded(&text),
            None => {}
        }
        if is_image {
            // What stands in an image is counted as an image.
            (into.file_bytes, into.named_files) = files;
        }
        Ok(())
    }
}

/// A string, or anything else, which is passed over.
struct MaybeText<'a>(Option<Cow<'a, str>>);

impl<'de: 'a, 'a> Deserialize<'de> for MaybeText<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'de RawValue>::deserialize(deserializer)?.get();
        if raw.starts_with('"') {
            serde_json::from_str::<Text<'de>>(raw).map(|text| Self(Some(text.0))).map_err(de::Error::custom)
        } else {
            serde_json::from_str::<IgnoredAny>(raw).map(|_| Self(None)).map_err(de::Error::custom)
        }
    }
}

#[cfg(test)]
mod tests;
