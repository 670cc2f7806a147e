//! OpenAI's responses: <https://platform.openai.com/docs/api-reference/responses-streaming>.

use super::{Object, event, pieces};
use serde_json::{Value, json};

/// Takes the answer from the event at the end of a stream, which tells all of it.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    response: Option<Value>,
}

impl Assembler {
    /// Takes an event's data. `None`: the answer cannot be kept.
    pub(super) fn event(&mut self, data: &[u8]) -> Option<()> {
        if data == b"[DONE]" {
            return Some(());
        }
        let Ok(Value::Object(mut event)) = serde_json::from_slice(data) else { return None };
        let kind = event.remove("type")?;
        match kind.as_str()? {
            "response.completed" => self.response = Some(event.remove("response")?),
            "response.incomplete" | "response.failed" | "error" => return None,
            _ => {}
        }
        Some(())
    }

    pub(super) fn finish(self) -> Option<Value> {
        // Some servers tell no output at the end, only on the way.
        self.response.filter(|response| is_list(response.get("output")))
    }
}

fn is_list(value: Option<&Value>) -> bool {
    value.and_then(Value::as_array).is_some_and(|list| !list.is_empty())
}

pub(super) fn is_whole(answer: &Value) -> bool {
    let is_null = |name: &str| answer.get(name).is_none_or(Value::is_null);
    let refused = parts(answer).any(|part| kind(part) == "refusal");
    answer.get("status").and_then(Value::as_str) == Some("completed")
        && is_null("error")
        && is_null("incomplete_details")
        && is_list(answer.get("output"))
        && !refused
}

pub(super) fn text(answer: &Value) -> Option<String> {
    let items = answer.get("output")?.as_array()?;
    if items.iter().any(|item| !matches!(kind(item), "message" | "reasoning")) {
        return None;
    }
    let texts = parts(answer).map(|part| {
        let is_text = kind(part) == "output_text";
        part.get("text").and_then(Value::as_str).filter(|_| is_text)
    });
    texts.collect::<Option<String>>().filter(|text| !text.is_empty())
}

pub(super) fn refresh(answer: &mut Object, id: &str, now: u64) {
    answer.insert("id".to_owned(), format!("resp_{id}").into());
    for name in ["created_at", "completed_at"] {
        if name == "created_at" || answer.get(name).is_some_and(Value::is_number) {
            answer.insert(name.to_owned(), now.into());
        }
    }
}

/// The parts of all messages.
fn parts(answer: &Value) -> impl Iterator<Item = &Value> {
    let items = answer.get("output").and_then(Value::as_array).into_iter().flatten();
    let messages = items.filter(|item| kind(item) == "message");
    messages.filter_map(|item| item.get("content")?.as_array()).flatten()
}

fn kind(value: &Value) -> &str {
    value.get("type").and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn events(answer: &Value, piece: usize) -> Vec<String> {
    let Value::Object(fields) = answer else { return Vec::new() };
    let mut begun = fields.clone();
    let output = begun.insert("output".to_owned(), json!([]));
    for (name, value) in
        [("status", json!("in_progress")), ("usage", Value::Null), ("completed_at", Value::Null)]
    {
        if begun.contains_key(name) {
            begun.insert(name.to_owned(), value);
        }
    }
    let mut stream = Stream { piece, events: Vec::new() };
    stream.tell("response.created", json!({"response": begun}));
    stream.tell("response.in_progress", json!({"response": begun}));
    for (number, item) in output.as_ref().and_then(Value::as_array).into_iter().flatten().enumerate() {
        stream.item(number, item);
    }
    stream.tell("response.completed", json!({"response": answer}));
    stream.events
}

struct Stream {
    /// The most bytes of text in one event.
    piece: usize,
    events: Vec<String>,
}

impl Stream {
    fn tell(&mut self, name: &str, fields: Value) {
        let mut data = json!({"type": name, "sequence_number": self.events.len()});
        if let (Value::Object(data), Value::Object(fields)) = (&mut data, fields) {
            data.extend(fields);
        }
        self.events.push(event(Some(name), &data));
    }

    fn item(&mut self, number: usize, item: &Value) {
        let mut begun = item.clone();
        if let Value::Object(begun) = &mut begun {
            for (name, value) in [
                ("status", json!("in_progress")),
                ("content", json!([])),
                ("summary", json!([])),
                ("arguments", json!("")),
                ("input", json!("")),
            ] {
                if begun.contains_key(name) {
                    begun.insert(name.to_owned(), value);
                }
            }
        }
        self.tell("response.output_item.added", json!({"output_index": number, "item": begun}));
        let place = json!({"item_id": item.get("id"), "output_index": number});
        for (list, index) in [("summary", "summary_index"), ("content", "content_index")] {
            let parts = item.get(list).and_then(Value::as_array).into_iter().flatten();
            for (at, part) in parts.enumerate() {
                self.part(&with(&place, index, at.into()), part);
            }
        }
        match kind(item) {
            "function_call" => self.text("response.function_call_arguments", &place, "arguments", item),
            "custom_tool_call" => self.text("response.custom_tool_call_input", &place, "input", item),
            _ => {}
        }
        self.tell("response.output_item.done", json!({"output_index": number, "item": item}));
    }

    fn part(&mut self, place: &Value, part: &Value) {
        let (around, name, field) = match kind(part) {
            "summary_text" => ("response.reasoning_summary_part", "response.reasoning_summary_text", "text"),
            "reasoning_text" => ("response.content_part", "response.reasoning_text", "text"),
            "refusal" => ("response.content_part", "response.refusal", "refusal"),
            _ => ("response.content_part", "response.output_text", "text"),
        };
        let mut begun = part.clone();
        if let Value::Object(begun) = &mut begun {
            for (name, value) in [(field, json!("")), ("annotations", json!([])), ("logprobs", json!([]))] {
                if begun.contains_key(name) {
                    begun.insert(name.to_owned(), value);
                }
            }
        }
        self.tell(&format!("{around}.added"), with(place, "part", begun));
        self.text(name, place, field, part);
        let annotations = part.get("annotations").and_then(Value::as_array).into_iter().flatten();
        for (number, annotation) in annotations.enumerate() {
            let place = with(place, "annotation_index", number.into());
            let annotation = with(&place, "annotation", annotation.clone());
            self.tell("response.output_text.annotation.added", annotation);
        }
        self.tell(&format!("{around}.done"), with(place, "part", part.clone()));
    }

    /// Tells the text in a field in pieces, and then as a whole.
    fn text(&mut self, name: &str, place: &Value, field: &str, of: &Value) {
        let text = of.get(field).and_then(Value::as_str).unwrap_or_default();
        let has_logprobs = name == "response.output_text";
        let logprobs =
            of.get("logprobs").filter(|list| list.is_array()).cloned().unwrap_or_else(|| json!([]));
        let told = |event: Value, logprobs: Value| {
            if has_logprobs { with(&event, "logprobs", logprobs) } else { event }
        };
        let mut first = Some(logprobs.clone());
        for part in pieces(text, self.piece) {
            // Which token a logarithm belongs to is told by the list itself, so it may stand in one event.
            let logprobs = first.take().unwrap_or_else(|| json!([]));
            self.tell(&format!("{name}.delta"), told(with(place, "delta", part.into()), logprobs));
        }
        self.tell(&format!("{name}.done"), told(with(place, field, text.into()), logprobs));
    }
}

/// The same object with one more field.
fn with(object: &Value, name: &str, value: Value) -> Value {
    let mut object = object.clone();
    if let Value::Object(fields) = &mut object {
        fields.insert(name.to_owned(), value);
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dialect;
    use crate::cached::{self, Assembler};

    fn answer() -> Value {
        json!({"id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "error": null,
            "incomplete_details": null, "model": "m", "output": [
                {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "x"},
                {"id": "msg_1", "type": "message", "status": "completed", "role": "assistant", "content": [
                    {"type": "output_text", "text": "Grüß dich", "annotations": [{"type": "url_citation", "url": "u"}], "logprobs": []}]},
            ], "usage": {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}})
    }

    fn call() -> Value {
        let mut answer = answer();
        answer["output"][1] = json!({"id": "fc_1", "type": "function_call", "status": "completed", "call_id": "c", "name": "f", "arguments": "{\"a\":1}"});
        answer
    }

    #[test]
    fn a_kept_answer_becomes_the_stream_that_it_is_made_of() {
        for answer in [answer(), call()] {
            let mut assembler = Assembler::new(Dialect::Responses);
            let mut reader = crate::answer::Reader::new(Dialect::Responses);
            for event in cached::events(Dialect::Responses, &answer, 4) {
                assembler.event(&event);
                reader.event(&event);
            }
            assert_eq!(assembler.finish(), Some(answer.clone()));
            let mut whole = crate::answer::Reader::new(Dialect::Responses);
            whole.body(answer.to_string().as_bytes());
            assert_eq!(reader.usage(), whole.usage());
            assert_eq!(reader.output.kept(), whole.output.kept());
            assert_eq!(reader.reasoning.kept(), whole.reasoning.kept());
        }
    }

    #[test]
    fn only_whole_answers_are_kept() {
        assert!(
            cached::is_whole(Dialect::Responses, &answer()) && cached::is_whole(Dialect::Responses, &call())
        );
        for (name, value) in [
            ("status", json!("incomplete")),
            ("error", json!({"code": "server_error"})),
            ("incomplete_details", json!({"reason": "max_output_tokens"})),
            ("output", json!([])),
            ("output", json!([{"type": "message", "content": [{"type": "refusal", "refusal": "no"}]}])),
        ] {
            let mut answer = answer();
            answer[name] = value;
            assert!(!cached::is_whole(Dialect::Responses, &answer), "{answer}");
        }
        for end in ["response.incomplete", "response.failed", "error"] {
            let mut assembler = Assembler::new(Dialect::Responses);
            assembler.event(format!("data: {}\n\n", json!({"type": end, "response": answer()})).as_bytes());
            assert_eq!(assembler.finish(), None);
        }
    }

    #[test]
    fn an_answer_of_text_alone_has_a_text() {
        assert_eq!(cached::text(Dialect::Responses, &answer()).as_deref(), Some("Grüß dich"));
        assert_eq!(cached::text(Dialect::Responses, &call()), None);
    }

    #[test]
    fn a_kept_answer_is_made_one_of_now() {
        let mut answer = answer();
        cached::refresh(Dialect::Responses, &mut answer, "abc", 77);
        assert_eq!((&answer["id"], &answer["created_at"]), (&json!("resp_abc"), &json!(77)));
        assert_eq!(answer.get("completed_at"), None);
    }
}
