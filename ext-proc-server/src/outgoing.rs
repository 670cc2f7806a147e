//! Calls of other HTTP services.

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, USER_AGENT};
use hyper::{Request, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// How long a connection that nobody uses is kept.
const IDLE: Duration = Duration::from_secs(60);

/// Who calls.
const USER: HeaderValue = HeaderValue::from_static(concat!("weirgate/", env!("CARGO_PKG_VERSION")));

type Hyper = hyper_util::client::legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Where a service is called, and what it is shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    url: Uri,
    /// The header `authorization`; marked as not to be shown.
    authorization: Option<HeaderValue>,
}

impl Endpoint {
    /// An `http` or `https` URL, with the key that stands behind `Bearer`.
    pub(crate) fn parse(url: &str, key: Option<&str>) -> Option<Self> {
        let url: Uri = url.parse().ok()?;
        // A name or password before an @ would be shown in logs.
        let plain = url.authority().is_some_and(|authority| !authority.as_str().contains('@'));
        if !plain || !matches!(url.scheme_str(), Some("http" | "https")) {
            return None;
        }
        let authorization =
            key.map(|key| HeaderValue::from_str(&format!("Bearer {key}"))).transpose().ok()?;
        let authorization = authorization.map(|mut value| {
            value.set_sensitive(true);
            value
        });
        Some(Self { url, authorization })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let authority = self.url.authority().map(|authority| authority.as_str());
        write!(f, "{}://{}{}", part(self.url.scheme_str()), part(authority), self.url.path())
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// Calls services over connections that are kept.
#[derive(Clone, Debug, Default)]
pub(crate) struct Client {
    hyper: Arc<OnceLock<Result<Hyper, String>>>,
}

impl Client {
    /// Sends JSON, and takes an answer of at most so many bytes.
    pub(crate) async fn post_json(
        &self,
        endpoint: &Endpoint,
        body: String,
        most: usize,
    ) -> Result<(StatusCode, Bytes), String> {
        let mut request = Request::post(endpoint.url.clone()).header(CONTENT_TYPE, "application/json");
        if let Some(authorization) = &endpoint.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let request = request.body(Full::new(Bytes::from(body))).map_err(|error| error.to_string())?;
        self.send(request, most).await
    }

    /// Sends a request, and takes an answer of at most so many bytes.
    pub(crate) async fn send(
        &self,
        mut request: Request<Full<Bytes>>,
        most: usize,
    ) -> Result<(StatusCode, Bytes), String> {
        let hyper = self.hyper.get_or_init(hyper).clone()?;
        request.headers_mut().insert(USER_AGENT, USER);
        let answer = hyper.request(request).await.map_err(|error| said(&error))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), most).collect().await.map_err(|error| said(&*error))?;
        Ok((status, body.to_bytes()))
    }
}

/// The authorities are the system's, or those in the file that the environment variable `SSL_CERT_FILE` names.
fn hyper() -> Result<Hyper, String> {
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let connector = HttpsConnectorBuilder::new()
        .with_provider_and_native_roots(provider)
        .map_err(|error| error.to_string())?
        .https_or_http()
        .enable_http1()
        .build();
    let mut builder = hyper_util::client::legacy::Client::builder(TokioExecutor::new());
    Ok(builder.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE).build(connector))
}

/// An error with its causes.
fn said(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_shows_neither_its_key_nor_its_query() {
        let endpoint =
            Endpoint::parse("https://api.example.com/v1/embeddings?key=secret", Some("sk-secret")).unwrap();
        assert_eq!(format!("{endpoint:?}"), "\"https://api.example.com/v1/embeddings\"");
        for bad in ["api.example.com/v1", "ftp://x/", "https://user:password@x/", "http://"] {
            assert_eq!(Endpoint::parse(bad, None), None, "{bad}");
        }
        assert_eq!(Endpoint::parse("http://x/", Some("line\nbreak")), None);
    }
}
