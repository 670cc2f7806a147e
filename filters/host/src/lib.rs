//! What a filter may ask of Envoy, and the two that answer: proxy-wasm inside Envoy, a fake in tests.
//!
//! A filter is a [`Filter`]: plain logic over a [`Host`]. The shell that makes it a wasm module is one macro,
//! [`export_filter`], so that everything else runs natively under `cargo test`.

#[cfg(not(target_arch = "wasm32"))]
pub mod fake;
#[cfg(target_arch = "wasm32")]
mod wasm;

#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub use wasm::start;

use serde::de::DeserializeOwned;
use std::fmt;
use weirgate_contract::handover::RequestHead;
use weirgate_contract::{filter_state, path, request_header};
use weirgate_dialect::error::{ClientError, ErrorKind};
use weirgate_dialect::head::Edit;
use weirgate_dialect::{Dialect, Operation, endpoint};

/// What a filter may ask of Envoy about one request. Every call may fail inside Envoy; a filter then sees nothing
/// and must not panic. Headers may be asked for only while Envoy shows them: until the callback that lets them go.
pub trait Host {
    /// All request headers, pseudo-headers included, in order. What is no UTF-8 in a value is replaced.
    fn request_headers(&self) -> Vec<(String, String)>;
    /// One request header.
    fn request_header(&self, name: &str) -> Option<String>;
    /// Sets a request header, or removes it.
    fn set_request_header(&self, name: &str, value: Option<&str>);
    /// How much of the request body is buffered, in bytes.
    fn request_body_size(&self) -> usize;
    /// The request body as far as it is buffered.
    fn request_body(&self) -> Vec<u8>;
    /// The first bytes of it, at most so many.
    fn request_body_start(&self, most: usize) -> Vec<u8>;
    /// Replaces the buffered request body. (Envoy can replace all of it, but no part.)
    fn set_request_body(&self, body: &[u8]);
    /// One response header.
    fn response_header(&self, name: &str) -> Option<String>;
    /// Sets a response header, or removes it.
    fn set_response_header(&self, name: &str, value: Option<&str>);
    /// The part of the response body that is passing, or all that is held.
    fn response_body(&self) -> Vec<u8>;
    /// Replaces that part of the response body.
    fn set_response_body(&self, body: &[u8]);
    /// A property of the stream, such as `["response", "code_details"]`.
    fn property(&self, path: &[&str]) -> Option<Vec<u8>>;
    /// Sets filter state; Envoy prefixes the name with `wasm.`.
    fn set_filter_state(&self, name: &str, value: &[u8]);
    /// Answers the request from here.
    fn respond(&self, status: u16, headers: &[(&str, &str)], body: &[u8]);
    /// Ends the answer at once, for the provider and the client.
    fn reset_response(&self);
    /// Writes a line to Envoy's log.
    fn warn(&self, message: &str);
}

/// What is to happen after a callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Pass on what there is.
    Continue,
    /// Keep it until more has come.
    Hold,
    /// The request was answered by [`Host::respond`].
    Answered,
}

/// One filter, made anew for each request.
pub trait Filter: Sized + 'static {
    /// What `weirgate render` writes into Envoy's configuration.
    type Config: DeserializeOwned + Default;
    /// What all requests share: the configuration made ready.
    type Shared: 'static;

    /// Makes the configuration ready.
    ///
    /// # Errors
    /// Text for Envoy's log; Envoy then refuses the configuration.
    fn configure(config: Self::Config) -> Result<Self::Shared, String>;

    /// Does what would make the first request wait, in a VM that will serve requests.
    fn warm_up(shared: &Self::Shared) {
        let _ = shared;
    }

    /// The filter for one request.
    fn new(shared: std::rc::Rc<Self::Shared>) -> Self;

    /// The request's headers are here.
    fn on_request_headers(&mut self, host: &dyn Host, end: bool) -> Flow {
        let _ = (host, end);
        Flow::Continue
    }

    /// A part of the request's body is here; all of it so far, if it was held.
    fn on_request_body(&mut self, host: &dyn Host, end: bool) -> Flow {
        let _ = (host, end);
        Flow::Continue
    }

    /// The answer's headers are here.
    fn on_response_headers(&mut self, host: &dyn Host, end: bool) -> Flow {
        let _ = (host, end);
        Flow::Continue
    }

    /// A part of the answer's body is here; all of it so far, if it was held.
    fn on_response_body(&mut self, host: &dyn Host, end: bool) -> Flow {
        let _ = (host, end);
        Flow::Continue
    }

    /// The request is over, however it ended; the access log is about to be written.
    fn on_end(&mut self, host: &dyn Host) {
        let _ = host;
    }
}

/// Bytes in lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a text never fails.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Reads a filter's configuration. Empty text is the default configuration.
///
/// # Errors
/// What is wrong, with line and column.
pub fn read_config<C: DeserializeOwned + Default>(json: &[u8]) -> Result<C, String> {
    if json.iter().all(u8::is_ascii_whitespace) {
        return Ok(C::default());
    }
    serde_json::from_slice(json).map_err(|error| format!("invalid configuration: {error}"))
}

/// Answers with an error in the client's dialect.
pub fn refuse(host: &dyn Host, dialect: Dialect, error: &ClientError) -> Flow {
    refuse_as(host, dialect, error.status(), error)
}

/// The same under another status than the error's kind has.
pub fn refuse_as(host: &dyn Host, dialect: Dialect, status: u16, error: &ClientError) -> Flow {
    let retry_after = error.retry_after.map(|seconds| seconds.to_string());
    let mut headers = vec![("content-type", "application/json")];
    if let Some(seconds) = &retry_after {
        headers.push(("retry-after", seconds));
    }
    host.respond(status, &headers, error.body(dialect).as_bytes());
    Flow::Answered
}

/// On a probe, adds the filter's name to the list of those that saw it.
pub fn sign_probe(host: &dyn Host, name: impl fmt::Display) {
    let header = request_header::CHAIN;
    let chain = match host.request_header(header) {
        Some(chain) => format!("{chain},{name}"),
        None => name.to_string(),
    };
    host.set_request_header(header, Some(&chain));
}

/// Whether this request is a probe, by its path.
pub fn is_probe(host: &dyn Host) -> bool {
    host.request_header(":path").as_deref() == Some(path::PROBE)
}

/// Whether this request makes the connection a websocket. Nobody can wait for the end of what is sent after it.
pub fn is_websocket(host: &dyn Host) -> bool {
    host.request_header(":method").as_deref() == Some("GET")
        && host.request_header("upgrade").is_some_and(|protocol| protocol.eq_ignore_ascii_case("websocket"))
}

/// Whether a body of this content type is a file, a sound or a picture, which nobody reads and which may be large.
pub fn is_media(content_type: &str) -> bool {
    let kinds = ["multipart/", "audio/", "image/", "video/", "application/octet-stream"];
    kinds
        .iter()
        .any(|kind| content_type.get(..kind.len()).is_some_and(|start| start.eq_ignore_ascii_case(kind)))
}

/// Whether the request's body may be JSON by its first bytes, in any encoding that some server guesses. Not every server looks at the
/// content type, so what a client calls a picture is one only if it does not look like this. `None`: too little is here yet.
pub fn may_be_json(host: &dyn Host, end: bool) -> Option<bool> {
    /// No more is looked at, however often more of a body comes.
    const LOOKED_AT: usize = 1024;
    /// The longest mark.
    const MARK: usize = 4;
    let body = host.request_body_start(LOOKED_AT);
    let start = body.trim_ascii_start();
    if start.len() < MARK && body.len() == LOOKED_AT {
        // Blanks may stand before JSON, as many as somebody likes.
        return Some(true);
    }
    if start.len() < MARK && !end {
        return None;
    }
    let marks: [&[u8]; 11] = [
        b"{",
        b"[",
        b"\"",
        b"\xEF\xBB\xBF",
        b"\xFF\xFE",
        b"\xFE\xFF",
        b"\0{",
        b"\0[",
        b"\0 ",
        b"\0\n",
        b"\0\0\0{",
    ];
    Some(marks.iter().any(|mark| start.starts_with(mark)))
}

/// Refuses a request whose body ends in trailers. Envoy never calls such a body complete, so a filter that waits for it
/// would not look at it at all.
pub fn refuse_trailers(host: &dyn Host) -> Flow {
    let error = ClientError::new(
        ErrorKind::InvalidRequest,
        "trailers_not_supported",
        "request trailers are not supported: send this request without them",
    );
    tell_refusal(host, error.code);
    refuse(host, prompt_dialect(host).unwrap_or_else(|| dialect_of(host)), &error)
}

/// The client's dialect, as `provider-select` told it.
pub fn dialect_of(host: &dyn Host) -> Dialect {
    let named = host.request_header(request_header::DIALECT);
    named.and_then(|name| Dialect::parse(&name)).unwrap_or(Dialect::OpenAi)
}

/// The dialect of a request that has a prompt, `None` for any other. `provider-select` tells; where that filter is not
/// loaded, the path does.
pub fn prompt_dialect(host: &dyn Host) -> Option<Dialect> {
    if let Some(operation) = host.request_header(request_header::OPERATION) {
        return Operation::parse(&operation)?.dialect();
    }
    let path = host.request_header(":path")?;
    let path = path.split('?').next()?.trim_end_matches('/');
    if path.ends_with("/chat/completions") {
        Some(Dialect::OpenAi)
    } else if path.ends_with("/messages") {
        Some(Dialect::Anthropic)
    } else if path.ends_with("/responses") {
        Some(Dialect::Responses)
    } else {
        endpoint::in_path(path).map(|said| said.dialect)
    }
}

/// Applies edits, in the order of the body, to the request body, which is all buffered, and says its new length in the headers.
pub fn edit_request(host: &dyn Host, body: &[u8], edits: impl IntoIterator<Item = Edit>) {
    let mut edited = Vec::with_capacity(body.len());
    let mut done = 0;
    for Edit { span, text } in edits {
        let (Some(before), true) = (body.get(done..span.start), span.end <= body.len()) else { return };
        edited.extend_from_slice(before);
        edited.extend_from_slice(text.as_bytes());
        done = span.end;
    }
    edited.extend_from_slice(body.get(done..).unwrap_or_default());
    host.set_request_body(&edited);
    host.set_request_header("content-length", Some(&edited.len().to_string()));
}

/// Tells record that a filter refused the request, which decide will then not see.
pub fn tell_refusal(host: &dyn Host, code: &str) {
    let Some(json) = host.property(&[filter_state::REQUEST]) else { return };
    let Ok(mut head) = serde_json::from_slice::<RequestHead>(&json) else { return };
    head.refused = code.to_owned();
    if let Ok(json) = serde_json::to_vec(&head) {
        host.set_filter_state(filter_state::REQUEST, &json);
    }
}

/// Makes a crate a wasm module that runs the given [`Filter`].
#[macro_export]
macro_rules! export_filter {
    ($filter:ident) => {
        #[cfg(target_arch = "wasm32")]
        mod shell {
            // The entry point that Envoy calls must have an unmangled name.
            #![allow(unsafe_code, unreachable_pub, missing_docs)]
            $crate::proxy_wasm::main! {{ $crate::start::<super::$filter>(); }}
        }
    };
}

#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub use proxy_wasm;
