//! A websocket that says back what it hears, on every path.

use futures_util::{SinkExt, StreamExt};
use hyper::header::{
    CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, UPGRADE,
};
use hyper::upgrade::OnUpgrade;
use hyper::{HeaderMap, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::body::MockBody;
use crate::ledger::OpenEntry;
use crate::recorder::Recorded;

/// By this word the client asks for the connection to be closed.
const GOODBYE: &str = "goodbye";

/// Whether a request asks for a websocket.
pub(crate) fn is_asked(headers: &HeaderMap) -> bool {
    headers.get(UPGRADE).is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Agrees to a websocket, and speaks over it when it is there.
pub(crate) fn accept(
    request: &Recorded,
    connection: OnUpgrade,
    mut entry: OpenEntry,
    body: MockBody,
) -> Response<MockBody> {
    let headers = &request.headers;
    let key = headers.get(SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes).unwrap_or_default();
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    entry.update(|entry| entry.status = StatusCode::SWITCHING_PROTOCOLS.as_u16());
    let answer = response.headers_mut();
    answer.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    answer.insert(UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accepted) = HeaderValue::from_str(&derive_accept_key(key)) {
        answer.insert(SEC_WEBSOCKET_ACCEPT, accepted);
    }
    let protocols = headers.get(SEC_WEBSOCKET_PROTOCOL).and_then(|protocols| protocols.to_str().ok());
    let first = protocols.and_then(|protocols| protocols.split(',').map(str::trim).next());
    if let Some(first) = first.and_then(|first| HeaderValue::from_str(first).ok()) {
        answer.insert(SEC_WEBSOCKET_PROTOCOL, first);
    }
    let hello = json!({"type": "session.created", "path": request.path}).to_string();
    tokio::spawn(speak(connection, hello, entry));
    response
}

async fn speak(connection: OnUpgrade, hello: String, mut entry: OpenEntry) {
    let Ok(connection) = connection.await else { return };
    let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(connection), Role::Server, None).await;
    if socket.send(Message::text(hello)).await.is_err() {
        return;
    }
    while let Some(Ok(message)) = socket.next().await {
        let answer = match &message {
            Message::Text(text) if text.as_str() == GOODBYE => break,
            Message::Text(_) | Message::Binary(_) => message,
            // The library answers these itself.
            _ => continue,
        };
        if socket.send(answer).await.is_err() {
            return;
        }
    }
    // Whoever has closed it already is told nothing more.
    let _ = socket.close(None).await;
    entry.complete();
}
