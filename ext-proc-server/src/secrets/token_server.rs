//! Asking a server for a token: OAuth 2.0, client credentials (RFC 6749, section 4.4).

use super::text;
use crate::config::{OAuth, encoded, form};
use crate::outgoing::Client;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Request, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;
use weirgate_contract::filter_config::SecretText;

/// How long a server may take. Envoy waits a little longer for the first token.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The most that is read of an answer, in bytes.
const MOST: usize = 128 << 10;
/// How long a token is good of which the server does not say it.
const LIFETIME: Duration = Duration::from_secs(300);
/// The most that is shown of what a server says, in characters.
const SHOWN: usize = 300;

/// What a server has given.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) key: SecretText,
    pub(super) lifetime: Duration,
}

/// A server, and who we are there.
#[derive(Debug)]
pub(super) struct TokenServer {
    oauth: OAuth,
    client: Client,
}

#[derive(Deserialize)]
struct Given {
    access_token: Option<String>,
    /// Some servers write the number as a text.
    expires_in: Option<Value>,
    error: Option<String>,
    error_description: Option<String>,
}

impl TokenServer {
    pub(super) fn new(oauth: OAuth) -> Self {
        Self { oauth, client: Client::default() }
    }

    /// Asks for a token. The error says why there is none, and nothing that is secret.
    pub(super) async fn token(&self) -> Result<Token, String> {
        let asking = tokio::time::timeout(TIMEOUT, self.client.send(self.request()?, MOST));
        let (status, body) = asking.await.map_err(|_| format!("no answer within {TIMEOUT:?}"))??;
        self.read(status, &body)
    }

    fn request(&self) -> Result<Request<Full<Bytes>>, String> {
        let OAuth { token_url, client_id, client_secret, in_body, scopes, params } = &self.oauth;
        let secret = String::from_utf8_lossy(client_secret.as_bytes());
        let scopes = scopes.join(" ");
        let mut entries = vec![("grant_type", "client_credentials")];
        if !scopes.is_empty() {
            entries.push(("scope", &scopes));
        }
        entries.extend(params.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let mut request = Request::post(token_url)
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        if *in_body {
            entries.extend([("client_id", client_id.as_str()), ("client_secret", &secret)]);
        } else {
            let both = format!("{}:{}", encoded(client_id), encoded(&secret));
            let basic = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(both)));
            let mut basic = basic.map_err(|error| error.to_string())?;
            basic.set_sensitive(true);
            request = request.header(AUTHORIZATION, basic);
        }
        request.body(Full::new(Bytes::from(form(entries)))).map_err(|error| error.to_string())
    }

    fn read(&self, status: StatusCode, body: &[u8]) -> Result<Token, String> {
        // The error of a parser may show what it has found.
        let given: Option<Given> = serde_json::from_slice(body).ok();
        let Some(given) = given else { return Err(format!("status {status}, and not the JSON of a token")) };
        if status != StatusCode::OK {
            let why = [given.error, given.error_description];
            let why: Vec<String> = why.into_iter().flatten().map(|text| self.shown(&text)).collect();
            return Err(format!("status {status}: {}", why.join(": ")));
        }
        let token = given.access_token.ok_or("the answer has no access_token")?;
        let key = text::key(&token).map_err(|problem| format!("the token cannot be used: {problem}"))?;
        let seconds = given.expires_in.as_ref().and_then(|seconds| match seconds {
            Value::String(text) => text.parse().ok(),
            other => other.as_f64(),
        });
        let lifetime = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        // Longer than any token holds, and short enough to be added to any time.
        let lifetime = lifetime.unwrap_or(LIFETIME).min(Duration::from_secs(365 * 86_400));
        Ok(Token { key, lifetime })
    }

    /// A text of the server's, in case it repeats what it was told.
    fn shown(&self, text: &str) -> String {
        let secret = String::from_utf8_lossy(self.oauth.client_secret.as_bytes());
        let text = text.replace(&*secret, "...");
        text.chars()
            .map(|character| if character.is_control() { ' ' } else { character })
            .take(SHOWN)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    fn server(in_body: bool) -> TokenServer {
        TokenServer::new(OAuth {
            token_url: "https://login.example/token?a=b".to_owned(),
            client_id: "me:1".to_owned(),
            client_secret: SecretText::new("s+cr/t=".to_owned()),
            in_body,
            scopes: vec!["one".to_owned(), "two".to_owned()],
            params: vec![("audience".to_owned(), "x y".to_owned())],
        })
    }

    async fn asked(in_body: bool) -> (Option<String>, String) {
        let request = server(in_body).request().unwrap();
        let basic = request.headers().get(AUTHORIZATION).map(|value| value.to_str().unwrap().to_owned());
        assert!(!format!("{:?}", request.headers()).contains("Basic"));
        let body = request.into_body().collect().await.unwrap().to_bytes();
        (basic, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_client_shows_its_secret_in_either_way() {
        let form = "grant_type=client_credentials&scope=one%20two&audience=x%20y";
        let basic = STANDARD.encode("me%3A1:s%2Bcr%2Ft%3D");
        assert_eq!(asked(false).await, (Some(format!("Basic {basic}")), form.to_owned()));
        let whole = format!("{form}&client_id=me%3A1&client_secret=s%2Bcr%2Ft%3D");
        assert_eq!(asked(true).await, (None, whole));
    }

    #[test]
    fn answers() {
        let read = |status: u16, body: &str| {
            let token = server(true).read(StatusCode::from_u16(status).unwrap(), body.as_bytes());
            token.map(|token| (token.key.as_bytes().to_vec(), token.lifetime.as_secs()))
        };
        let token =
            |expires: &str| format!("{{\"access_token\": \"t\", \"token_type\": \"Bearer\"{expires}}}");
        assert_eq!(read(200, &token(", \"expires_in\": 3599")), Ok((b"t".to_vec(), 3599)));
        assert_eq!(read(200, &token(", \"expires_in\": \"60\"")), Ok((b"t".to_vec(), 60)));
        assert_eq!(read(200, &token("")), Ok((b"t".to_vec(), 300)));
        assert_eq!(read(200, &token(", \"expires_in\": 1e300")).unwrap().1, 300);
        assert_eq!(read(200, "{}").unwrap_err(), "the answer has no access_token");
        assert!(read(200, "{\"access_token\": \"a\\nb\"}").unwrap_err().contains("no header can hold"));
        let refused =
            r#"{"error": "invalid_client", "error_description": "AADSTS7000215: s+cr/t= is wrong"}"#;
        assert_eq!(
            read(401, refused).unwrap_err(),
            "status 401 Unauthorized: invalid_client: AADSTS7000215: ... is wrong"
        );
        assert_eq!(read(502, "<html>").unwrap_err(), "status 502 Bad Gateway, and not the JSON of a token");
    }
}
