//! Errors that no SDK could read become errors in the client's dialect.
//!
//! Envoy answers some requests itself, in plain text (no healthy host, a body over the limit, a service that is down),
//! and some providers send a web page when they fail.

use weirgate_dialect::Dialect;
use weirgate_dialect::error::{ClientError, ErrorKind};
use weirgate_filter_host::{Flow, Host, refuse_as};

/// Seconds after which a client may try again when nobody else said.
const RETRY_AFTER: u64 = 1;

/// The error that takes the place of the body.
#[derive(Debug)]
pub(crate) struct Envelope {
    body: String,
}

/// What is to happen to an answer, by its headers.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// It can be read as it is.
    Keep,
    /// Its body is to be replaced when it comes.
    Replace(Envelope),
    /// It has no body, and was answered anew.
    Answered,
}

impl Envelope {
    /// Looks at the answer's headers; if its body must be replaced, sets the headers that go with the new one.
    pub(crate) fn judge(host: &dyn Host, dialect: Dialect, end: bool) -> Verdict {
        let status = host.response_header(":status").and_then(|status| status.parse().ok()).unwrap_or(200);
        if status < 400 {
            return Verdict::Keep;
        }
        let error = explain(host, status);
        if end {
            refuse_as(host, dialect, status, &error);
            return Verdict::Answered;
        }
        if let Some(seconds) = error.retry_after
            && host.response_header("retry-after").is_none()
        {
            host.set_response_header("retry-after", Some(&seconds.to_string()));
        }
        let kind = host.response_header("content-type").unwrap_or_default();
        if kind.contains("json") || kind.starts_with("text/event-stream") {
            return Verdict::Keep;
        }
        let body = error.body(dialect);
        host.set_response_header("content-type", Some("application/json"));
        host.set_response_header("content-length", Some(&body.len().to_string()));
        host.set_response_header("content-encoding", None);
        Verdict::Replace(Self { body })
    }

    /// Replaces the body once it is all there.
    pub(crate) fn replace(&self, host: &dyn Host, end: bool) -> Flow {
        if !end {
            return Flow::Hold;
        }
        host.set_response_body(self.body.as_bytes());
        Flow::Continue
    }
}

/// What went wrong, from Envoy's own account of it.
/// (<https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/response_code_details>)
fn explain(host: &dyn Host, status: u16) -> ClientError {
    let details = host.property(&["response", "code_details"]).unwrap_or_default();
    let details = String::from_utf8_lossy(&details);
    let kind = ErrorKind::from_status(status);
    let error = |code, message: &str| ClientError::new(kind, code, message);
    match details.as_ref() {
        text if text.contains("payload_too_large") => {
            error("request_too_large", "the request body is over the gateway's limit")
        }
        text if text.contains("ext_proc") => {
            error("gateway_unavailable", "a part of the gateway is not available")
                .with_retry_after(RETRY_AFTER)
        }
        text if text.contains("timeout") => {
            error("provider_timeout", "the provider took too long to answer").with_retry_after(RETRY_AFTER)
        }
        text if ["connection_termination", "remote_reset", "protocol_error"]
            .iter()
            .any(|how| text.contains(how)) =>
        {
            error("provider_unavailable", "the provider broke off before its answer was whole")
                .with_retry_after(RETRY_AFTER)
        }
        text if text.contains("upstream_reset") || text.contains("no_healthy_upstream") => {
            error("provider_unavailable", "the provider could not be reached").with_retry_after(RETRY_AFTER)
        }
        text if text.contains("route_not_found") || text.contains("cluster_not_found") => {
            error("no_route", "no provider is configured for this request")
        }
        "via_upstream" if status >= 500 => {
            error("provider_error", "the provider failed without saying why").with_retry_after(RETRY_AFTER)
        }
        "via_upstream" => error("provider_error", "the provider refused the request without saying why"),
        _ if status >= 502 => {
            error("unavailable", "the request could not be served").with_retry_after(RETRY_AFTER)
        }
        _ => error("request_failed", "the request could not be served"),
    }
}

#[cfg(test)]
mod tests {
    use crate::ProviderSelect;
    use weirgate_filter_host::Host;
    use weirgate_filter_host::fake::{FakeHost, filter};

    fn answer(path: &str, details: &str, headers: &[(&str, &str)], body: &[u8]) -> (FakeHost, String) {
        let mut select: ProviderSelect = filter("").unwrap();
        let host = FakeHost::request("POST", path, &[]).with_body(r#"{"model":"m"}"#);
        host.run_request(&mut select);
        host.properties.borrow_mut().insert("response.code_details".to_owned(), details.as_bytes().to_vec());
        let out = host.run_response(&mut select, headers, &[body]);
        (host, String::from_utf8(out).unwrap())
    }

    #[test]
    fn envoys_own_text_becomes_an_error_of_the_dialect() {
        let headers = [(":status", "503"), ("content-type", "text/plain"), ("content-length", "19")];
        let (host, body) =
            answer("/v1/chat/completions", "no_healthy_upstream", &headers, b"no healthy upstream");
        assert!(body.contains(r#""code":"provider_unavailable""#), "{body}");
        assert_eq!(host.response_header("retry-after").as_deref(), Some("1"));
        assert_eq!(host.response_header("content-type").as_deref(), Some("application/json"));
        assert_eq!(host.response_header("content-length"), Some(body.len().to_string()));
        for (details, message) in [
            ("upstream_reset_before_response_started{connection_termination}", "broke off"),
            ("upstream_reset_before_response_started{remote_connection_failure|111}", "could not be reached"),
        ] {
            let (_, body) = answer("/v1/chat/completions", details, &headers, b"");
            assert!(body.contains(r#""code":"provider_unavailable""#) && body.contains(message), "{body}");
        }
        let (_, body) =
            answer("/v1/messages", "request_payload_too_large", &[(":status", "413")], b"Payload Too Large");
        assert!(body.starts_with(r#"{"type":"error","error":{"type":"request_too_large""#), "{body}");
    }

    #[test]
    fn an_error_without_a_body_gets_one() {
        let mut select: ProviderSelect = filter("").unwrap();
        let host = FakeHost::request("POST", "/v1/chat/completions", &[]).with_body(r#"{"model":"m"}"#);
        host.run_request(&mut select);
        host.run_response(&mut select, &[(":status", "405")], &[]);
        let answer = host.answer.borrow().clone().unwrap();
        assert_eq!(answer.status, 405);
        assert!(answer.body.contains("request_failed"), "{}", answer.body);
    }

    #[test]
    fn a_providers_web_page_is_replaced_and_its_json_is_not() {
        let page = [(":status", "502"), ("content-type", "text/html")];
        let (_, body) = answer("/v1/chat/completions", "via_upstream", &page, b"<html>");
        assert!(body.contains("provider_error"), "{body}");
        let json = [(":status", "429"), ("content-type", "application/json"), ("retry-after", "7")];
        let (host, body) = answer("/v1/chat/completions", "via_upstream", &json, b"{\"error\":1}");
        assert_eq!(body, "{\"error\":1}");
        assert_eq!(host.response_header("retry-after").as_deref(), Some("7"));
    }
}
