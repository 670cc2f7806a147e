//! What a test may ask of the mock, by the header `x-mock` or by a script.

use std::fmt;
use std::time::Duration;

use hyper::header::{HeaderName, HeaderValue};
use serde_json::{Map, Value};

/// The request header that steers a single request: `key=value; key; key=value`.
pub const HEADER: &str = "x-mock";

/// A wish that the mock does not understand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SteeringError {
    wish: String,
}

impl fmt::Display for SteeringError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mock: steering not understood: {}", self.wish)
    }
}

impl std::error::Error for SteeringError {}

/// A tool call to answer with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolWish {
    /// The tool.
    pub name: String,
    /// Its arguments, JSON text; not checked, so that broken arguments can be tested too.
    pub arguments: String,
}

/// How one request is to be answered; the default is a plain good answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Steering {
    /// `status=503`: an error in the envelope of the path's dialect.
    pub status: Option<u16>,
    /// `html-error`: the error is an HTML page, as a proxy in between would send.
    pub html_error: bool,
    /// `retry-after=2`: that header.
    pub retry_after: Option<String>,
    /// `header=name:value`: more response headers; repeatable.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// `latency-ms=100`: wait before the headers.
    pub latency: Option<Duration>,
    /// `chunk-bytes=1`: bytes a write, across event boundaries.
    pub chunk_bytes: Option<usize>,
    /// `chunk-delay-ms=5`: pause between writes.
    pub chunk_delay: Option<Duration>,
    /// `gzip`: `content-encoding: gzip`, whatever the client accepts.
    pub gzip: bool,
    /// `no-usage`: leave out every usage block.
    pub no_usage: bool,
    /// `stall`: never answer.
    pub stall: bool,
    /// `stall-after=N`: send nothing after N events.
    pub stall_after: Option<usize>,
    /// `cut`: close the connection instead of answering.
    pub cut: bool,
    /// `cut-after=N`: close the connection after N events.
    pub cut_after: Option<usize>,
    /// `error-after=N`: an error event after N events, then the end.
    pub error_after: Option<usize>,
    /// `tokens=N`: an answer of N one-token words.
    pub tokens: Option<u64>,
    /// `text=...`: this answer; each word with the blank before it counts one token.
    pub text: Option<String>,
    /// `tool=name:{json}`: these tool calls; repeatable.
    pub tools: Vec<ToolWish>,
    /// `cached=N`: prompt tokens read from the cache.
    pub cached: u64,
    /// `cache-write=N`: prompt tokens written to the cache; Anthropic, Bedrock and OpenAI's responses report them.
    pub cache_write: u64,
    /// `reasoning=N`: output tokens spent on reasoning.
    pub reasoning: u64,
    /// `finish=length`: the reason given for the end, in OpenAI's words.
    pub finish: Option<String>,
}

impl Steering {
    /// Adds the wishes of an `x-mock` header; later wishes win.
    pub fn add_header(&mut self, header: &str) -> Result<(), SteeringError> {
        for wish in header.split(';').map(str::trim).filter(|wish| !wish.is_empty()) {
            let (key, value) = wish.split_once('=').unwrap_or((wish, ""));
            self.set(key.trim(), &percent_decode(value.trim()))?;
        }
        Ok(())
    }

    /// Adds the wishes of a script's `then` object: the same keys; flags are `true`, a list repeats.
    pub fn add_json(&mut self, wishes: &Map<String, Value>) -> Result<(), SteeringError> {
        for (key, value) in wishes {
            match value {
                Value::Array(values) => {
                    for value in values {
                        self.set_json(key, value)?;
                    }
                }
                value => self.set_json(key, value)?,
            }
        }
        Ok(())
    }

    fn set_json(&mut self, key: &str, value: &Value) -> Result<(), SteeringError> {
        match value {
            Value::Bool(false) => Ok(()),
            Value::Bool(true) => self.set(key, ""),
            Value::String(text) => self.set(key, text),
            other => self.set(key, &other.to_string()),
        }
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), SteeringError> {
        let refused = || SteeringError { wish: format!("{key}={value}") };
        let number = || value.parse::<u64>().map_err(|_| refused());
        let size = || value.parse::<usize>().map_err(|_| refused());
        match key {
            "status" => {
                let status = value.parse().ok().filter(|status| (200..=599).contains(status));
                self.status = Some(status.ok_or_else(refused)?);
            }
            "html-error" => self.html_error = true,
            "retry-after" => {
                HeaderValue::from_str(value).map_err(|_| refused())?;
                self.retry_after = Some(value.to_owned());
            }
            "header" => {
                let (name, value) = value.split_once(':').ok_or_else(refused)?;
                let name = name.trim().parse().map_err(|_| refused())?;
                self.headers.push((name, value.trim().parse().map_err(|_| refused())?));
            }
            "latency-ms" => self.latency = Some(Duration::from_millis(number()?)),
            "chunk-bytes" => self.chunk_bytes = Some(size()?.max(1)),
            "chunk-delay-ms" => self.chunk_delay = Some(Duration::from_millis(number()?)),
            "gzip" => self.gzip = true,
            "no-usage" => self.no_usage = true,
            "stall" => self.stall = true,
            "stall-after" => self.stall_after = Some(size()?),
            "cut" => self.cut = true,
            "cut-after" => self.cut_after = Some(size()?),
            "error-after" => self.error_after = Some(size()?),
            "tokens" => self.tokens = Some(number()?),
            "text" => self.text = Some(value.to_owned()),
            "tool" => {
                let (name, arguments) = value.split_once(':').unwrap_or((value, "{}"));
                self.tools.push(ToolWish { name: name.to_owned(), arguments: arguments.to_owned() });
            }
            "cached" => self.cached = number()?,
            "cache-write" => self.cache_write = number()?,
            "reasoning" => self.reasoning = number()?,
            "finish" => self.finish = Some(value.to_owned()),
            _ => return Err(refused()),
        }
        Ok(())
    }
}

/// Decodes `%41`; a `%` that starts no escape stands for itself.
pub(crate) fn percent_decode(text: &str) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escape = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match escape.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if first == b'%' => {
                decoded.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                decoded.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_sets_what_it_names() {
        let mut steering = Steering::default();
        steering.add_header("status=503; retry-after=2;no-usage; text=a%3Bb 100%").unwrap();
        assert_eq!(steering.status, Some(503));
        assert_eq!(steering.retry_after.as_deref(), Some("2"));
        assert!(steering.no_usage);
        assert_eq!(steering.text.as_deref(), Some("a;b 100%"));
    }

    #[test]
    fn tools_repeat_in_headers_and_scripts() {
        let mut steering = Steering::default();
        steering.add_header(r#"tool=a:{"x":1}; tool=b"#).unwrap();
        let script = serde_json::json!({"tool": ["c:{}", "d"], "no-usage": true, "tokens": 7});
        steering.add_json(script.as_object().unwrap()).unwrap();
        let names: Vec<_> = steering.tools.iter().map(|tool| tool.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "c", "d"]);
        assert_eq!(steering.tools[0].arguments, r#"{"x":1}"#);
        assert_eq!(steering.tokens, Some(7));
    }

    #[test]
    fn a_typing_mistake_is_refused() {
        for header in ["statsu=503", "status=abc", "status=99", "tokens=-1", "header=x"] {
            assert!(Steering::default().add_header(header).is_err(), "{header}");
        }
    }
}
