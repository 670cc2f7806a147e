//! The prompt: counted, and made to ask for usage.

use crate::Shared;
use weirgate_contract::handover::Asked;
use weirgate_contract::request_header as header;
use weirgate_dialect::cached::fingerprint;
use weirgate_dialect::{Dialect, Operation, endpoint, head, prompt};
use weirgate_filter_host::{Flow, Host, edit_request, hex, refuse, tell_refusal};
use weirgate_tokens::chat;
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
    done: bool,
}

impl Prompt {
    pub(crate) fn new(dialect: Dialect) -> Self {
        let counting = Counting::exact(Encoding::O200k);
        Self { dialect, counting, tokens: 0, usage_is_ours: false, done: false }
    }

    /// Counts the prompt, which is all here.
    pub(crate) fn count(&mut self, host: &dyn Host, shared: &Shared) -> Flow {
        if self.done {
            return Flow::Continue;
        }
        self.done = true;
        let body = host.request_body();
        let read = match prompt::read(self.dialect, &body) {
            Ok(read) => read,
            Err(error) => {
                tell_refusal(host, error.code);
                return refuse(host, self.dialect, &error);
            }
        };
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
        self.tokens = chat::count(&read, self.counting);
        host.set_request_header(header::INPUT_TOKENS, Some(&self.tokens.to_string()));
        if shared.fingerprint {
            tell_asked(host, operation, &model, &body, shared.question);
        }
        let edit = head.filter(|head| ask && head.stream).and_then(|head| head.ask_for_usage(&body));
        if let Some(edit) = edit {
            edit_request(host, body, edit);
            self.usage_is_ours = true;
        }
        Flow::Continue
    }
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
