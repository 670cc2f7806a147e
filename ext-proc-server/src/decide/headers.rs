//! The request as Envoy shows it to decide: headers that the filters have set.

use crate::cache::Control;
use crate::policy::Question;
use envoy_types::pb::envoy::config::core::v3::HeaderValue;
use envoy_types::pb::envoy::service::ext_proc::v3::HttpHeaders;
use std::borrow::Cow;
use weirgate_contract::handover::Asked;
use weirgate_contract::request_header as header;
use weirgate_dialect::{Dialect, Operation};

/// Envoy sends values as bytes, older ones as text.
fn value(header: &HeaderValue) -> Cow<'_, str> {
    let bytes = if header.raw_value.is_empty() { header.value.as_bytes() } else { &header.raw_value };
    String::from_utf8_lossy(bytes)
}

/// The value of one header.
pub(crate) fn find<'a>(headers: &'a HttpHeaders, name: &str) -> Option<Cow<'a, str>> {
    headers.headers.iter().flat_map(|map| &map.headers).find(|header| header.key == name).map(value)
}

/// The headers that decide reads.
#[derive(Debug, Default)]
pub(super) struct Headers {
    /// The claims of a token that Envoy has checked.
    pub(super) claims: Option<serde_json::Value>,
    method: Option<String>,
    pub(super) id: Option<String>,
    dialect: Option<String>,
    operation: Option<String>,
    model: Option<String>,
    provider: Option<String>,
    key_digest: Option<String>,
    input_tokens: Option<String>,
    max_tokens: Option<String>,
    choices: Option<String>,
    tier: Option<String>,
    stream: Option<String>,
    source: Option<String>,
    end_user: Option<String>,
    tags: Option<String>,
    unsupported_fields: Option<String>,
    pub(super) probe: Option<String>,
    pub(super) chain: Option<String>,
    asked: Option<String>,
    foreign: Option<String>,
    cache_control: Option<String>,
    pub(super) request_id: Option<String>,
}

impl Headers {
    pub(super) fn read(headers: &HttpHeaders) -> Self {
        let mut read = Self::default();
        for entry in headers.headers.iter().flat_map(|map| &map.headers) {
            let field = match entry.key.as_str() {
                ":method" => &mut read.method,
                header::ID => &mut read.id,
                header::DIALECT => &mut read.dialect,
                header::OPERATION => &mut read.operation,
                header::MODEL => &mut read.model,
                header::PROVIDER => &mut read.provider,
                header::KEY_DIGEST => &mut read.key_digest,
                header::INPUT_TOKENS => &mut read.input_tokens,
                header::MAX_TOKENS => &mut read.max_tokens,
                header::CHOICES => &mut read.choices,
                header::TIER => &mut read.tier,
                header::STREAM => &mut read.stream,
                header::SOURCE => &mut read.source,
                header::END_USER => &mut read.end_user,
                header::TAGS => &mut read.tags,
                header::UNSUPPORTED_FIELDS => &mut read.unsupported_fields,
                header::PROBE => &mut read.probe,
                header::CHAIN => &mut read.chain,
                header::ASKED => &mut read.asked,
                header::FOREIGN => &mut read.foreign,
                header::CACHE_CONTROL => &mut read.cache_control,
                header::REQUEST_ID => &mut read.request_id,
                _ => continue,
            };
            *field = Some(value(entry).into_owned());
        }
        read
    }

    /// What is asked for, where answers are cached and this one can be.
    pub(super) fn asked(&self) -> Option<Asked> {
        serde_json::from_str(self.asked.as_deref()?).ok()
    }

    /// What the client wants of the cache.
    pub(super) fn cache_control(&self) -> Control {
        Control::parse(self.cache_control.as_deref().unwrap_or_default())
    }

    /// Tokens counted in the prompt.
    pub(super) fn tokens(&self) -> Option<u64> {
        self.input_tokens.as_deref()?.parse().ok()
    }

    pub(super) fn question(&self) -> Question {
        let number = |text: &Option<String>| text.as_deref().and_then(|text| text.parse().ok());
        let operation = self.operation.as_deref().and_then(Operation::parse);
        let operation = operation.unwrap_or(Operation::Passthrough);
        Question {
            dialect: self.dialect.as_deref().and_then(Dialect::parse).unwrap_or(Dialect::OpenAi),
            operation,
            // A websocket begins with a GET, and may do anything.
            changes: operation == Operation::Realtime
                || !matches!(self.method.as_deref(), Some("GET" | "HEAD" | "OPTIONS" | "DELETE")),
            stream: self.stream.is_some(),
            foreign: self.foreign.is_some(),
            claims: self.claims.clone(),
            source: self.source.as_deref().and_then(|source| source.parse().ok()),
            end_user: self.end_user.clone().unwrap_or_default(),
            tags: self
                .tags
                .iter()
                .flat_map(|tags| tags.split(','))
                .map(|tag| tag.trim().to_owned())
                .filter(|tag| !tag.is_empty())
                .collect(),
            tier: self.tier.clone().unwrap_or_default(),
            unsupported_fields: self.unsupported_fields.clone().unwrap_or_default(),
            model: self.model.clone().unwrap_or_default(),
            provider: self.provider.clone(),
            key_digest: self.key_digest.as_deref().and_then(crate::config::hex_digest),
            // Who only asks how many there are uses none.
            input_tokens: self.tokens().filter(|_| operation != Operation::CountTokens).unwrap_or(0),
            max_tokens: number(&self.max_tokens),
            choices: number(&self.choices).unwrap_or(1),
        }
    }
}
