//! The messages.
//!
//! Anthropic knows two roles, `user` and `assistant`. What OpenAI's `system` and `developer` messages say
//! goes to the top-level `system`, wherever in the conversation they stand; a `tool` message becomes a `tool_result`
//! block of a user message. Neighbours of the same role become one message, with the blocks of all.

use super::content::{Block, Place};
use crate::translate::gemini;
use crate::translate::raw::{self, Object};
use crate::translate::{Error, Report};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The conversation as the provider wants it. Both are the insides of JSON arrays.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    pub(super) system: Vec<u8>,
    pub(super) messages: Vec<u8>,
    /// The conversation goes on after a tool call whose thinking was not sent back.
    pub(super) lacks_thinking: bool,
}

/// Translates the list of messages. `system` is the provider's own field, should the client send it.
pub(super) fn translate(
    messages: &RawValue,
    system: Option<&RawValue>,
    report: &mut Report,
) -> Result<Conversation, Error> {
    let Some(list) = raw::array(messages) else {
        return Err(Error::invalid("messages", "an array is expected"));
    };
    let mut writer = Writer::new(messages.get().len(), report);
    if let Some(system) = system {
        writer.own_system(system)?;
    }
    for (index, message) in list.into_iter().enumerate() {
        writer.message(index, message)?;
    }
    writer.finish()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    User,
    Assistant,
}

struct Writer<'a, 'r> {
    out: Conversation,
    report: &'r mut Report,
    /// The role of the message that is being written, if one is.
    role: Option<Role>,
    /// Unknown fields of that message.
    rest: Vec<(Cow<'a, str>, &'a RawValue)>,
    /// The last block, if it is a text, and where it starts.
    last_text: Option<(usize, Block<'a>)>,
}

impl<'a, 'r> Writer<'a, 'r> {
    fn new(size: usize, report: &'r mut Report) -> Self {
        let messages = Vec::with_capacity(size + size / 8);
        let out = Conversation { messages, ..Conversation::default() };
        Self { out, report, role: None, rest: Vec::new(), last_text: None }
    }

    fn message(&mut self, index: usize, message: &'a RawValue) -> Result<(), Error> {
        let Some(mut message) = Object::open(message) else {
            return Err(Error::invalid(format!("messages[{index}]"), "an object is expected"));
        };
        let Some(role) = message.take("role").and_then(raw::string) else {
            return Err(Error::invalid(format!("messages[{index}].role"), "a string is expected"));
        };
        if message.take("name").is_some() && role != "tool" {
            self.report.left_out(format!("messages[{index}].name"));
        }
        match role.as_ref() {
            "system" | "developer" => self.system(index, message),
            "user" => self.user(index, message),
            "assistant" => self.assistant(index, message),
            "tool" => self.tool(index, message),
            "function" => Err(Error::unsupported(
                format!("messages[{index}].role"),
                "function messages name no call; use tool messages",
            )),
            _ => Err(Error::invalid(
                format!("messages[{index}].role"),
                "one of system, developer, user, assistant and tool is expected",
            )),
        }
    }

    fn system(&mut self, index: usize, mut message: Object<'a>) -> Result<(), Error> {
        for block in self.content(index, &mut message)? {
            if !self.out.system.is_empty() {
                self.out.system.push(b',');
            }
            block.write(&mut self.out.system);
        }
        Ok(())
    }

    fn own_system(&mut self, system: &'a RawValue) -> Result<(), Error> {
        let out = &mut self.out.system;
        if raw::is_string(system) {
            if let Some(block) = Block::text(system, Object::default()) {
                block.write(out);
            }
            return Ok(());
        }
        let inside = system.get().strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        match inside {
            Some(inside) => out.extend_from_slice(inside.trim().as_bytes()),
            None => return Err(Error::invalid("system", "a string or an array is expected")),
        }
        Ok(())
    }

    fn user(&mut self, index: usize, mut message: Object<'a>) -> Result<(), Error> {
        let blocks = self.content(index, &mut message)?;
        self.out.lacks_thinking &= blocks.is_empty();
        self.blocks(Role::User, blocks);
        self.keep_rest(message);
        Ok(())
    }

    fn assistant(&mut self, index: usize, mut message: Object<'a>) -> Result<(), Error> {
        let mut thinking = message.take("thinking_blocks").and_then(raw::array).unwrap_or_default();
        let all = thinking.len();
        thinking.retain(|block| !is_signed_by_another(block));
        if thinking.len() < all {
            self.report.left_out(format!("messages[{index}].thinking_blocks"));
        }
        // Thinking without its signature is refused by the provider.
        for name in ["reasoning_content", "reasoning", "reasoning_details"] {
            if message.take(name).is_some() && thinking.is_empty() {
                self.report.left_out(format!("messages[{index}].{name}"));
            }
        }
        // What answers carry but requests do not.
        for name in ["annotations", "citations"] {
            message.take(name);
        }
        for name in ["audio", "function_call"] {
            if message.take(name).is_some() {
                self.report.unsupported(format!("messages[{index}].{name}"), "its API has no such thing")?;
            }
        }
        for block in &thinking {
            self.thinking_block(index, block)?;
        }
        let blocks = if message.get("content").is_some() {
            self.content(index, &mut message)?
        } else {
            message.take("content");
            Vec::new()
        };
        self.blocks(Role::Assistant, blocks);
        if let Some(refusal) = message.take("refusal").filter(|refusal| raw::is_string(refusal)) {
            self.blocks(Role::Assistant, Block::text(refusal, Object::default()));
        }
        let calls = message.take("tool_calls").and_then(raw::array).unwrap_or_default();
        for (at, call) in calls.iter().enumerate() {
            self.tool_call(&format!("messages[{index}].tool_calls[{at}]"), call)?;
        }
        self.out.lacks_thinking = !calls.is_empty() && thinking.is_empty();
        self.keep_rest(message);
        Ok(())
    }

    /// Writes a block of `thinking_blocks`: Anthropic's own, with the `index` of streamed ones.
    fn thinking_block(&mut self, index: usize, block: &'a RawValue) -> Result<(), Error> {
        let path = || format!("messages[{index}].thinking_blocks");
        let Some(mut block) = Object::open(block) else {
            return Err(Error::invalid(path(), "an array of objects is expected"));
        };
        let Some(kind) = block.take("type") else {
            return Err(Error::invalid(path(), "a type is expected in each object"));
        };
        block.take("index");
        let out = self.block(Role::Assistant);
        out.extend_from_slice(br#"{"type":"#);
        raw::write_raw(out, kind);
        block.write_rest(out);
        out.push(b'}');
        Ok(())
    }

    fn tool_call(&mut self, path: &str, call: &'a RawValue) -> Result<(), Error> {
        let Some(mut call) = Object::open(call) else {
            return Err(Error::invalid(path, "an object is expected"));
        };
        let kind = call.take("type").and_then(raw::string);
        if let Some(kind) = kind.filter(|kind| kind != "function") {
            return Err(Error::unsupported(format!("{path}.{kind}"), "only function calls are"));
        }
        call.remove(&["index", "name", "input"]);
        let Some(id) = call.take("id").and_then(raw::string) else {
            return Err(Error::invalid(format!("{path}.id"), "a string is expected"));
        };
        let mut function = call.take("function").and_then(Object::open).unwrap_or_default();
        let Some(name) = function.take("name").filter(|name| raw::is_string(name)) else {
            return Err(Error::invalid(format!("{path}.function.name"), "a string is expected"));
        };
        let arguments = function.take("arguments");
        let Some(input) = tool_input(arguments) else {
            return Err(Error::unsupported(
                format!("{path}.function.arguments"),
                "a string that holds a JSON object is expected",
            ));
        };
        let out = self.block(Role::Assistant);
        out.extend_from_slice(br#"{"type":"tool_use","id":"#);
        raw::write_string(out, &tool_id(&id));
        out.extend_from_slice(br#","name":"#);
        raw::write_raw(out, name);
        out.extend_from_slice(br#","input":"#);
        out.extend_from_slice(input.as_bytes());
        call.write_rest(out);
        out.push(b'}');
        Ok(())
    }

    fn tool(&mut self, index: usize, mut message: Object<'a>) -> Result<(), Error> {
        let Some(id) = message.take("tool_call_id").and_then(raw::string) else {
            return Err(Error::invalid(format!("messages[{index}].tool_call_id"), "a string is expected"));
        };
        // On a tool message it marks the result, not the text within.
        let cache_control = message.take("cache_control");
        let blocks = self.content(index, &mut message)?;
        message.remove(&["type", "tool_use_id"]);
        let out = self.block(Role::User);
        out.extend_from_slice(br#"{"type":"tool_result","tool_use_id":"#);
        raw::write_string(out, &tool_id(&id));
        if !blocks.is_empty() {
            out.extend_from_slice(br#","content":["#);
            for (at, block) in blocks.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                block.write(out);
            }
            out.push(b']');
        }
        if let Some(cache_control) = cache_control {
            out.extend_from_slice(br#","cache_control":"#);
            raw::write_raw(out, cache_control);
        }
        message.write_rest(out);
        out.push(b'}');
        Ok(())
    }

    /// Reads the content: a string, or a list of parts.
    fn content(&mut self, index: usize, message: &mut Object<'a>) -> Result<Vec<Block<'a>>, Error> {
        let content = message.take("content");
        let path = || format!("messages[{index}].content");
        let Some(content) = content else {
            return Err(Error::invalid(path(), "a string or an array is expected"));
        };
        if raw::is_string(content) {
            // A string has no place for a cache mark of its own, so that clients put it on the message.
            let mark = Object::from_fields(message.take_entry("cache_control").into_iter().collect());
            return Ok(Block::text(content, mark).into_iter().collect());
        }
        let Some(parts) = raw::array(content) else {
            return Err(Error::invalid(path(), "a string or an array is expected"));
        };
        let mut blocks = Vec::with_capacity(parts.len());
        for (part, value) in parts.into_iter().enumerate() {
            blocks.extend(Block::read(value, Place { message: index, part }, self.report)?);
        }
        Ok(blocks)
    }

    fn blocks(&mut self, role: Role, blocks: impl IntoIterator<Item = Block<'a>>) {
        for block in blocks {
            let out = self.block(role);
            let start = out.len();
            block.write(out);
            if matches!(block, Block::Text { .. }) {
                self.last_text = Some((start, block));
            }
        }
    }

    /// Makes room for a block in a message of that role, and gives the buffer to write it to.
    fn block(&mut self, role: Role) -> &mut Vec<u8> {
        self.last_text = None;
        if self.role == Some(role) {
            self.out.messages.push(b',');
        } else {
            self.close();
            let opening: &[u8] = match role {
                Role::User => br#"{"role":"user","content":["#,
                Role::Assistant => br#"{"role":"assistant","content":["#,
            };
            self.out.messages.extend_from_slice(opening);
            self.role = Some(role);
        }
        &mut self.out.messages
    }

    /// Keeps unknown fields for the end of the message. One that said nothing is left out with its fields.
    fn keep_rest(&mut self, message: Object<'a>) {
        if self.role.is_some() && !message.is_empty() {
            self.rest.append(&mut message.into_fields());
        }
    }

    fn close(&mut self) {
        if self.role.take().is_some() {
            let rest = Object::from_fields(std::mem::take(&mut self.rest));
            self.out.messages.push(b']');
            rest.write_rest(&mut self.out.messages);
            self.out.messages.extend_from_slice(b"},");
        }
    }

    fn finish(mut self) -> Result<Conversation, Error> {
        if self.role == Some(Role::Assistant) {
            self.trim_last_text();
        }
        self.close();
        self.out.messages.pop();
        if self.out.messages.is_empty() && !self.out.system.is_empty() {
            // The provider demands a message of the user's, which OpenAI does not.
            self.out.messages.extend_from_slice(br#"{"role":"user","content":["#);
            self.out.messages.append(&mut self.out.system);
            self.out.messages.extend_from_slice(b"]}");
        }
        Ok(self.out)
    }

    /// A last assistant message is the start of the answer; the provider refuses one that ends in white space.
    fn trim_last_text(&mut self) {
        let Some((start, Block::Text { text, rest })) = self.last_text.take() else { return };
        let Some(whole) = raw::string(text) else { return };
        let trimmed = whole.trim_end();
        if trimmed.len() < whole.len() {
            let out = &mut self.out.messages;
            out.truncate(start);
            out.extend_from_slice(br#"{"type":"text","text":"#);
            raw::write_string(out, trimmed);
            rest.write_rest(out);
            out.push(b'}');
        }
    }
}

/// Whether a block of thinking bears a signature of another provider's, which Anthropic refuses.
fn is_signed_by_another(block: &RawValue) -> bool {
    let signature = Object::open(block).and_then(|mut block| block.take("signature"));
    signature.and_then(raw::string).is_some_and(|signature| signature.starts_with(gemini::SIGNED))
}

/// The JSON object that a tool call's arguments hold. A call without arguments has an empty one.
fn tool_input(arguments: Option<&RawValue>) -> Option<Cow<'_, str>> {
    let Some(arguments) = arguments else { return Some(Cow::Borrowed("{}")) };
    if arguments.get().starts_with('{') {
        // Not OpenAI's form, but clients send it, and there is one way to read it.
        return Some(Cow::Borrowed(arguments.get()));
    }
    let text = raw::string(arguments)?;
    let object = text.trim();
    if object.is_empty() {
        return Some(Cow::Borrowed("{}"));
    }
    let is_object = object.starts_with('{') && serde_json::from_str::<&RawValue>(object).is_ok();
    is_object.then(|| Cow::Owned(object.to_owned()))
}

/// The id in the letters that Anthropic accepts. The same id always gives the same one, so that a call and its
/// result stay together.
fn tool_id(id: &str) -> Cow<'_, str> {
    let is_accepted = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
    if !id.is_empty() && id.chars().all(is_accepted) {
        return Cow::Borrowed(id);
    }
    let id: String = id.chars().map(|letter| if is_accepted(letter) { letter } else { '_' }).collect();
    Cow::Owned(if id.is_empty() { "_".to_owned() } else { id })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::translate::Unsupported;
    use serde_json::{Value, json};

    fn convert(messages: Value) -> (Value, Value, Vec<String>) {
        let text = messages.to_string();
        let mut report = Report::new(Unsupported::Reject);
        let out = translate(serde_json::from_str(&text).unwrap(), None, &mut report).unwrap();
        let list = |inside: Vec<u8>| {
            let text = format!("[{}]", String::from_utf8(inside).unwrap());
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
        };
        (list(out.system), list(out.messages), report.into_dropped())
    }

    fn fault(messages: Value) -> String {
        let text = messages.to_string();
        let mut report = Report::new(Unsupported::Reject);
        let error = translate(serde_json::from_str(&text).unwrap(), None, &mut report).unwrap_err();
        error.path().unwrap().to_owned()
    }

    #[test]
    fn system_messages_gather_in_order_wherever_they_stand() {
        let (system, messages, _) = convert(json!([
            {"role": "system", "content": "a"},
            {"role": "user", "content": "b"},
            {"role": "developer", "content": [
                {"type": "text", "text": "c", "cache_control": {"type": "ephemeral"}}, {"type": "text", "text": ""},
            ]},
            {"role": "user", "content": "d"},
        ]));
        assert_eq!(
            system,
            json!([
                {"type": "text", "text": "a"},
                {"type": "text", "text": "c", "cache_control": {"type": "ephemeral"}},
            ])
        );
        assert_eq!(
            messages,
            json!([
                {"role": "user", "content": [{"type": "text", "text": "b"}, {"type": "text", "text": "d"}]},
            ])
        );
    }

    #[test]
    fn tool_results_and_what_follows_are_one_user_message() {
        let call = |id: &str, arguments: &str| {
            json!({
                "id": id, "type": "function", "index": 0, "function": {"name": "f", "arguments": arguments},
            })
        };
        let (_, messages, dropped) = convert(json!([
            {"role": "user", "content": "q"},
            {"role": "assistant", "content": null, "tool_calls": [call("call_1", "{\"x\": 1.50}"), call("f:2", "")]},
            {"role": "tool", "tool_call_id": "call_1", "name": "f", "content": "one", "cache_control": {"type": "x"}},
            {"role": "tool", "tool_call_id": "f:2", "content": [{"type": "text", "text": "two"}]},
            {"role": "user", "content": "go on"},
        ]));
        assert_eq!(
            messages,
            json!([
                {"role": "user", "content": [{"type": "text", "text": "q"}]},
                {"role": "assistant", "content": [
                    {"type": "tool_use", "id": "call_1", "name": "f", "input": {"x": 1.5}},
                    {"type": "tool_use", "id": "f_2", "name": "f", "input": {}},
                ]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "call_1", "content": [{"type": "text", "text": "one"}],
                     "cache_control": {"type": "x"}},
                    {"type": "tool_result", "tool_use_id": "f_2", "content": [{"type": "text", "text": "two"}]},
                    {"type": "text", "text": "go on"},
                ]},
            ])
        );
        assert_eq!(dropped, [""; 0]);
    }

    #[test]
    fn arguments_keep_their_numbers() {
        let text = r#"[{"role":"assistant","tool_calls":[{"id":"a","function":{"name":"f",
            "arguments":"{\"n\": 123456789012345678901234567890, \"f\":1.10}"}}]}]"#;
        let mut report = Report::new(Unsupported::Reject);
        let out = translate(serde_json::from_str(text).unwrap(), None, &mut report).unwrap();
        let messages = String::from_utf8(out.messages).unwrap();
        assert!(
            messages.contains(r#""input":{"n": 123456789012345678901234567890, "f":1.10}"#),
            "{messages}"
        );
    }

    #[test]
    fn thinking_goes_back_first() {
        let thinking = json!({"index": 0, "type": "thinking", "thinking": "hm", "signature": "s="});
        let (_, messages, dropped) = convert(json!([
            {"role": "assistant", "content": "a", "reasoning_content": "hm", "thinking_blocks": [thinking]},
            {"role": "assistant", "content": "b", "reasoning_content": "lost"},
        ]));
        assert_eq!(
            messages,
            json!([{"role": "assistant", "content": [
                {"type": "thinking", "thinking": "hm", "signature": "s="},
                {"type": "text", "text": "a"},
                {"type": "text", "text": "b"},
            ]}])
        );
        assert_eq!(dropped, ["messages[1].reasoning_content"]);
    }

    #[test]
    fn empty_messages_are_left_out_and_the_last_answer_is_trimmed() {
        let (_, messages, _) = convert(json!([
            {"role": "user", "content": "q "},
            {"role": "assistant", "content": ""},
            {"role": "user", "content": []},
            {"role": "assistant", "content": "The answer is: \n", "refusal": null, "tool_calls": null},
        ]));
        assert_eq!(
            messages,
            json!([
                {"role": "user", "content": [{"type": "text", "text": "q "}]},
                {"role": "assistant", "content": [{"type": "text", "text": "The answer is:"}]},
            ])
        );
        assert_eq!(convert(json!([])).1, json!([]));
    }

    #[test]
    fn system_messages_alone_are_the_users() {
        let (system, messages, _) = convert(json!([{"role": "system", "content": "Tell a joke."}]));
        let text = json!({"type": "text", "text": "Tell a joke."});
        assert_eq!((system, messages), (json!([]), json!([{"role": "user", "content": [text]}])));
    }

    #[test]
    fn a_field_in_the_wrong_place_does_not_take_that_of_another() {
        let (_, messages, _) = convert(json!([
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "no", "text": "x"}], "tool_calls": [
                {"id": "a", "name": "x", "input": "x", "function": {"name": "f", "arguments": "{}"}},
            ]},
            {"role": "tool", "tool_call_id": "a", "tool_use_id": "x", "type": "x", "content": "r"},
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://a"}, "source": "x"}]},
        ]));
        assert!(!messages.to_string().contains(r#""x""#), "{messages}");
    }

    #[test]
    fn unknown_fields_stay_and_names_are_reported() {
        let (_, messages, dropped) = convert(json!([
            {"role": "user", "name": "eve", "content": "q", "cache_control": {"type": "ephemeral"}, "new": 1},
        ]));
        assert_eq!(
            messages,
            json!([{
                "role": "user",
                "content": [{"type": "text", "text": "q", "cache_control": {"type": "ephemeral"}}],
                "new": 1,
            }])
        );
        assert_eq!(dropped, ["messages[0].name"]);
    }

    #[test]
    fn a_fault_is_named() {
        assert_eq!(fault(json!([1])), "messages[0]");
        assert_eq!(fault(json!([{"content": "a"}])), "messages[0].role");
        assert_eq!(fault(json!([{"role": "robot", "content": "a"}])), "messages[0].role");
        assert_eq!(fault(json!([{"role": "user"}])), "messages[0].content");
        assert_eq!(
            fault(json!([{"role": "user", "content": [{"type": "text"}]}])),
            "messages[0].content[0].text"
        );
        assert_eq!(
            fault(json!([{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}])),
            "messages[0].content[0].input_audio"
        );
        assert_eq!(fault(json!([{"role": "tool", "content": "a"}])), "messages[0].tool_call_id");
        for arguments in ["[1]", "{\"a\":", "1", "{} {}"] {
            assert_eq!(
                fault(json!([{"role": "assistant", "tool_calls": [
                    {"id": "a", "type": "function", "function": {"name": "f", "arguments": arguments}},
                ]}])),
                "messages[0].tool_calls[0].function.arguments"
            );
        }
    }
}
