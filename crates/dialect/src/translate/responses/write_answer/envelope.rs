//! What stands around the items.

use super::items::Item;
use crate::translate::AnswerOptions;
use crate::translate::neutral::{Text, Used};
use crate::translate::raw::{self, Object, write_list};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Fields that a whole answer has.
const FIELDS: [&str; 30] = [
    "id",
    "object",
    "created_at",
    "status",
    "background",
    "error",
    "incomplete_details",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "model",
    "output",
    "output_text",
    "parallel_tool_calls",
    "previous_response_id",
    "prompt_cache_key",
    "reasoning",
    "safety_identifier",
    "service_tier",
    "store",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
    "usage",
    "user",
];

/// What repeats what was asked for. Clients read some of it, and need each to be there; what was asked for they know.
const ASKED: &str = concat!(
    r#","background":false,"instructions":null,"max_output_tokens":null,"metadata":{},"parallel_tool_calls":true,"#,
    r#""previous_response_id":null,"reasoning":{"effort":null,"summary":null},"store":false,"temperature":null,"#,
    r#""text":{"format":{"type":"text"}},"tool_choice":"auto","tools":[],"top_p":null,"truncation":"disabled","user":null"#,
);

/// The longest id of an answer that the ids of its items repeat.
const LONGEST_STEM: usize = 64;

/// What the answer is called, and what it has used.
#[derive(Debug)]
pub(super) struct Head {
    id: Vec<u8>,
    model: Vec<u8>,
    /// The name for the client to read. Empty: the provider's.
    own_model: String,
    created: u64,
    stem: String,
    tier: Option<String>,
    /// As JSON; empty until there is some.
    usage: Vec<u8>,
    /// Fields that only the provider's dialect has, each with a comma before it.
    rest: Vec<u8>,
    has_rest: bool,
}

/// How far an answer has come.
#[derive(Debug)]
pub(super) enum Status {
    InProgress,
    Completed,
    Incomplete { reason: &'static str },
    Failed { status: u16, message: String },
}

impl Head {
    pub(super) fn new(options: &AnswerOptions) -> Self {
        Self {
            id: b"\"\"".to_vec(),
            model: b"\"\"".to_vec(),
            own_model: options.model.clone(),
            created: options.created,
            stem: String::new(),
            tier: None,
            usage: Vec::new(),
            rest: Vec::new(),
            has_rest: !options.is_stream(),
        }
    }

    pub(super) fn start(&mut self, id: Option<&Text<'_>>, model: Option<&Text<'_>>, mut rest: Object<'_>) {
        let id = id.map(|id| id.decode().into_owned()).unwrap_or_default();
        self.stem = stem(&id);
        self.id.clear();
        raw::write_string(&mut self.id, &id);
        self.model.clear();
        match model {
            Some(model) if self.own_model.is_empty() => model.write(&mut self.model),
            _ => raw::write_string(&mut self.model, &self.own_model),
        }
        if self.has_rest {
            rest.remove(&FIELDS);
            rest.write_rest(&mut self.rest);
        }
    }

    /// What the ids of the items have in common.
    pub(super) fn stem(&self) -> &str {
        &self.stem
    }

    pub(super) fn tier(&mut self, tier: &Text<'_>) {
        let tier = tier.decode();
        self.tier = Some(if tier == "standard" { "default".to_owned() } else { tier.into_owned() });
    }

    pub(super) fn usage(&mut self, used: Used<'_>) {
        self.usage.clear();
        write_usage(&mut self.usage, used);
    }

    /// Writes the whole answer.
    pub(super) fn write(&self, status: &Status, items: &[Item], out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"id":"#);
        out.extend_from_slice(&self.id);
        out.extend_from_slice(format!(r#","object":"response","created_at":{}"#, self.created).as_bytes());
        out.push(b',');
        raw::write_field(out, "status", status.word());
        status.write_details(out);
        out.extend_from_slice(br#","model":"#);
        out.extend_from_slice(&self.model);
        out.extend_from_slice(br#","output":"#);
        write_list(out, items, |out, item| item.write(out));
        out.extend_from_slice(ASKED.as_bytes());
        if let Some(tier) = &self.tier {
            out.push(b',');
            raw::write_field(out, "service_tier", tier);
        }
        out.extend_from_slice(br#","usage":"#);
        let is_told = !self.usage.is_empty() && !matches!(status, Status::InProgress);
        out.extend_from_slice(if is_told { &self.usage } else { b"null" });
        out.extend_from_slice(&self.rest);
        out.push(b'}');
    }
}

impl Status {
    fn word(&self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Incomplete { .. } => "incomplete",
            Self::Failed { .. } => "failed",
        }
    }

    fn write_details(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(br#","error":"#);
        match self {
            Self::Failed { status, message } => {
                // The API has a list of codes, so that the provider's has no place here.
                let code = match status {
                    429 => "rate_limit_exceeded",
                    400..=499 => "invalid_prompt",
                    _ => "server_error",
                };
                out.push(b'{');
                raw::write_field(out, "code", code);
                out.push(b',');
                raw::write_field(out, "message", message);
                out.push(b'}');
            }
            _ => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(br#","incomplete_details":"#);
        match self {
            Self::Incomplete { reason } => {
                out.push(b'{');
                raw::write_field(out, "reason", reason);
                out.push(b'}');
            }
            _ => out.extend_from_slice(b"null"),
        }
    }
}

/// What of an answer's id the ids of its items repeat. Each event names one, and some providers put kilobytes into an id.
fn stem(id: &str) -> String {
    let id = id.strip_prefix("resp_").unwrap_or(id);
    let is_plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if is_plain && !id.is_empty() && id.len() <= LONGEST_STEM {
        return id.to_owned();
    }
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// OpenAI's totals hold their parts. What only the provider counts keeps its name.
fn write_usage(out: &mut Vec<u8>, used: Used<'_>) {
    let Used { tokens, cache_creation, mut rest, .. } = used;
    let (input, output) = (tokens.total_input(), tokens.total_output());
    let written = tokens.cache_write.saturating_add(tokens.cache_write_1h);
    let total = input.saturating_add(output);
    let counted = |name: &str, tokens: u64| match tokens {
        0 => String::new(),
        tokens => format!(r#","{name}":{tokens}"#),
    };
    let mut inputs = format!(r#""cached_tokens":{},"cache_write_tokens":{written}"#, tokens.cache_read);
    inputs += &counted("audio_tokens", tokens.audio_input);
    inputs += &counted("image_tokens", tokens.image_input);
    // For how long the written tokens are kept, which decides their price.
    if let Some(creation) = cache_creation {
        inputs += &format!(r#","cache_creation":{}"#, creation.get());
    }
    let mut outputs = format!(r#""reasoning_tokens":{}"#, tokens.reasoning);
    outputs += &counted("audio_tokens", tokens.audio_output);
    outputs += &counted("image_tokens", tokens.image_output);
    out.extend_from_slice(
        format!(
            r#"{{"input_tokens":{input},"input_tokens_details":{{{inputs}}},"output_tokens":{output},"output_tokens_details":{{{outputs}}},"total_tokens":{total}"#
        )
        .as_bytes(),
    );
    rest.remove(&[
        "input_tokens",
        "input_tokens_details",
        "output_tokens",
        "output_tokens_details",
        "total_tokens",
    ]);
    rest.write_rest(out);
    out.push(b'}');
}
