//! A client for one mock, and requests to send.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use mock_provider::{Config, MockServer};
use serde_json::{Value, json};
use tokio::net::TcpStream;

/// An answer read to its end, or to where it broke.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    /// The pieces in which the body arrived.
    pub(crate) pieces: Vec<Bytes>,
    pub(crate) broken: bool,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error} in {}", self.text))
    }

    /// The data of every server-sent event, with its name where it has one.
    pub(crate) fn events(&self) -> Vec<(String, String)> {
        let event = |block: &str| {
            let field = |name| block.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            (field("event: ").to_owned(), field("data: ").to_owned())
        };
        // Gemini ends its lines as HTTP does.
        let text = self.text.replace("\r\n", "\n");
        text.split("\n\n").filter(|block| !block.is_empty()).map(event).collect()
    }

    /// The data of every event that is JSON.
    pub(crate) fn data(&self) -> Vec<Value> {
        self.events().iter().filter_map(|(_, data)| serde_json::from_str(data).ok()).collect()
    }
}

pub(crate) async fn start() -> MockServer {
    MockServer::start(Config::default()).await.unwrap()
}

async fn connect(server: &MockServer) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(server.addresses()[0]).await.unwrap();
    let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// Sends a request on a connection of its own; `None` if it was closed without an answer. The
/// connection closes when the response is dropped.
pub(crate) async fn open(
    server: &MockServer,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Option<Response<Incoming>> {
    let mut request = Request::builder().method(method).uri(path).header("host", "mock");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(Bytes::from(body.to_owned()))).unwrap();
    connect(server).await.send_request(request).await.ok()
}

pub(crate) async fn read(response: Response<Incoming>) -> Answer {
    let (parts, mut body) = response.into_parts();
    let mut pieces = Vec::new();
    let mut broken = false;
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => pieces.extend(frame.into_data()),
            Err(_) => {
                broken = true;
                break;
            }
        }
    }
    // Event streams hold bytes that are no text.
    let text = String::from_utf8_lossy(&pieces.concat()).into_owned();
    Answer { status: parts.status.as_u16(), headers: parts.headers, text, pieces, broken }
}

pub(crate) async fn send(
    server: &MockServer,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    read(open(server, method, path, headers, body).await.expect("an answer")).await
}

pub(crate) async fn control(server: &MockServer, method: &str, path: &str, body: &str) -> Answer {
    send(server, method, path, &[], body).await
}

/// Sends a chat completion with steering.
pub(crate) async fn chat(server: &MockServer, mock: &str, body: &Value) -> Answer {
    read(open_chat(server, mock, body).await.expect("an answer")).await
}

pub(crate) async fn open_chat(server: &MockServer, mock: &str, body: &Value) -> Option<Response<Incoming>> {
    let headers = [("authorization", "Bearer test-key"), ("x-mock", mock)];
    open(server, "POST", "/v1/chat/completions", &headers, &body.to_string()).await
}

/// Sends a messages request with steering.
pub(crate) async fn messages(server: &MockServer, mock: &str, body: &Value) -> Answer {
    let headers = [("x-api-key", "test-key"), ("anthropic-version", "2023-06-01"), ("x-mock", mock)];
    send(server, "POST", "/v1/messages", &headers, &body.to_string()).await
}

/// Sends a request to a method of a Gemini model, with steering.
pub(crate) async fn gemini(server: &MockServer, target: &str, mock: &str, body: &Value) -> Answer {
    let headers = [("x-goog-api-key", "test-key"), ("x-mock", mock)];
    send(server, "POST", &format!("/v1beta/models/{target}"), &headers, &body.to_string()).await
}

/// Sends a request for a response, with steering.
pub(crate) async fn responses(server: &MockServer, mock: &str, body: &Value) -> Answer {
    let headers = [("authorization", "Bearer test-key"), ("x-mock", mock)];
    send(server, "POST", "/v1/responses", &headers, &body.to_string()).await
}

/// Sends a request to a method of Bedrock's, with steering.
pub(crate) async fn converse(server: &MockServer, method: &str, mock: &str, body: &Value) -> Answer {
    let headers = [("authorization", "Bearer test-key"), ("x-mock", mock)];
    let path = format!("/model/amazon.nova-lite-v1%3A0/{method}");
    send(server, "POST", &path, &headers, &body.to_string()).await
}

/// Sends a request to Cohere's chat, with steering.
pub(crate) async fn cohere(server: &MockServer, mock: &str, body: &Value) -> Answer {
    let headers = [("authorization", "Bearer test-key"), ("x-mock", mock)];
    send(server, "POST", "/v2/chat", &headers, &body.to_string()).await
}

/// A chat completion request; `extra` adds and replaces fields.
pub(crate) fn chat_request(extra: Value) -> Value {
    merged(
        json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "good morning to you"}]}),
        extra,
    )
}

/// A messages request; `extra` adds and replaces fields.
pub(crate) fn messages_request(extra: Value) -> Value {
    let messages = json!([{"role": "user", "content": "good morning to you"}]);
    merged(json!({"model": "claude-sonnet-4-6", "max_tokens": 1000, "messages": messages}), extra)
}

/// A generateContent request; `extra` adds and replaces fields.
pub(crate) fn gemini_request(extra: Value) -> Value {
    merged(json!({"contents": [{"role": "user", "parts": [{"text": "good morning to you"}]}]}), extra)
}

/// A request for a response; `extra` adds and replaces fields.
pub(crate) fn responses_request(extra: Value) -> Value {
    merged(json!({"model": "gpt-4o", "input": "good morning to you"}), extra)
}

/// A request to Converse; `extra` adds and replaces fields.
pub(crate) fn converse_request(extra: Value) -> Value {
    merged(json!({"messages": [{"role": "user", "content": [{"text": "good morning to you"}]}]}), extra)
}

/// A request to Cohere's chat; `extra` adds and replaces fields.
pub(crate) fn cohere_request(extra: Value) -> Value {
    let messages = json!([{"role": "user", "content": "good morning to you"}]);
    merged(json!({"model": "command-a", "messages": messages}), extra)
}

fn merged(mut request: Value, extra: Value) -> Value {
    for (name, value) in extra.as_object().unwrap() {
        request[name] = value.clone();
    }
    request
}
