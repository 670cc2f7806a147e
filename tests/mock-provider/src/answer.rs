//! What is answered, before any dialect is given to it.

use std::borrow::Cow;

use serde_json::Value;

use crate::sample::sample;
use crate::steering::{Steering, ToolWish};

/// Words that are one token each in OpenAI's encodings, at the start of a text and after a blank.
const WORDS: [&str; 16] = [
    "the", "water", "over", "stone", "and", "light", "on", "green", "field", "with", "open", "sky", "for",
    "long", "warm", "day",
];

/// Bytes of tool arguments that count as one token and are streamed as one event.
const ARGUMENT_PIECE: usize = 4;

/// What the tools setting of a request demands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ToolChoice {
    /// The model decides: it calls a tool when asked for the weather.
    Auto,
    /// Some tool must be called.
    Required,
    /// This tool must be called.
    Named(String),
    /// No tool may be called.
    Never,
}

/// What a request asks for, whatever its dialect.
#[derive(Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) dialect: &'static str,
    pub(crate) model: &'a str,
    /// The text of the last message if it is the user's own words.
    pub(crate) last_user_text: Option<String>,
    pub(crate) prompt_tokens: u64,
    /// Names and argument schemas.
    pub(crate) tools: Vec<(&'a str, &'a Value)>,
    pub(crate) tool_choice: ToolChoice,
    pub(crate) max_tokens: Option<u64>,
    /// The schema that the answer must obey; `null` where any JSON object will do.
    pub(crate) json_schema: Option<Cow<'a, Value>>,
}

/// Why an answer ended, in OpenAI's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finish(pub(crate) String);

/// One tool call.
#[derive(Debug)]
pub(crate) struct ToolCall {
    pub(crate) name: String,
    pub(crate) arguments: String,
}

impl ToolCall {
    /// The arguments in the pieces in which they are streamed, a token each.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = &str> {
        let mut rest = self.arguments.as_str();
        std::iter::from_fn(move || {
            let end =
                (ARGUMENT_PIECE..rest.len()).find(|end| rest.is_char_boundary(*end)).unwrap_or(rest.len());
            let (piece, after) = rest.split_at_checked(end)?;
            rest = after;
            (!piece.is_empty()).then_some(piece)
        })
    }

    /// One token for the name, one for each piece.
    pub(crate) fn tokens(&self) -> u64 {
        1 + self.pieces().count() as u64
    }
}

/// The tokens of an answer, as the usage block reports them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// All prompt tokens, whether cached or not.
    pub(crate) prompt: u64,
    pub(crate) cached: u64,
    pub(crate) cache_write: u64,
    /// All output tokens, reasoning included.
    pub(crate) output: u64,
    pub(crate) reasoning: u64,
}

/// An answer, to be rendered in a dialect.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) text: String,
    pub(crate) tools: Vec<ToolCall>,
    pub(crate) finish: Finish,
    pub(crate) usage: Usage,
    pub(crate) show_usage: bool,
}

impl Answer {
    /// Makes up an answer.
    pub(crate) fn to(ask: &Ask<'_>, steering: &Steering) -> Self {
        let tools = tool_calls(ask, steering);
        let mut text = match (&steering.text, steering.tokens) {
            (Some(text), _) => text.clone(),
            (None, Some(count)) => words(count),
            (None, None) if !tools.is_empty() => String::new(),
            (None, None) => default_text(ask),
        };
        let mut finish = if tools.is_empty() { "stop" } else { "tool_calls" };
        let room = ask.max_tokens.unwrap_or(u64::MAX);
        let reasoning = steering.reasoning.min(room);
        let mut text_tokens = pieces(&text).count() as u64;
        if text_tokens > room - reasoning {
            text_tokens = room - reasoning;
            text = pieces(&text).take(usize::try_from(text_tokens).unwrap_or(usize::MAX)).collect();
            finish = "length";
        }
        let tool_tokens: u64 = tools.iter().map(ToolCall::tokens).sum();
        let prompt = ask.prompt_tokens.max(steering.cached + steering.cache_write);
        Self {
            text,
            tools,
            finish: Finish(steering.finish.clone().unwrap_or_else(|| finish.to_owned())),
            usage: Usage {
                prompt,
                cached: steering.cached,
                cache_write: steering.cache_write,
                output: reasoning + text_tokens + tool_tokens,
                reasoning,
            },
            show_usage: !steering.no_usage,
        }
    }
}

fn tool_calls(ask: &Ask<'_>, steering: &Steering) -> Vec<ToolCall> {
    if !steering.tools.is_empty() {
        let call = |wish: &ToolWish| ToolCall { name: wish.name.clone(), arguments: wish.arguments.clone() };
        return steering.tools.iter().map(call).collect();
    }
    if steering.text.is_some() || steering.tokens.is_some() {
        return Vec::new();
    }
    let chosen = match &ask.tool_choice {
        ToolChoice::Never => None,
        ToolChoice::Required => ask.tools.first(),
        ToolChoice::Named(name) => ask.tools.iter().find(|(tool, _)| tool == name),
        ToolChoice::Auto => {
            let text = ask.last_user_text.as_deref().unwrap_or_default();
            ask.tools.first().filter(|_| text.to_lowercase().contains("weather"))
        }
    };
    let call = |(name, schema): &(&str, &Value)| ToolCall {
        name: (*name).to_owned(),
        arguments: sample(schema, "").to_string(),
    };
    chosen.map(call).into_iter().collect()
}

fn default_text(ask: &Ask<'_>) -> String {
    match ask.json_schema.as_deref() {
        Some(Value::Null) => r#"{"answer": "Hello from the mock"}"#.to_owned(),
        Some(schema) => sample(schema, "").to_string(),
        None => {
            let said = ask.last_user_text.as_deref().map_or(0, count_words);
            format!("Hello from the mock {} model {}: you said {said} words.", ask.dialect, ask.model)
        }
    }
}

/// A text of `count` tokens.
fn words(count: u64) -> String {
    let mut text = String::new();
    for word in WORDS.iter().cycle().take(usize::try_from(count).unwrap_or(usize::MAX)) {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(word);
    }
    text
}

/// What stands for reasoning of so many tokens, a word each.
pub(crate) fn thoughts(tokens: u64) -> String {
    thought_pieces(tokens).collect()
}

/// The same in the pieces in which it is streamed.
pub(crate) fn thought_pieces(tokens: u64) -> impl Iterator<Item = &'static str> {
    (0..tokens).map(|number| if number == 0 { "think" } else { " think" })
}

/// The pieces in which a text is streamed, a token each: a word and the blanks before it.
pub(crate) fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let word = rest.find(|c: char| !c.is_whitespace()).unwrap_or(rest.len());
        let after_word =
            rest.get(word..)?.find(char::is_whitespace).map_or(rest.len(), |length| word + length);
        let (piece, after) = rest.split_at_checked(after_word)?;
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

/// The words of a text, which is what the mock counts prompt tokens by.
pub(crate) fn count_words(text: &str) -> u64 {
    text.split_whitespace().count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_put_the_text_together_again() {
        for (text, count) in [("", 0), ("a", 1), (" a  b\nc ", 4), ("grüße dir", 2), ("   ", 1)] {
            assert_eq!(pieces(text).collect::<String>(), text);
            assert_eq!(pieces(text).count(), count, "{text:?}");
        }
    }

    #[test]
    fn argument_pieces_keep_characters_whole() {
        let call = ToolCall { name: "f".to_owned(), arguments: r#"{"a":"größe"}"#.to_owned() };
        assert_eq!(call.pieces().collect::<String>(), call.arguments);
        assert_eq!(ToolCall { name: "f".to_owned(), arguments: String::new() }.tokens(), 1);
    }

    #[test]
    fn a_text_has_as_many_pieces_as_tokens_wished() {
        for count in [0, 1, 16, 1000] {
            assert_eq!(pieces(&words(count)).count() as u64, count);
        }
    }
}
