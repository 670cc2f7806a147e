//! Counting a request.
//!
//! A provider does not bill the text alone: messages are framed by special tokens, and definitions of tools are
//! rewritten before a model sees them. The overheads are those of OpenAI's cookbook, "How to count tokens with
//! tiktoken" (<https://cookbook.openai.com/examples/how_to_count_tokens_with_tiktoken>).

use crate::encoding::{EXACT_BYTES, Encoding};
use crate::family::Counting;
use serde_json::Value;
use weirgate_dialect::prompt::{ImageDetail, Message, Prompt};

/// Tokens that frame each message.
const MESSAGE: usize = 3;
/// One more for a message with a name.
const NAME: usize = 1;
/// The answer is primed with `<|start|>assistant<|message|>`.
const PRIMING: usize = 3;
/// A call of a tool in a message: its frame.
const TOOL_CALL: usize = 3;

const PROPERTIES: usize = 3;
const PROPERTY: usize = 3;
const ENUM_ITEM: usize = 3;
/// An `enum` is written shorter than its description by this much.
const ENUM_SAVING: usize = 3;
const TOOLS_END: usize = 12;

/// An image looked at coarsely, and one of 1024 by 1024 pixels, by OpenAI's pricing of GPT-4o
/// (<https://platform.openai.com/docs/guides/images-vision>).
const IMAGE_LOW: usize = 85;
const IMAGE_HIGH: usize = 765;

/// A page of a PDF is billed as its text and its image, at 1,500 to 3,000 tokens for its text alone
/// (<https://docs.claude.com/en/docs/build-with-claude/pdf-support>); so many bytes make a token where pages are dense.
const FILE_BYTES: u64 = 16;
/// The least that a file has: a page.
const FILE_LEAST: u64 = 3_000;
/// What a file is taken to have of which only the name is known.
const FILE_NAMED: usize = 20_000;
/// Sound is billed by time, at 10 to 32 tokens a second (<https://ai.google.dev/gemini-api/docs/audio>); at 64 kbit a second
/// so many bytes make a token.
const SOUND_BYTES: u64 = 250;

/// Definitions of tools larger than this are counted as plain text, so that no tree of them is built.
const TOOLS_AS_TREE: usize = 256 << 10;

/// The number of tokens a prompt has for the model that is counted so.
pub fn count(prompt: &Prompt<'_>, counting: Counting) -> u64 {
    let mut counter = Counter::new(counting.encoding);
    for message in &prompt.messages {
        counter.message(message);
    }
    counter.tokens += PRIMING;
    if let Some(tools) = prompt.tools {
        counter.tools(tools);
    }
    if let Some(format) = prompt.response_format {
        counter.response_format(format);
    }
    counting.scale(counter.total())
}

/// The number of tokens in plain texts, as they are counted where nothing frames them.
pub fn count_texts<'a>(texts: impl IntoIterator<Item = &'a str>, counting: Counting) -> u64 {
    let mut counter = Counter::new(counting.encoding);
    texts.into_iter().for_each(|text| counter.text(text));
    counting.scale(counter.total())
}

struct Counter {
    encoding: Encoding,
    tokens: usize,
    exact_bytes: usize,
    exact_tokens: usize,
    rest_bytes: usize,
}

impl Counter {
    fn new(encoding: Encoding) -> Self {
        Self { encoding, tokens: 0, exact_bytes: 0, exact_tokens: 0, rest_bytes: 0 }
    }

    fn total(&self) -> usize {
        if self.rest_bytes == 0 {
            return self.tokens;
        }
        // One token in four bytes at least: a prompt cannot make its tail look free by a cheap beginning.
        let alike =
            (self.rest_bytes as f64 * self.exact_tokens as f64 / self.exact_bytes.max(1) as f64).ceil();
        self.tokens + (alike as usize).max(self.rest_bytes / 4)
    }

    fn text(&mut self, text: &str) {
        let room = EXACT_BYTES.saturating_sub(self.exact_bytes);
        let cut = text.floor_char_boundary(room);
        let (counted, rest) = text.split_at_checked(cut).unwrap_or((text, ""));
        let tokens = self.encoding.count(counted);
        self.tokens += tokens;
        self.exact_tokens += tokens;
        self.exact_bytes += counted.len();
        self.rest_bytes += rest.len();
    }

    fn message(&mut self, message: &Message<'_>) {
        self.tokens += MESSAGE + message.tool_calls * TOOL_CALL;
        self.text(&message.role);
        if let Some(name) = &message.name {
            self.tokens += NAME;
            self.text(name);
        }
        for text in &message.texts {
            self.text(text);
        }
        for image in &message.images {
            self.tokens += match image {
                ImageDetail::Low => IMAGE_LOW,
                ImageDetail::High => IMAGE_HIGH,
            };
        }
        if message.file_bytes > 0 {
            self.tokens += (message.file_bytes / FILE_BYTES).max(FILE_LEAST) as usize;
        }
        self.tokens += message.named_files * FILE_NAMED + message.sound_bytes.div_ceil(SOUND_BYTES) as usize;
    }

    fn tools(&mut self, json: &str) {
        let tree = (json.len() <= TOOLS_AS_TREE).then(|| serde_json::from_str(json).ok()).flatten();
        let tools = tree.as_ref().map(definitions).unwrap_or_default();
        if tools.is_empty() {
            if json.len() > 2 {
                self.text(json);
            }
            return;
        }
        for function in tools {
            self.tokens += match self.encoding {
                Encoding::O200k => 7,
                Encoding::Cl100k => 10,
            };
            let name = field(function, "name");
            self.text(&format!("{name}:{}", description(function)));
            let schema = SCHEMAS.iter().find_map(|name| function.pointer(name));
            if let Some(schema) = schema {
                self.properties(schema);
            }
        }
        self.tokens += TOOLS_END;
    }

    fn properties(&mut self, schema: &Value) {
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
        if properties.is_empty() {
            return;
        }
        self.tokens += PROPERTIES;
        for (name, property) in properties {
            self.tokens += PROPERTY;
            if let Some(items) = property.get("enum").and_then(Value::as_array) {
                self.tokens = self.tokens.saturating_sub(ENUM_SAVING);
                for item in items {
                    self.tokens += ENUM_ITEM;
                    match item {
                        Value::String(text) => self.text(text),
                        other => self.text(&other.to_string()),
                    }
                }
            }
            self.text(&format!("{name}:{}:{}", field(property, "type"), description(property)));
            self.properties(property);
            if let Some(items) = property.get("items") {
                self.properties(items);
            }
        }
    }

    fn response_format(&mut self, json: &str) {
        // Only a schema reaches the model.
        if json.contains("schema") || json.contains("Schema") {
            self.text(json);
        }
    }
}

/// Where the schema of a tool stands in its definition.
const SCHEMAS: [&str; 4] = ["/parameters", "/input_schema", "/parametersJsonSchema", "/inputSchema/json"];

/// The definitions of functions, wherever a dialect has them: OpenAI nests each, Gemini has lists of them in a list, Converse in an object.
fn definitions(tools: &Value) -> Vec<&Value> {
    let tools = tools.get("tools").unwrap_or(tools).as_array().map(Vec::as_slice).unwrap_or_default();
    let lists = ["functionDeclarations", "function_declarations"];
    let mut found = Vec::with_capacity(tools.len());
    for tool in tools {
        match lists.iter().find_map(|name| tool.get(name)).and_then(Value::as_array) {
            Some(functions) => found.extend(functions),
            None => found.push(tool.get("function").or_else(|| tool.get("toolSpec")).unwrap_or(tool)),
        }
    }
    found
}

fn field<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn description(value: &Value) -> &str {
    let text = field(value, "description");
    text.strip_suffix('.').unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use weirgate_dialect::prompt;

    fn tokens(body: &str, encoding: Encoding) -> u64 {
        count(
            &prompt::read(weirgate_dialect::Dialect::OpenAi, body.as_bytes()).unwrap(),
            Counting::exact(encoding),
        )
    }

    /// The example of OpenAI's cookbook, with the counts that its API returned.
    #[test]
    fn messages_count_as_in_openais_cookbook() {
        let body = r#"{"messages":[
            {"role":"system","content":"You are a helpful, pattern-following assistant that translates corporate jargon into plain English."},
            {"role":"system","name":"example_user","content":"New synergies will help drive top-line growth."},
            {"role":"system","name":"example_assistant","content":"Things working well together will increase revenue."},
            {"role":"system","name":"example_user","content":"Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage."},
            {"role":"system","name":"example_assistant","content":"Let's talk later when we're less busy about how to do better."},
            {"role":"user","content":"This late pivot means we don't have time to boil the ocean for the client deliverable."}]}"#;
        assert_eq!(tokens(body, Encoding::Cl100k), 129);
        assert_eq!(tokens(body, Encoding::O200k), 124);
    }

    /// The tool example of the same page: 105 tokens for GPT-4, 101 for GPT-4o.
    #[test]
    fn tools_count_as_in_openais_cookbook() {
        let body = r#"{"messages":[
            {"role":"system","content":"You are a helpful assistant that can answer to questions about the weather."},
            {"role":"user","content":"What's the weather like in San Francisco?"}],
          "tools":[{"type":"function","function":{"name":"get_current_weather",
            "description":"Get the current weather in a given location",
            "parameters":{"type":"object","properties":{
              "location":{"type":"string","description":"The city and state, e.g. San Francisco, CA"},
              "unit":{"type":"string","description":"The unit of temperature to return","enum":["celsius","fahrenheit"]}},
              "required":["location"]}}}]}"#;
        assert_eq!(tokens(body, Encoding::Cl100k), 105);
        assert_eq!(tokens(body, Encoding::O200k), 101);
    }

    #[test]
    fn a_long_prompt_is_counted_by_its_beginning() {
        let word = "big ";
        let words = EXACT_BYTES / word.len() * 2;
        let body = format!(r#"{{"messages":[{{"role":"user","content":"{}"}}]}}"#, word.repeat(words));
        let counted = tokens(&body, Encoding::O200k);
        let words = words as u64;
        assert!(counted.abs_diff(words) < words / 100, "{counted} of {words}");
    }

    #[test]
    fn a_file_and_sound_cost_by_their_size() {
        let part = |part: &str| {
            let body = format!(r#"{{"messages":[{{"role":"user","content":[{part}]}}]}}"#);
            tokens(&body, Encoding::O200k)
                - tokens(r#"{"messages":[{"role":"user","content":[]}]}"#, Encoding::O200k)
        };
        let data = "A".repeat(400_000);
        let pdf = part(&format!(r#"{{"type":"file","file":{{"file_data":"{data}"}}}}"#));
        assert_eq!(pdf, 300_000 / FILE_BYTES);
        assert_eq!(part(r#"{"type":"file","file":{"file_data":"AAAA"}}"#), FILE_LEAST);
        assert_eq!(part(r#"{"type":"file","file":{"file_id":"file-1"}}"#), FILE_NAMED as u64);
        let sound =
            part(&format!(r#"{{"type":"input_audio","input_audio":{{"data":"{data}","format":"mp3"}}}}"#));
        assert_eq!(sound, 300_000 / SOUND_BYTES);
    }

    #[test]
    fn an_image_costs_by_its_detail() {
        let body = |detail: &str| {
            format!(
                r#"{{"messages":[{{"role":"user","content":[{{"type":"image_url","image_url":{{"url":"data:x","detail":"{detail}"}}}}]}}]}}"#
            )
        };
        let difference = tokens(&body("high"), Encoding::O200k) - tokens(&body("low"), Encoding::O200k);
        assert_eq!(difference, 680);
    }
}
