//! Translates a provider's answer to the client's dialect, where the service has translated the request.

use std::cell::Cell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use weirgate_contract::filter_config::Answers;
use weirgate_contract::handover::{RequestHead, Translated};
use weirgate_contract::{filter_state, request_header, response_header};
use weirgate_dialect::error::{ClientError, ErrorKind};
use weirgate_dialect::translate::delivery::{ANSWER_BYTES, Begun, Delivery, Expected, Head};
use weirgate_filter_host::{Flow, Host};

/// All that is collected of plain answers at a time, in bytes. A VM has 4 GiB, and what has no room ends all requests of its worker.
const ALL_BYTES: usize = 1 << 30;

thread_local! {
    /// What is collected now.
    static COLLECTED: Cell<usize> = const { Cell::new(0) };
}

/// The answer of one attempt.
#[derive(Debug)]
pub(crate) struct Translation {
    expected: Option<Expected>,
    dropped: String,
    delivery: Option<Delivery>,
    /// The answer's head has not gone out.
    holds_head: bool,
    /// When it goes out at the latest.
    hold_until: SystemTime,
    /// What of it is collected, in bytes.
    collected: usize,
}

impl Translation {
    /// What the service has said of the request; `None` if its answer is none for this filter.
    pub(crate) fn expect(host: &dyn Host, answers: &Answers) -> Option<Self> {
        let said = host.request_header(request_header::TRANSLATED)?;
        let Translated { include_usage, dropped, vectors } = serde_json::from_str(&said).ok()?;
        let head = host.property(&[filter_state::REQUEST]);
        let head: Option<RequestHead> = head.and_then(|json| serde_json::from_slice(&json).ok());
        let stream = head.as_ref().map(|head| head.stream);
        let (id, asked) = head.map(|head| (head.id, head.model)).unwrap_or_default();
        let now = SystemTime::now();
        let expected = Expected {
            from: answers.from,
            to: answers.to,
            include_usage,
            created: now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
            id,
            served: answers.model.clone().unwrap_or(asked),
            stream,
            vectors,
            limit: ANSWER_BYTES,
        };
        Some(Self {
            expected: Some(expected),
            dropped,
            delivery: None,
            holds_head: false,
            hold_until: now.checked_add(Duration::from_millis(answers.hold_ms)).unwrap_or(now),
            collected: 0,
        })
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
        let may_hold = !end && status < 400 && unreadable.is_none() && delivery.is_whole();
        self.holds_head = may_hold && SystemTime::now() < self.hold_until;
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
        let chunk = host.response_body();
        let is_whole = delivery.is_whole();
        let mut status = None;
        if delivery.collects() && !collect(&mut self.collected, chunk.len()) {
            let error = overloaded();
            warn(host, Some(&error));
            status = Some(error.status());
            delivery.give_up(&error);
        }
        let part = delivery.part(&chunk, end);
        if !delivery.collects() {
            release(&mut self.collected);
        }
        warn(host, part.broken.as_ref());
        if let Some(status) = status.or(part.status).filter(|_| self.holds_head) {
            host.set_response_header(":status", Some(&status.to_string()));
        }
        // The clock is not asked for each part of a stream.
        let is_late = is_whole && !end && SystemTime::now() >= self.hold_until;
        self.holds_head &= !is_late;
        let holds = self.holds_head && !end;
        // What is held is given again with the next part, if it is not taken out.
        if let Some(mut bytes) = part.bytes {
            if is_late {
                bytes.push(b' ');
            }
            host.set_response_body(&bytes);
        }
        if holds { Flow::Hold } else { Flow::Continue }
    }
}

impl Drop for Translation {
    fn drop(&mut self) {
        release(&mut self.collected);
    }
}

/// Takes note of bytes that are collected; false: there is no room for them.
fn collect(own: &mut usize, bytes: usize) -> bool {
    let all = COLLECTED.get().saturating_add(bytes);
    if all > ALL_BYTES {
        return false;
    }
    COLLECTED.set(all);
    *own += bytes;
    true
}

fn release(own: &mut usize) {
    COLLECTED.set(COLLECTED.get().saturating_sub(std::mem::take(own)));
}

fn overloaded() -> ClientError {
    let message = "the gateway has no room for more answers that are to be translated";
    ClientError::new(ErrorKind::Unavailable, "answers_too_many", message).with_retry_after(1)
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
    use weirgate_filter_host::Filter;
    use weirgate_filter_host::fake::{FakeHost, filter};

    const CONFIG: &str = r#"{"answers": {"from": "openai", "to": "anthropic", "model": "claude-haiku-4-5", "hold_ms": 60000}}"#;

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
        const CONFIG: &str = r#"{"answers": {"from": "anthropic", "to": "invoke", "hold_ms": 60000}}"#;
        let sent: &[u8] = br#"{"type":"message","content":[{"type":"text","text":"Hi"}]}"#;
        let host = FakeHost::request("POST", "/model/m/invoke", &[(request_header::TRANSLATED, "{}")]);
        let mut filter: ProviderSelect = filter(CONFIG).unwrap();
        host.run_request(&mut filter);
        let headers = [(":status", "200"), ("content-type", "application/json")];
        let chunks: Vec<&[u8]> = sent.chunks(7).collect();
        assert_eq!(host.run_response(&mut filter, &headers, &chunks), sent);
    }

    #[test]
    fn a_provider_that_takes_its_time_was_taken_for_silent() {
        const CONFIG: &str = r#"{"answers": {"from": "openai", "to": "anthropic", "hold_ms": 0}}"#;
        let host = FakeHost::request("POST", "/v1/messages", &[(request_header::TRANSLATED, "{}")]);
        let mut filter: ProviderSelect = filter(CONFIG).unwrap();
        host.run_request(&mut filter);
        let headers = [(":status", "200"), ("content-type", "application/json")];
        let sent = [b"\n".as_slice(), b"\n", br#"{"content":[],"stop_reason":"end_turn"}"#];
        let body = String::from_utf8(host.run_response(&mut filter, &headers, &sent)).unwrap();
        assert!(body.starts_with("  {") && body.contains("chat.completion"), "{body}");
    }

    #[test]
    fn answers_that_have_no_room_together_are_refused_and_make_room_for_others() {
        let mut held = Vec::new();
        let chunk = vec![b' '; 31 << 20];
        let status = || {
            let host = FakeHost::request("POST", "/v1/messages", &[(request_header::TRANSLATED, "{}")]);
            let mut filter: ProviderSelect = filter(CONFIG).unwrap();
            host.run_request(&mut filter);
            let head = [(":status", "200"), ("content-type", "application/json")];
            host.response_headers
                .borrow_mut()
                .extend(head.map(|(name, value)| (name.to_owned(), value.to_owned())));
            filter.on_response_headers(&host, false);
            host.response_body.borrow_mut().clone_from(&chunk);
            filter.on_response_body(&host, false);
            let status = host.response_headers.borrow()[":status"].clone();
            (filter, status)
        };
        for number in 0..35 {
            let (filter, status) = status();
            held.push(filter);
            assert_eq!(status, if number < 33 { "200" } else { "503" }, "{number}");
        }
        held.truncate(32);
        assert_eq!(status().1, "200");
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
