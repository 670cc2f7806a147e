//! Calls of the admin API.

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::path::PathBuf;
use tokio::net::TcpStream;

/// Where the admin API is, and with which key it is called.
#[derive(Debug, clap::Args)]
pub(crate) struct Server {
    /// The address of the service's HTTP for operators.
    #[arg(long, env = "WEIRGATE_ADMIN_URL", default_value = "http://127.0.0.1:9900", value_name = "URL")]
    admin_url: String,
    /// A file that holds the admin's key. Without it the key is taken from the environment variable WEIRGATE_ADMIN_KEY: an
    /// argument could be seen by everybody on the machine.
    #[arg(long, value_name = "FILE")]
    admin_key_file: Option<PathBuf>,
}

impl Server {
    /// Calls the API and gives the text of its answer.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<String, String> {
        let authority = self.authority()?;
        let unreachable = |error: &dyn std::fmt::Display| format!("cannot reach {}: {error}", self.admin_url);
        let stream = TcpStream::connect(authority).await.map_err(|error| unreachable(&error))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| unreachable(&error))?;
        let connection = tokio::spawn(connection);
        let text = body.map(ToString::to_string).unwrap_or_default();
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/admin/v1{path}"))
            .header(HOST, authority)
            .header(AUTHORIZATION, format!("Bearer {}", self.key()?));
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let request = request.body(Full::new(Bytes::from(text))).map_err(|error| error.to_string())?;
        let response = sender.send_request(request).await.map_err(|error| unreachable(&error))?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(|error| unreachable(&error))?.to_bytes();
        connection.abort();
        let text = String::from_utf8_lossy(&body).into_owned();
        if status.is_success() { Ok(text) } else { Err(refusal(status.as_u16(), &text)) }
    }

    /// The host and the port.
    fn authority(&self) -> Result<&str, String> {
        let rest = self.admin_url.strip_prefix("http://").map(|rest| rest.trim_end_matches('/'));
        let good = |rest: &&str| {
            !rest.contains('/') && rest.rsplit_once(':').is_some_and(|(host, _)| !host.is_empty())
        };
        rest.filter(good).ok_or_else(|| {
            format!(
                "\"{}\" is not a URL such as http://127.0.0.1:9900 (TLS is for a proxy before it)",
                self.admin_url
            )
        })
    }

    fn key(&self) -> Result<String, String> {
        let key = match &self.admin_key_file {
            Some(file) => std::fs::read_to_string(file)
                .map_err(|error| format!("cannot read {}: {error}", file.display()))?,
            None => std::env::var("WEIRGATE_ADMIN_KEY")
                .map_err(|_| "no key: set WEIRGATE_ADMIN_KEY, or give --admin-key-file".to_owned())?,
        };
        let key = key.trim();
        let plain = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic());
        if plain { Ok(key.to_owned()) } else { Err("the admin's key is empty, or no plain text".to_owned()) }
    }
}

/// An error of the API, as a person reads it.
fn refusal(status: u16, text: &str) -> String {
    let body: Value = serde_json::from_str(text).unwrap_or_default();
    let get = |name: &str| body.pointer(&format!("/error/{name}")).and_then(Value::as_str);
    match (get("message"), get("field")) {
        (Some(message), Some(field)) => format!("{field}: {message}"),
        (Some(message), None) => message.to_owned(),
        _ => format!("the service answered with status {status}"),
    }
}

/// A path or a part of a query, with everything escaped that could be taken for something else.
pub(crate) fn escape(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~,".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// A query of what is given.
pub(crate) fn query<'p>(parameters: impl IntoIterator<Item = (&'p str, Option<String>)>) -> String {
    let given =
        parameters.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", escape(&value?))));
    let given: Vec<String> = given.collect();
    if given.is_empty() { String::new() } else { format!("?{}", given.join("&")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(url: &str) -> Server {
        Server { admin_url: url.to_owned(), admin_key_file: None }
    }

    #[test]
    fn urls() {
        assert_eq!(server("http://127.0.0.1:9900/").authority(), Ok("127.0.0.1:9900"));
        for bad in ["https://a:1", "http://a", "http://a:1/x", "a:1"] {
            assert!(server(bad).authority().is_err(), "{bad}");
        }
    }

    #[test]
    fn names_are_escaped() {
        assert_eq!(escape("a/b?c=ü"), "a%2Fb%3Fc%3D%C3%BC");
        assert_eq!(query([("a", Some("x y".to_owned())), ("b", None)]), "?a=x%20y");
        assert_eq!(query([("b", None)]), "");
    }

    #[test]
    fn errors_are_for_people() {
        let text = r#"{"error":{"code":"x","message":"there is no team \"t\"","field":"team"}}"#;
        assert_eq!(refusal(422, text), "team: there is no team \"t\"");
        assert_eq!(refusal(502, "<html>"), "the service answered with status 502");
    }
}
