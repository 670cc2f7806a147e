//! Where the parts of a chat stand in its body.

use crate::Dialect;

/// The names of a request's fields in one dialect.
#[derive(Debug)]
pub(crate) struct Layout {
    /// What was said, as a list.
    pub(crate) turns: &'static str,
    /// Whether a text may stand in place of that list.
    pub(crate) turns_may_be_text: bool,
    /// What a turn says: a text, or a list of parts.
    pub(crate) parts: &'static str,
    /// What the operator of the application says.
    pub(crate) system: &'static [&'static str],
    /// The definitions of tools.
    pub(crate) tools: &'static [&'static str],
    /// What holds the schema of the answer.
    pub(crate) format: &'static str,
    /// The object in which the settings of sampling stand; empty: the body itself.
    pub(crate) settings: &'static [&'static str],
    /// How many answers are asked for.
    pub(crate) choices: &'static [&'static str],
    /// What caps an answer, among the settings.
    pub(crate) caps: &'static [&'static str],
}

const CHAT: Layout = Layout {
    turns: "messages",
    turns_may_be_text: false,
    parts: "content",
    system: &["system"],
    tools: &["tools", "functions"],
    format: "response_format",
    settings: &[],
    choices: &["n"],
    caps: &["max_completion_tokens", "max_tokens"],
};

const RESPONSES: Layout = Layout {
    turns: "input",
    turns_may_be_text: true,
    parts: "content",
    system: &["instructions"],
    tools: &["tools"],
    format: "text",
    settings: &[],
    choices: &[],
    caps: &["max_output_tokens"],
};

/// Google's servers take every name in either form.
const GEMINI: Layout = Layout {
    turns: "contents",
    turns_may_be_text: true,
    parts: "parts",
    system: &["systemInstruction", "system_instruction"],
    tools: &["tools"],
    format: "generationConfig",
    settings: &["generationConfig", "generation_config"],
    choices: &["candidateCount", "candidate_count"],
    caps: &["maxOutputTokens", "max_output_tokens"],
};

const CONVERSE: Layout = Layout {
    turns: "messages",
    turns_may_be_text: false,
    parts: "content",
    system: &["system"],
    tools: &["toolConfig"],
    format: "outputConfig",
    settings: &["inferenceConfig"],
    choices: &[],
    caps: &["maxTokens"],
};

impl Layout {
    /// That of a dialect.
    pub(crate) fn of(dialect: Dialect) -> &'static Self {
        match dialect {
            Dialect::OpenAi
            | Dialect::Anthropic
            | Dialect::Cohere
            | Dialect::Invoke
            | Dialect::RawPredict => &CHAT,
            Dialect::Responses => &RESPONSES,
            Dialect::Gemini => &GEMINI,
            Dialect::Converse => &CONVERSE,
        }
    }
}
