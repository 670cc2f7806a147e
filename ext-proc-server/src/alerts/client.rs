//! One attempt to deliver a message: an HTTP request, signed.

use super::outbox::Message;
use super::target::{Address, Target};
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};

/// How long an attempt may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What came of an attempt.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    /// It was taken.
    Delivered,
    /// Another attempt may succeed, not sooner than the receiver says.
    Again { reason: String, wait: Option<Duration> },
    /// None will.
    Refused { reason: String },
}

/// Sends messages.
#[derive(Debug, Default)]
pub(super) struct Client {
    tls: OnceLock<Result<Arc<ClientConfig>, String>>,
}

impl Client {
    /// Tries to deliver a message.
    pub(super) async fn deliver(&self, target: &Target, message: &Message) -> Attempt {
        let again = |reason: String| Attempt::Again { reason, wait: None };
        match tokio::time::timeout(TIMEOUT, self.send(target, message)).await {
            Ok(Ok((status, wait))) => judge(status, wait),
            Ok(Err(reason)) => again(reason),
            Err(_) => again(format!("no answer within {} s", TIMEOUT.as_secs())),
        }
    }

    async fn send(
        &self,
        target: &Target,
        message: &Message,
    ) -> Result<(StatusCode, Option<Duration>), String> {
        let address = &target.address;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let request = Request::post(address.path_and_query())
            .header(HOST, address.authority())
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("weirgate/", env!("CARGO_PKG_VERSION")))
            .header("webhook-id", &message.id)
            .header("webhook-timestamp", now.to_string())
            .header("webhook-signature", target.key.sign(&message.id, now, &message.body))
            .body(Full::new(Bytes::from(message.body.clone())))
            .map_err(said)?;
        let stream = TcpStream::connect((address.host_name(), address.port)).await.map_err(said)?;
        if !address.tls {
            return exchange(stream, request).await;
        }
        exchange(self.encrypt(address, stream).await?, request).await
    }

    async fn encrypt(
        &self,
        address: &Address,
        stream: TcpStream,
    ) -> Result<tokio_rustls::client::TlsStream<TcpStream>, String> {
        let settings = self.tls.get_or_init(tls_settings).clone()?;
        let name = ServerName::try_from(address.host_name().to_owned()).map_err(said)?;
        TlsConnector::from(settings).connect(name, stream).await.map_err(said)
    }
}

/// The authorities are the system's, or those in the file that the environment variable `SSL_CERT_FILE` names.
fn tls_settings() -> Result<Arc<ClientConfig>, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err("the system has no certificate authorities".to_owned());
    }
    let settings = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(said)?;
    Ok(Arc::new(settings.with_root_certificates(roots).with_no_client_auth()))
}

async fn exchange<S>(
    stream: S,
    request: Request<Full<Bytes>>,
) -> Result<(StatusCode, Option<Duration>), String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(said)?;
    // Ends with the attempt, whatever comes of it.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let answer = sender.send_request(request).await.map_err(said)?;
    let wait = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    Ok((answer.status(), wait.map(Duration::from_secs)))
}

/// What an answer means. Redirects are not followed: the body is for the address that was configured.
fn judge(status: StatusCode, wait: Option<Duration>) -> Attempt {
    let reason = format!("the answer was {}", status.as_u16());
    if status.is_success() {
        Attempt::Delivered
    } else if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
        Attempt::Again { reason, wait }
    } else {
        Attempt::Refused { reason }
    }
}

/// An error with its causes.
fn said(error: impl std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause: Option<&dyn std::error::Error> = error.source();
    while let Some(error) = cause {
        fmt::Write::write_fmt(&mut text, format_args!(": {error}")).unwrap_or_default();
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let attempt = |status| judge(StatusCode::from_u16(status).unwrap(), None);
        for status in [200, 201, 204] {
            assert_eq!(attempt(status), Attempt::Delivered);
        }
        for status in [429, 500, 502, 503, 504] {
            assert!(matches!(attempt(status), Attempt::Again { .. }), "{status}");
        }
        for status in [301, 302, 400, 401, 404, 410] {
            assert!(matches!(attempt(status), Attempt::Refused { .. }), "{status}");
        }
    }
}
