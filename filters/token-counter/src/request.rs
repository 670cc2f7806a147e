//! The prompt: counted, and made to ask for usage.

use crate::Shared;
use weirgate_contract::handover::Asked;
use weirgate_contract::request_header as header;
use weirgate_dialect::cached::fingerprint;
use weirgate_dialect::error::ClientError;
use weirgate_dialect::{Dialect, Operation, endpoint, head, prompt};
use weirgate_filter_host::{Flow, Host, edit_request, hex, refuse, tell_refusal};
use weirgate_tokens::chat;
use weirgate_tokens::completion::Answers;
use weirgate_tokens::encoding::Encoding;
use weirgate_tokens::family::Counting;

/// The prompt of one request.
#[derive(Debug)]
pub(crate) struct Prompt {
    pub(crate) dialect: Dialect,
    /// How its model is counted.
    pub(crate) counting: Counting,
    /// Its tokens; 0 until it was counted.
    pub(crate) tokens: u64,
    /// Whether we asked for usage in place of the client, who must then not see it.
    pub(crate) usage_is_ours: bool,
    /// How many answers are generated for those that are returned.
    pub(crate) answers: Answers,
    /// It is the plain text of OpenAI's older completions.
    pub(crate) is_text: bool,
    done: bool,
}

impl Prompt {
    pub(crate) fn of_chat(dialect: Dialect) -> Self {
        let counting = Counting::exact(Encoding::O200k);
        let answers = Answers::default();
        Self { dialect, counting, tokens: 0, usage_is_ours: false, answers, is_text: false, done: false }
    }

    pub(crate) fn of_completion() -> Self {
        Self { is_text: true, ..Self::of_chat(Dialect::OpenAi) }
    }

    /// Counts the prompt, which is all here.
    pub(crate) fn count(&mut self, host: &dyn Host, shared: &Shared) -> Flow {
        if self.done {
            return Flow::Continue;
        }
        self.done = true;
        let body = host.request_body();
        // Where provider-select is not loaded, no header names the model.
        let selected = host.request_header(header::MODEL);
        let stream = host.request_header(header::STREAM).is_some();
        let ask = shared.include_usage && self.dialect == Dialect::OpenAi;
        let operation = self.dialect.chat().unwrap_or(Operation::ChatCompletions);
        let head =
            if selected.is_none() || (stream && ask) { head::read(operation, &body).ok() } else { None };
        let model =
            selected.or_else(|| head.as_ref().and_then(|head| head.model.clone())).unwrap_or_default();
        self.counting = shared.counting(&model);
        self.tokens = match self.tokens_in(host, &body) {
            Ok(tokens) => tokens,
            Err(error) => {
                tell_refusal(host, error.code);
                return refuse(host, self.dialect, &error);
            }
        };
        host.set_request_header(header::INPUT_TOKENS, Some(&self.tokens.to_string()));
        if self.is_text {
            self.answers = Answers::read(&body);
        }
        if shared.fingerprint && !self.is_text {
            tell_asked(host, operation, &model, &body, shared.question);
        }
        let edit = head.filter(|head| ask && head.stream).and_then(|head| head.ask_for_usage(&body));
        if let Some(edit) = edit {
            edit_request(host, &body, [edit]);
            self.usage_is_ours = true;
        }
        Flow::Continue
    }
}

impl Prompt {
    fn tokens_in(&self, host: &dyn Host, body: &[u8]) -> Result<u64, ClientError> {
        if !self.is_text {
            return Ok(chat::count(&prompt::read(self.dialect, body)?, self.counting));
        }
        let texts = prompt::read_completion(body)?;
        if texts.is_empty() {
            // Its tokens are numbers, for which provider-select has taken the size.
            let size = host.request_header(header::INPUT_TOKENS);
            return Ok(size.and_then(|size| size.parse().ok()).unwrap_or(0));
        }
        Ok(chat::count_texts(texts.iter().map(AsRef::as_ref), self.counting))
    }
}

/// Tells decide how many tokens the prompt of a call has that asks for nothing else. What cannot be read is for the provider to
/// refuse, if one is asked.
pub(crate) fn tell_count(host: &dyn Host, dialect: Dialect, shared: &Shared) {
    let body = host.request_body();
    let Ok(prompt) = prompt::read_counted(dialect, &body) else { return };
    let model = host.request_header(header::MODEL).unwrap_or_default();
    let tokens = chat::count(&prompt, shared.counting(&model));
    host.set_request_header(header::INPUT_TOKENS, Some(&tokens.to_string()));
}

/// Headers that shape an answer, or say who pays for it.
const SHAPING: [&str; 5] =
    ["anthropic-version", "anthropic-beta", "openai-beta", "openai-organization", "openai-project"];

/// Tells decide what the request asks for. One that cannot be told from others is not cached.
fn tell_asked(host: &dyn Host, operation: Operation, model: &str, body: &[u8], question: bool) {
    let headers = host.request_headers();
    // One of them may stand there more than once.
    let shaping = headers.iter().filter(|(name, _)| SHAPING.contains(&name.as_str()));
    let mut outside: Vec<_> = shaping.map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let path = headers.iter().find(|(name, _)| name == ":path").map_or("", |(_, path)| path.as_str());
    if endpoint::in_path(path).is_some() {
        outside.push(("model", model));
    }
    // How an answer is delivered is no part of what is asked.
    outside.extend(
        path.split_once('?').map(|(_, query)| ("query", query)).filter(|(_, query)| *query != "alt=sse"),
    );
    let Some(print) = fingerprint(operation, body, &outside) else { return };
    let asked = Asked {
        digest: hex(&print.digest),
        context: hex(&print.context),
        question: print.question.filter(|_| question),
        deterministic: print.deterministic,
        tools: print.tools,
    };
    if let Ok(json) = serde_json::to_string(&asked) {
        host.set_request_header(header::ASKED, Some(&json));
    }
}

#[cfg(test)]
mod tests {
    use crate::TokenCounter;
    use weirgate_filter_host::fake::{FakeHost, filter};
    use weirgate_filter_host::{Flow, Host};

    fn counted(path: &str, headers: &[(&str, &str)], body: &str) -> Option<String> {
        let mut counter: TokenCounter = filter("").unwrap();
        let model = [("x-weirgate-model", "gpt-4o")];
        let host = FakeHost::request("POST", path, &[&model, headers].concat()).with_body(body);
        assert_eq!(host.run_request(&mut counter), Flow::Continue, "{path}");
        host.request_header("x-weirgate-input-tokens")
    }

    fn count(dialect: &str, body: &str) -> Option<String> {
        counted("/x", &[("x-weirgate-operation", "count_tokens"), ("x-weirgate-dialect", dialect)], body)
    }

    #[test]
    fn who_asks_for_a_count_gets_that_of_a_chat() {
        let body = r#"{"messages":[{"role":"user","content":"hello world"}],"system":"be brief"}"#;
        let chat = counted("/v1/messages", &[], body);
        assert!(chat.is_some());
        assert_eq!(count("anthropic", body), chat);
        let contents = r#"{"contents":[{"role":"user","parts":[{"text":"hello world"}]}]}"#;
        let chat = counted("/v1beta/models/m:generateContent", &[], contents);
        assert_eq!(count("gemini", contents), chat);
        assert_eq!(count("gemini", &format!(r#"{{"generateContentRequest":{contents}}}"#)), chat);
        assert_eq!(count("responses", r#"{"input":"hello world"}"#).as_deref(), Some("9"));
    }

    #[test]
    fn what_cannot_be_counted_is_left_to_others() {
        for body in ["{}", r#"{"messages":1}"#, r#"{"contents":[]}"#, "no json"] {
            assert_eq!(count("anthropic", body), None, "{body}");
        }
    }

    #[test]
    fn older_completions_are_plain_text() {
        let completion = |prompt: &str| {
            let body = format!(r#"{{"model":"gpt-4o","prompt":{prompt},"user":"somebody else"}}"#);
            let headers = [("x-weirgate-operation", "completions"), ("x-weirgate-input-tokens", "77")];
            counted("/v1/completions", &headers, &body)
        };
        assert_eq!(completion(r#""hello world""#).as_deref(), Some("2"));
        assert_eq!(completion(r#"["hello world","hello"]"#).as_deref(), Some("3"));
        assert_eq!(completion("[1,2,3]").as_deref(), Some("77"));
    }
}
