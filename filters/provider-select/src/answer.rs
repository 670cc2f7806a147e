//! Translates a provider's answer to the client's dialect, where the service has translated the request.

use std::time::{SystemTime, UNIX_EPOCH};
use weirgate_contract::filter_config::Answers;
use weirgate_contract::handover::{RequestHead, Translated};
use weirgate_contract::{filter_state, request_header, response_header};
use weirgate_dialect::error::ClientError;
use weirgate_dialect::translate::delivery::{ANSWER_BYTES, Begun, Delivery, Expected, Head, Part};
use weirgate_filter_host::{Flow, Host};

/// The answer of one attempt.
#[derive(Debug)]
pub(crate) struct Translation {
    expected: Option<Expected>,
    dropped: String,
    delivery: Option<Delivery>,
    /// The answer's head has not gone out.
    holds_head: bool,
}

impl Translation {
    /// What the service has said of the request; `None` if its answer is none for this filter.
    pub(crate) fn expect(host: &dyn Host, answers: &Answers) -> Option<Self> {
        let said = host.request_header(request_header::TRANSLATED)?;
        let Translated { include_usage, dropped, vectors } = serde_json::from_str(&said).ok()?;
        let head = host.property(&[filter_state::REQUEST]);
        let head: Option<RequestHead> = head.and_then(|json| serde_json::from_slice(&json).ok());
        let (id, asked) = head.map(|head| (head.id, head.model)).unwrap_or_default();
        let expected = Expected {
            from: answers.from,
            to: answers.to,
            include_usage,
            created: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
            id,
            served: answers.model.clone().unwrap_or(asked),
            vectors,
            limit: ANSWER_BYTES,
        };
        Some(Self { expected: Some(expected), dropped, delivery: None, holds_head: false })
    }

    /// Takes the head of the answer, and with it all if `end`.
    pub(crate) fn head(&mut self, host: &dyn Host, end: bool) -> Flow {
        let Some(expected) = self.expected.take() else { return Flow::Continue };
        let header = |name| host.response_header(name).unwrap_or_default();
        let (content_type, content_encoding) = (header("content-type"), header("content-encoding"));
        let status = header(":status").parse().unwrap_or(200);
        let head =
            Head { status, content_type: &content_type, content_encoding: &content_encoding, is_all: end };
        let Begun { delivery, change, unreadable } = Delivery::begin(expected, head);
        // An error says already that it is one, and need not wait for its body to be tried elsewhere.
        self.holds_head = !end && status < 400 && unreadable.is_none() && delivery.is_whole();
        self.delivery = Some(delivery);
        warn(host, unreadable.as_ref());
        let Some(change) = change else { return Flow::Continue };
        host.set_response_header("content-type", Some(change.content_type));
        for name in ["content-length", "content-encoding"] {
            host.set_response_header(name, None);
        }
        if let Some(status) = change.status {
            host.set_response_header(":status", Some(&status.to_string()));
        } else if !self.dropped.is_empty() {
            host.set_response_header(response_header::DROPPED, Some(&self.dropped));
        }
        if self.holds_head { Flow::Hold } else { Flow::Continue }
    }

    /// Takes the next part of the answer, and the last if `end`.
    pub(crate) fn part(&mut self, host: &dyn Host, end: bool) -> Flow {
        let Some(delivery) = &mut self.delivery else { return Flow::Continue };
        if delivery.is_broken() && !end {
            // The provider goes on with what nobody can read, and is paid for it until it is stopped.
            host.reset_response();
        }
        let Part { bytes, broken } = delivery.part(&host.response_body(), end);
        warn(host, broken.as_ref());
        if let Some(error) = broken.filter(|_| self.holds_head) {
            host.set_response_header(":status", Some(&error.status().to_string()));
        }
        if let Some(bytes) = bytes {
            host.set_response_body(&bytes);
        }
        if self.holds_head && !end { Flow::Hold } else { Flow::Continue }
    }
}

fn warn(host: &dyn Host, error: Option<&ClientError>) {
    if let Some(error) = error {
        host.warn(&format!("a provider's answer could not be translated: {}", error.code));
    }
}

#[cfg(test)]
mod tests {
    use crate::ProviderSelect;
    use weirgate_contract::request_header;
    use weirgate_filter_host::fake::{FakeHost, filter};

    const CONFIG: &str = r#"{"answers": {"from": "openai", "to": "anthropic", "model": "claude-haiku-4-5"}}"#;

    fn answer(said: &str, status: &str, kind: &str, chunks: &[&[u8]]) -> (FakeHost, String) {
        let host = FakeHost::request("POST", "/v1/messages", &[(request_header::TRANSLATED, said)]);
        let mut filter: ProviderSelect = filter(CONFIG).unwrap();
        host.run_request(&mut filter);
        let headers = [(":status", status), ("content-type", kind), ("content-length", "7")];
        let body = host.run_response(&mut filter, &headers, chunks);
        (host, String::from_utf8(body).unwrap())
    }

    #[test]
    fn a_stream_comes_in_the_dialect_of_the_client() {
        let delta = b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hi\"}}\n\n";
        let stop = b"data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}\n\ndata: {\"type\":\"message_stop\"}\n\n";
        let said = r#"{"dropped":"seed"}"#;
        let (host, body) = answer(said, "200", "text/event-stream", &[delta, stop]);
        assert!(body.contains(r#""content":"Hi""#), "{body}");
        assert!(body.ends_with("data: [DONE]\n\n"), "{body}");
        let headers = host.response_headers.borrow();
        assert_eq!(headers["x-weirgate-dropped-fields"], "seed");
        assert_eq!(headers.get("content-length"), None);
    }

    #[test]
    fn an_error_in_place_of_a_stream_is_the_clients() {
        let error = br#"{"type":"error","error":{"type":"overloaded_error","message":"busy"}}"#;
        let (host, body) = answer("{}", "529", "application/json", &[error]);
        assert!(body.starts_with(r#"{"error":{"message":"busy""#), "{body}");
        assert_eq!(host.response_headers.borrow()[":status"], "529");
        let (host, body) = answer("{}", "200", "text/html", &[b"<html>"]);
        assert!(body.contains("invalid_answer"), "{body}");
        assert_eq!(host.response_headers.borrow()[":status"], "502");
    }

    #[test]
    fn a_whole_answer_comes_in_the_dialect_of_the_client() {
        let sent: &[u8] = br#"{"content":[{"type":"text","text":"Hi"}],"stop_reason":"end_turn","usage":{"input_tokens":9,"output_tokens":1}}"#;
        for chunks in [vec![sent], sent.chunks(7).collect(), [sent, b""].to_vec()] {
            let (host, body) = answer("{}", "200", "application/json", &chunks);
            assert!(body.starts_with(r#"{"id":"#) && body.contains(r#""content":"Hi""#), "{body}");
            assert_eq!(host.response_headers.borrow()[":status"], "200");
        }
    }

    #[test]
    fn a_whole_answer_that_cannot_be_read_is_no_success() {
        let (host, body) = answer("{}", "200", "application/json", &[b"{\"content\":", b"<html>"]);
        assert!(body.contains("invalid_answer"), "{body}");
        assert_eq!(host.response_headers.borrow()[":status"], "502");
    }

    #[test]
    fn a_whole_answer_of_the_clients_dialect_came_twice_in_several_chunks() {
        const CONFIG: &str = r#"{"answers": {"from": "anthropic", "to": "invoke"}}"#;
        let sent: &[u8] = br#"{"type":"message","content":[{"type":"text","text":"Hi"}]}"#;
        let host = FakeHost::request("POST", "/model/m/invoke", &[(request_header::TRANSLATED, "{}")]);
        let mut filter: ProviderSelect = filter(CONFIG).unwrap();
        host.run_request(&mut filter);
        let headers = [(":status", "200"), ("content-type", "application/json")];
        let chunks: Vec<&[u8]> = sent.chunks(7).collect();
        assert_eq!(host.run_response(&mut filter, &headers, &chunks), sent);
    }

    #[test]
    fn vectors_are_written_as_the_client_wants_them() {
        const CONFIG: &str =
            r#"{"answers": {"from": "openai", "to": "gemini", "model": "gemini-embedding-001"}}"#;
        let said = r#"{"vectors":{"texts":1,"encoding":"base64"}}"#;
        let host = FakeHost::request("POST", "/v1/embeddings", &[(request_header::TRANSLATED, said)]);
        let mut filter: ProviderSelect = filter(CONFIG).unwrap();
        host.run_request(&mut filter);
        let headers = [(":status", "200"), ("content-type", "application/json")];
        let body = host.run_response(&mut filter, &headers, &[br#"{"embeddings":[{"values":[1.0]}]}"#]);
        let body = String::from_utf8(body).unwrap();
        assert!(body.contains(r#""embedding":"AACAPw==""#), "{body}");
    }

    #[test]
    fn a_provider_that_goes_on_after_what_cannot_be_read_is_stopped() {
        let (host, body) = answer("{}", "200", "text/event-stream", &[b"data: {\n\n", b""]);
        assert!(body.contains("invalid_answer"), "{body}");
        assert!(!host.is_reset.get());
        let (host, again) = answer("{}", "200", "text/event-stream", &[b"data: {\n\n", b"data: {}\n\n", b""]);
        assert_eq!(again, body);
        assert!(host.is_reset.get());
    }

    #[test]
    fn an_answer_to_what_was_not_translated_passes() {
        let host = FakeHost::request("POST", "/v1/messages", &[]);
        let mut filter: ProviderSelect = filter(CONFIG).unwrap();
        host.run_request(&mut filter);
        let headers = [(":status", "200"), ("content-type", "application/json")];
        assert_eq!(host.run_response(&mut filter, &headers, &[b"{}"]), b"{}");
    }
}
