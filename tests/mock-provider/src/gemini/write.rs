//! Answers to generateContent, whole and streamed.

use serde_json::{Map, Value, json};

use super::signs_thoughts;
use crate::answer::{Answer, Finish, ToolCall, pieces};
use crate::body::Plan;

/// Stands for the reasoning; a word a token.
const THOUGHT: &str = "think";

/// Stands for the encrypted state of the reasoning.
const SIGNATURE: &str = "bW9jayB0aG91Z2h0IHNpZ25hdHVyZQ==";

/// What every part of an answer repeats.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head<'a> {
    pub(crate) id: u64,
    pub(crate) model: &'a str,
}

/// How the chunks of a stream are put in line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Server-sent events, with `alt=sse`.
    Events,
    /// One JSON array, without it.
    Array,
}

/// A call ends an answer as its natural end does.
fn finish_reason(finish: &Finish) -> &str {
    match finish.0.as_str() {
        "stop" | "tool_calls" => "STOP",
        "length" => "MAX_TOKENS",
        "content_filter" => "SAFETY",
        other => other,
    }
}

/// The usage after so many tokens. As everywhere in the API, a zero is left out.
fn usage_json(answer: &Answer, candidates: u64, thoughts: u64) -> Value {
    let prompt = answer.usage.prompt;
    let mut usage = Map::new();
    let mut put = |name: &str, count: u64| {
        if count > 0 {
            usage.insert(name.to_owned(), json!(count));
        }
    };
    put("promptTokenCount", prompt);
    put("candidatesTokenCount", candidates);
    put("totalTokenCount", prompt + candidates + thoughts);
    put("cachedContentTokenCount", answer.usage.cached);
    put("thoughtsTokenCount", thoughts);
    let by_modality = |count: u64| json!([{"modality": "TEXT", "tokenCount": count}]);
    usage.insert("promptTokensDetails".to_owned(), by_modality(prompt));
    if answer.usage.cached > 0 {
        usage.insert("cacheTokensDetails".to_owned(), by_modality(answer.usage.cached));
    }
    Value::Object(usage)
}

/// A part, with a signature if the model signs and this is where it would.
fn signed(part: Value, signature: bool) -> Value {
    let mut part = part;
    if let Value::Object(fields) = &mut part
        && signature
    {
        fields.insert("thoughtSignature".to_owned(), json!(SIGNATURE));
    }
    part
}

/// A call; of parallel ones only the first is signed.
fn call_part(call: &ToolCall, index: usize, head: Head<'_>) -> Value {
    let signs = signs_thoughts(head.model);
    // Arguments that are no object cannot be shown.
    let args = serde_json::from_str::<Map<String, Value>>(&call.arguments).unwrap_or_default();
    let mut function = json!({"name": call.name, "args": args});
    if let Value::Object(fields) = &mut function
        && signs
    {
        fields.insert("id".to_owned(), json!(format!("call_mock_{}_{index}", head.id)));
    }
    signed(json!({"functionCall": function}), signs && index == 0)
}

/// The answer as one JSON object.
pub(crate) fn write_whole(answer: &Answer, head: Head<'_>) -> Plan {
    let mut parts = Vec::new();
    if answer.usage.reasoning > 0 {
        let thoughts = vec![THOUGHT; usize::try_from(answer.usage.reasoning).unwrap_or(usize::MAX)];
        parts.push(json!({"text": thoughts.join(" "), "thought": true}));
    }
    if !answer.text.is_empty() {
        let is_last = answer.tools.is_empty();
        parts.push(signed(json!({"text": answer.text}), is_last && signs_thoughts(head.model)));
    }
    parts.extend(answer.tools.iter().enumerate().map(|(index, call)| call_part(call, index, head)));
    // A content without parts is how an answer without room for a word looks.
    let content =
        if parts.is_empty() { json!({"role": "model"}) } else { json!({"parts": parts, "role": "model"}) };
    let finish = finish_reason(&answer.finish);
    let mut body = json!({"candidates": [{"content": content, "finishReason": finish, "index": 0}]});
    if let Value::Object(fields) = &mut body {
        if answer.show_usage {
            let candidates = answer.usage.output - answer.usage.reasoning;
            fields.insert("usageMetadata".to_owned(), usage_json(answer, candidates, answer.usage.reasoning));
        }
        fields.insert("modelVersion".to_owned(), json!(head.model));
        fields.insert("responseId".to_owned(), json!(format!("mock-{}", head.id)));
    }
    Plan::whole(body.to_string().into_bytes(), answer.usage.output)
}

/// The answer as chunks, each a response of its own with the usage so far.
pub(crate) fn write_stream(answer: &Answer, head: Head<'_>, framing: Framing) -> Plan {
    let end = format!(r#","modelVersion":{},"responseId":"mock-{}"}}"#, Value::from(head.model), head.id);
    let mut chunks = Chunks { plan: Plan::default(), framing, answer, end, candidates: 0, thoughts: 0 };
    for number in 0..answer.usage.reasoning {
        let blank = if number == 0 { "" } else { " " };
        chunks.thoughts += 1;
        chunks.put(&format!(r#"{{"text":"{blank}{THOUGHT}","thought":true}}"#), "", 1);
    }
    for piece in pieces(&answer.text) {
        chunks.part(&format!(r#"{{"text":{}}}"#, Value::from(piece)), 1);
    }
    for (index, call) in answer.tools.iter().enumerate() {
        chunks.part(&call_part(call, index, head).to_string(), call.tokens());
    }
    // What remains is the end, and the signature of an answer without calls.
    let last = signed(json!({"text": ""}), answer.tools.is_empty() && signs_thoughts(head.model));
    let finish = Value::from(finish_reason(&answer.finish));
    chunks.put(&last.to_string(), &format!(r#","finishReason":{finish}"#), 0);
    chunks.plan
}

/// An error in the middle of a stream: it is no event, but stands bare between them.
pub(crate) fn error_event() -> &'static str {
    "{\n  \"error\": {\n    \"code\": 503,\n    \"message\": \"The model is overloaded. Please try again later.\",\n    \
     \"status\": \"UNAVAILABLE\"\n  }\n}\n"
}

struct Chunks<'a> {
    plan: Plan,
    framing: Framing,
    answer: &'a Answer,
    end: String,
    candidates: u64,
    thoughts: u64,
}

impl Chunks<'_> {
    fn part(&mut self, part: &str, tokens: u64) {
        self.candidates += tokens;
        self.put(part, "", tokens);
    }

    fn put(&mut self, part: &str, finish: &str, tokens: u64) {
        let usage = if self.answer.show_usage {
            format!(r#","usageMetadata":{}"#, usage_json(self.answer, self.candidates, self.thoughts))
        } else {
            String::new()
        };
        let is_first = self.plan.bytes.is_empty();
        let (before, after) = match self.framing {
            Framing::Events => ("data: ", "\r\n\r\n"),
            Framing::Array if finish.is_empty() => (if is_first { "[" } else { ",\r\n" }, ""),
            Framing::Array => (if is_first { "[" } else { ",\r\n" }, "]"),
        };
        let chunk = [
            before,
            r#"{"candidates":[{"content":{"parts":["#,
            part,
            r#"],"role":"model"}"#,
            finish,
            r#","index":0}]"#,
            &usage,
            &self.end,
            after,
        ];
        for piece in chunk {
            self.plan.bytes.extend_from_slice(piece.as_bytes());
        }
        self.plan.end_event(tokens);
    }
}
