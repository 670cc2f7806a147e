//! Refuses prompts by allow and deny patterns, before they reach anything that costs money.
//!
//! The rules themselves are in [`weirgate_guard`]. A chat whose body is not what the API asks for is refused too: what
//! cannot be read cannot be checked. Any other call is checked as one text, or else a prompt would only have to take
//! another path. So are the texts of forms, where those hold prompts.

use std::rc::Rc;
use weirgate_contract::filter_config;
use weirgate_dialect::error::{ClientError, ErrorKind};
use weirgate_dialect::prompt::{self, Prompt};
use weirgate_dialect::{Dialect, form};
use weirgate_filter_host::{
    Filter, Flow, Host, dialect_of, is_media, is_probe, is_websocket, may_be_json, prompt_dialect, refuse,
    sign_probe, tell_refusal,
};
use weirgate_guard::{Guard, Refusal};

weirgate_filter_host::export_filter!(PromptGuard);

/// The configuration made ready.
#[derive(Debug)]
pub struct Shared {
    guard: Guard,
    pass_websockets: bool,
}

/// The filter for one request.
#[derive(Debug)]
pub struct PromptGuard {
    shared: Rc<Shared>,
    /// What is to be checked once it is here.
    pending: Option<Pending>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pending {
    /// A chat in this dialect.
    Chat(Dialect),
    /// Any other call, to be refused in this dialect.
    Other(Dialect),
    /// Something that the client calls a file or a picture.
    Media(Dialect),
    /// A form that may hold a prompt.
    Form(Dialect),
}

impl Filter for PromptGuard {
    type Config = filter_config::PromptGuard;
    type Shared = Shared;

    fn configure(config: Self::Config) -> Result<Shared, String> {
        let guard = Guard::new(&config);
        let guard = guard.map_err(|bad| format!("rules[{}].pattern: {}", bad.index, bad.reason))?;
        Ok(Shared { guard, pass_websockets: config.pass_websockets })
    }

    fn new(shared: Rc<Shared>) -> Self {
        Self { shared, pending: None }
    }

    fn on_request_headers(&mut self, host: &dyn Host, end: bool) -> Flow {
        if is_probe(host) {
            sign_probe(host, "prompt-guard");
        }
        if end || self.shared.guard.is_empty() {
            return Flow::Continue;
        }
        if is_websocket(host) {
            return self.websocket(host);
        }
        self.pending = match prompt_dialect(host) {
            Some(dialect) => Some(Pending::Chat(dialect)),
            None if holds_form(host) => Some(Pending::Form(dialect_of(host))),
            None if is_media(&content_type(host)) => Some(Pending::Media(dialect_of(host))),
            None => Some(Pending::Other(dialect_of(host))),
        };
        if self.pending.is_some() { Flow::Hold } else { Flow::Continue }
    }

    fn on_request_body(&mut self, host: &dyn Host, end: bool) -> Flow {
        let Some(mut pending) = self.pending else { return Flow::Continue };
        if let Pending::Media(dialect) = pending {
            match may_be_json(host, end) {
                None => return Flow::Hold,
                Some(true) => pending = Pending::Other(dialect),
                Some(false) => {
                    self.pending = None;
                    return Flow::Continue;
                }
            }
            self.pending = Some(pending);
        }
        if !end {
            return Flow::Hold;
        }
        self.pending = None;
        let body = host.request_body();
        let (dialect, prompt) = match pending {
            Pending::Chat(dialect) => (dialect, prompt::read(dialect, &body)),
            // Not every server looks at the content type.
            Pending::Form(dialect) if may_be_json(host, end) != Some(true) => {
                (dialect, read_form(host, &body))
            }
            Pending::Other(dialect) | Pending::Media(dialect) | Pending::Form(dialect) => {
                (dialect, prompt::read_any(&body))
            }
        };
        let checked = prompt.and_then(|prompt| self.shared.guard.check(&prompt).map_err(refusal));
        match checked {
            Ok(()) => Flow::Continue,
            Err(error) => {
                tell_refusal(host, error.code);
                refuse(host, dialect, &error)
            }
        }
    }
}

impl PromptGuard {
    /// What is said over a websocket passes unseen, which whoever wrote the rules must have said to be right.
    fn websocket(&self, host: &dyn Host) -> Flow {
        if self.shared.pass_websockets {
            return Flow::Continue;
        }
        let message = "what is said over a websocket cannot be checked by the rules for prompts";
        let error = ClientError::new(ErrorKind::GuardRefused, "guard_refused", message);
        tell_refusal(host, error.code);
        refuse(host, dialect_of(host), &error)
    }
}

fn content_type(host: &dyn Host) -> String {
    host.request_header("content-type").unwrap_or_default()
}

fn holds_form(host: &dyn Host) -> bool {
    form::may_be_form(&content_type(host)) && !form::takes_file(&path(host))
}

fn path(host: &dyn Host) -> String {
    host.request_header(":path").unwrap_or_default()
}

fn read_form<'a>(host: &dyn Host, body: &'a [u8]) -> Result<Prompt<'a>, ClientError> {
    let content_type = content_type(host);
    let texts = form::boundary(&path(host), &content_type).and_then(|boundary| form::texts(boundary, body));
    texts.map(Prompt::of_texts).ok_or_else(|| {
        let message =
            "the form cannot be checked by the rules for prompts: not all servers would read it alike";
        ClientError::new(ErrorKind::GuardRefused, "guard_refused", message)
    })
}

fn refusal(refusal: Refusal) -> ClientError {
    let message = match refusal {
        Refusal::Denied(rule) => format!("the prompt was refused by the rule \"{rule}\""),
        Refusal::NotAllowed => "the prompt was refused: no rule allows it".to_owned(),
    };
    ClientError::new(ErrorKind::GuardRefused, "guard_refused", message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use weirgate_filter_host::fake::{FakeHost, filter};

    const RULES: &str = r#"{"rules":[{"name":"secret","action":"deny","pattern":"(?i)project x"}]}"#;

    fn run(path: &str, body: &str) -> (FakeHost, Flow) {
        let mut guard: PromptGuard = filter(RULES).unwrap();
        let host = FakeHost::request("POST", path, &[]).with_body(body);
        let flow = host.run_request(&mut guard);
        (host, flow)
    }

    #[test]
    fn a_denied_prompt_is_refused_in_the_clients_dialect() {
        let body = r#"{"messages":[{"role":"user","content":"tell me of PROJECT X"}]}"#;
        let (host, flow) = run("/v1/chat/completions", body);
        assert_eq!(flow, Flow::Answered);
        let answer = host.answer.borrow().clone().unwrap();
        assert_eq!(answer.status, 400);
        assert!(
            answer.body.contains(r#""code":"guard_refused""#) && answer.body.contains("secret"),
            "{}",
            answer.body
        );
        let (host, _) = run("/v1/messages", body);
        assert!(host.answer.borrow().clone().unwrap().body.starts_with(r#"{"type":"error""#));
    }

    #[test]
    fn escapes_in_json_do_not_hide_a_word() {
        let (_, flow) =
            run("/v1/chat/completions", r#"{"messages":[{"role":"user","content":"pro\u006aect \u0078"}]}"#);
        assert_eq!(flow, Flow::Answered);
    }

    #[test]
    fn other_prompts_and_other_calls_pass() {
        assert_eq!(
            run("/v1/chat/completions", r#"{"messages":[{"role":"user","content":"hi"}]}"#).1,
            Flow::Continue
        );
    }

    #[test]
    fn a_prompt_cannot_take_another_path() {
        assert_eq!(run("/v1/responses", r#"{"input":"project x"}"#).1, Flow::Answered);
        assert_eq!(run("/v1/completions", "project x, but no JSON").1, Flow::Answered);
        assert_eq!(run("/v1/responses", r#"{"input":"hi"}"#).1, Flow::Continue);
        let mut guard: PromptGuard = filter(RULES).unwrap();
        let media = [("content-type", "multipart/form-data; boundary=x")];
        let host = FakeHost::request("POST", "/v1/files", &media).with_body("project x");
        assert_eq!(host.run_request(&mut guard), Flow::Continue);
        let mut guard: PromptGuard = filter(RULES).unwrap();
        let picture = [("content-type", "image/png")];
        let host =
            FakeHost::request("POST", "/v1/responses", &picture).with_body(r#" {"input":"project x"}"#);
        assert_eq!(host.run_request(&mut guard), Flow::Answered, "JSON that is called a picture");
    }

    #[test]
    fn a_prompt_cannot_hide_in_a_form() {
        let status = |content_type: &str, body: &str| {
            let mut guard: PromptGuard = filter(RULES).unwrap();
            let host = FakeHost::request("POST", "/v1/images/edits", &[("content-type", content_type)])
                .with_body(body);
            let flow = host.run_request(&mut guard);
            (flow, host.status())
        };
        let form = |prompt: &str| {
            format!(
                "--b\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\n{prompt}\r\n\
                 --b\r\nContent-Disposition: form-data; name=\"image\"; filename=\"a.png\"\r\n\r\nproject x\r\n--b--\r\n"
            )
        };
        let kind = "multipart/form-data; boundary=b";
        assert_eq!(status(kind, &form("a weir")), (Flow::Continue, None));
        assert_eq!(status(kind, &form("project x")), (Flow::Answered, Some(400)));
        assert_eq!(status(kind, &form("a weir").replace("--b--", "--b")), (Flow::Answered, Some(400)));
        assert_eq!(status("multipart/form-data", &form("a weir")), (Flow::Answered, Some(400)));
        assert_eq!(
            status("image/png,multipart/form-data; boundary=b", &form("a weir")),
            (Flow::Answered, Some(400))
        );
        let called_a_file = form("project x").replace("\"prompt\"", "\"prompt\"; filename=\"x\"");
        assert_eq!(status(kind, &called_a_file), (Flow::Answered, Some(400)));
        assert_eq!(status(kind, r#"{"prompt":"project x"}"#), (Flow::Answered, Some(400)));
    }

    #[test]
    fn json_cannot_hide_behind_its_first_bytes() {
        let chat = r#"{"input":"project x"}"#;
        let wide: String = chat.chars().flat_map(|character| ['\0', character]).collect();
        for body in [format!("{}{chat}", " ".repeat(5000)), wide] {
            let mut guard: PromptGuard = filter(RULES).unwrap();
            let host = FakeHost::request("POST", "/v1/responses", &[("content-type", "image/png")]);
            assert_eq!(guard.on_request_headers(&host, false), Flow::Hold);
            for length in [1, 2, 3, body.len() / 2] {
                *host.request_body.borrow_mut() = body.as_bytes()[..length].to_vec();
                assert_eq!(guard.on_request_body(&host, false), Flow::Hold);
            }
            let host = host.with_body(&body);
            assert_eq!(guard.on_request_body(&host, true), Flow::Answered);
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        assert_eq!(run("/v1/chat/completions", r#"{"messages":"project x"}"#).1, Flow::Answered);
    }

    #[test]
    fn a_configuration_with_a_bad_pattern_is_refused_with_its_place() {
        let error =
            filter::<PromptGuard>(r#"{"rules":[{"name":"a","action":"deny","pattern":"("}]}"#).unwrap_err();
        assert!(error.starts_with("rules[0].pattern"), "{error}");
    }

    #[test]
    fn websockets_pass_only_where_the_rules_say_so_or_there_are_none() {
        let status = |method: &str, config: &str| {
            let mut guard: PromptGuard = filter(config).unwrap();
            let host = FakeHost::request(method, "/v1/realtime", &[("upgrade", "websocket")]);
            let flow = guard.on_request_headers(&host, false);
            (flow, host.status())
        };
        assert_eq!(status("GET", RULES), (Flow::Answered, Some(400)));
        let passing = RULES.replacen('{', r#"{"pass_websockets":true,"#, 1);
        assert_eq!(status("GET", &passing), (Flow::Continue, None));
        assert_eq!(status("GET", ""), (Flow::Continue, None));
        assert_eq!(status("POST", &passing), (Flow::Hold, None));
    }
}
