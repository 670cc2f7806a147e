//! What a client asks for.

use super::Text;
use crate::translate::raw::Object;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// A request, borrowed from the client's body.
#[derive(Debug, Default)]
pub(in crate::translate) struct Request<'a> {
    pub(in crate::translate) model: Option<Text<'a>>,
    pub(in crate::translate) stream: bool,
    /// Whether the client reads the usage of a stream. In dialects that always tell it: true.
    pub(in crate::translate) include_usage: bool,
    /// The conversation, with what the system says where it stood.
    pub(in crate::translate) turns: Vec<Turn<'a>>,
    pub(in crate::translate) tools: Vec<Tool<'a>>,
    pub(in crate::translate) choice: Option<Choice<'a>>,
    /// Whether one answer may call several tools; `None`: as the provider has it.
    pub(in crate::translate) parallel_calls: Option<bool>,
    pub(in crate::translate) settings: Vec<Setting<'a>>,
    /// Fields of the body that the client's dialect does not define.
    pub(in crate::translate) rest: Object<'a>,
}

impl<'a> Request<'a> {
    /// The limit of generated tokens, if the client sets one.
    pub(in crate::translate) fn max_tokens(&self) -> Option<u64> {
        self.settings.iter().find_map(|setting| match setting.want {
            Want::MaxTokens(tokens) => Some(tokens),
            _ => None,
        })
    }
}

/// One thing that a client wants of the answer.
#[derive(Debug)]
pub(in crate::translate) struct Setting<'a> {
    /// The field of the client's body, to be named where it cannot be carried.
    pub(in crate::translate) path: &'static str,
    pub(in crate::translate) want: Want<'a>,
}

/// What a client can want. Readers leave out what asks for nothing that would not hold without it (`n: 1`, a penalty of 0).
#[derive(Debug)]
pub(in crate::translate) enum Want<'a> {
    MaxTokens(u64),
    /// From 0 to 2 in most dialects, to 1 in Anthropic's.
    Temperature(&'a RawValue),
    TopP(&'a RawValue),
    TopK(&'a RawValue),
    Stop(Vec<Text<'a>>),
    Seed(&'a RawValue),
    /// Several answers to one request.
    Choices(&'a RawValue),
    PresencePenalty(&'a RawValue),
    FrequencyPenalty(&'a RawValue),
    /// By OpenAI's tokens.
    LogitBias(&'a RawValue),
    /// How likely tokens are; `top`: of so many others too.
    Logprobs {
        top: Option<&'a RawValue>,
    },
    Format(Format<'a>),
    Reasoning(Reasoning<'a>),
    /// How much is said: OpenAI's `verbosity`.
    Verbosity(Text<'a>),
    /// Whom the request is for, so that the provider can tell its end users apart.
    User(Text<'a>),
    /// Labels that the provider keeps with the request.
    Labels(&'a RawValue),
    /// The service tier, in the words of the client's dialect.
    Tier(Text<'a>),
    /// Whether the provider keeps the answer.
    Store(&'a RawValue),
    /// A hint for the provider's prompt cache: which requests share a beginning, or for how long it is kept.
    CacheHint,
    /// What is likely to be answered: OpenAI's `prediction`.
    Prediction(&'a RawValue),
    /// Sound or pictures in the answer.
    Modalities(&'a RawValue),
    /// A search of the web by the provider: OpenAI's `web_search_options`.
    WebSearch(&'a RawValue),
    /// Something that only the client's dialect knows and that shapes the answer. `what`: why no other has it.
    Own {
        what: &'static str,
    },
    /// The same, but it changes nothing in the answer.
    OwnLabel,
}

/// The form of the answer.
#[derive(Debug)]
pub(in crate::translate) enum Format<'a> {
    /// Any JSON object.
    Json,
    /// JSON by a schema. Dialects that name schemas get `name`, or `answer`.
    Schema {
        schema: &'a RawValue,
        name: Option<Text<'a>>,
        description: Option<Text<'a>>,
        strict: Option<bool>,
    },
}

/// How the model is to think before it answers.
#[derive(Debug, Default)]
pub(in crate::translate) struct Reasoning<'a> {
    /// Not at all.
    pub(in crate::translate) off: bool,
    /// As much as the model finds right.
    pub(in crate::translate) adaptive: bool,
    pub(in crate::translate) effort: Option<Effort>,
    /// The most tokens of thinking.
    pub(in crate::translate) budget: Option<u64>,
    /// Whether, and how, the client wants to read what was thought: OpenAI's `summary`, Gemini's `includeThoughts`.
    pub(in crate::translate) shown: Option<Text<'a>>,
}

/// How hard to think, from the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::translate) enum Effort {
    Minimal,
    Low,
    Medium,
    High,
    XHigh,
    Max,
}

impl Effort {
    pub(in crate::translate) const ALL: [Self; 6] =
        [Self::Minimal, Self::Low, Self::Medium, Self::High, Self::XHigh, Self::Max];

    pub(in crate::translate) fn as_str(self) -> &'static str {
        match self {
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::XHigh => "xhigh",
            Self::Max => "max",
        }
    }

    pub(in crate::translate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|effort| effort.as_str() == name)
    }

    /// The effort that comes nearest to a budget: the same shares of an answer's limit by which efforts become budgets.
    pub(in crate::translate) fn of_budget(tokens: u64) -> Self {
        match tokens {
            0..=1_024 => Self::Low,
            1_025..=8_192 => Self::Medium,
            _ => Self::High,
        }
    }

    /// The budget that comes nearest to an effort, in tokens.
    pub(in crate::translate) fn budget(self) -> u64 {
        match self {
            Self::Minimal => 512,
            Self::Low => 1_024,
            Self::Medium => 8_192,
            Self::High => 24_576,
            Self::XHigh | Self::Max => 32_768,
        }
    }
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::translate) enum Role {
    /// The operator of the application. OpenAI's `developer` too.
    System,
    /// The user; results of tools too.
    User,
    /// The model.
    Assistant,
}

/// What somebody says at a time.
#[derive(Debug)]
pub(in crate::translate) struct Turn<'a> {
    pub(in crate::translate) role: Role,
    pub(in crate::translate) place: Place,
    /// OpenAI's `name` of a participant.
    pub(in crate::translate) name: Option<Text<'a>>,
    pub(in crate::translate) parts: Vec<Part<'a>>,
    /// Fields that the client's dialect does not define.
    pub(in crate::translate) rest: Object<'a>,
}

/// A part of what is said.
#[derive(Debug)]
pub(in crate::translate) struct Part<'a> {
    pub(in crate::translate) kind: PartKind<'a>,
    pub(in crate::translate) place: Place,
    /// A mark up to which the provider is to keep the prompt: Anthropic's `cache_control`.
    pub(in crate::translate) cache: Option<&'a RawValue>,
    /// Fields that the client's dialect does not define.
    pub(in crate::translate) rest: Object<'a>,
}

/// What a part is.
#[derive(Debug)]
pub(in crate::translate) enum PartKind<'a> {
    Text(Text<'a>),
    /// A text by which the model has refused.
    Refusal(Text<'a>),
    Image {
        source: Source<'a>,
        /// How closely it is looked at: OpenAI's `detail`.
        detail: Option<Text<'a>>,
    },
    Document {
        source: Source<'a>,
        title: Option<Text<'a>>,
    },
    Audio {
        /// `wav` or `mp3`.
        format: Text<'a>,
        /// Base64.
        data: Text<'a>,
    },
    Thinking {
        text: Text<'a>,
        signature: Option<Text<'a>>,
    },
    SealedThinking(Text<'a>),
    /// A call of a tool. `arguments`: a JSON object.
    Call {
        id: Text<'a>,
        name: Text<'a>,
        arguments: Cow<'a, str>,
    },
    /// What a tool gave back for a call.
    Result {
        id: Text<'a>,
        parts: Vec<Part<'a>>,
        is_error: bool,
    },
    /// A kind that the client's dialect does not define: it goes to the provider as it came.
    Unknown(&'a RawValue),
    /// A kind of the client's dialect that no other has. `what`: its name.
    Own {
        what: Cow<'a, str>,
    },
}

/// Where the bytes of an image or a document are.
#[derive(Debug)]
pub(in crate::translate) enum Source<'a> {
    Url(Text<'a>),
    Base64 {
        /// In lower case, as `image/png`.
        media_type: Cow<'a, str>,
        data: Text<'a>,
    },
    /// A document of plain text.
    Text(Text<'a>),
    /// A file that is kept at the provider, by its id.
    File(Text<'a>),
}

/// A tool that the model may call.
#[derive(Debug)]
pub(in crate::translate) enum Tool<'a> {
    Function {
        name: Text<'a>,
        description: Option<Text<'a>>,
        /// A JSON schema; `None`: there are no parameters.
        schema: Option<&'a RawValue>,
        strict: Option<bool>,
        cache: Option<&'a RawValue>,
        rest: Object<'a>,
    },
    /// A tool that the provider of the client's dialect runs itself. `kind`: its name there.
    Hosted { kind: Cow<'a, str>, value: &'a RawValue },
}

/// The schema of a tool that takes nothing.
pub(in crate::translate) const NO_PARAMETERS: &str = r#"{"type":"object","properties":{}}"#;

/// Which tool the model is to call.
#[derive(Debug)]
pub(in crate::translate) enum Choice<'a> {
    /// Whichever it wants, or none.
    Auto,
    None,
    /// One at least.
    Any,
    Tool(Text<'a>),
    /// One of these, or none unless `required`.
    Of {
        names: Vec<Text<'a>>,
        required: bool,
    },
}

/// Where something stands in the client's body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::translate) struct Place {
    /// The list of turns, and the number in it.
    pub(in crate::translate) turns: &'static str,
    pub(in crate::translate) turn: Option<usize>,
    /// The list of parts in a turn, and the number in it.
    pub(in crate::translate) parts: &'static str,
    pub(in crate::translate) part: Option<usize>,
    /// The number in the content of that part, where it is the result of a tool.
    pub(in crate::translate) within: Option<usize>,
    /// The field there that holds what it is, as in `image_url.url`. Empty: it has no such.
    pub(in crate::translate) inside: &'static str,
}

impl Place {
    /// The path of the field that holds what it is.
    pub(in crate::translate) fn path(self) -> String {
        if self.inside.is_empty() { self.to_string() } else { self.field(self.inside) }
    }

    /// The path of a field beside that one.
    pub(in crate::translate) fn beside(self, name: &str) -> String {
        match self.inside.rsplit_once('.') {
            Some((object, _)) => self.field(&format!("{object}.{name}")),
            None => self.field(name),
        }
    }

    /// The path of a field here.
    pub(in crate::translate) fn field(self, name: &str) -> String {
        format!("{self}.{name}")
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.turns)?;
        if let Some(turn) = self.turn {
            write!(f, "[{turn}]")?;
        }
        if let Some(part) = self.part {
            let dot = if self.parts.is_empty() { "" } else { "." };
            write!(f, "{dot}{}[{part}]", self.parts)?;
        }
        if let Some(within) = self.within {
            write!(f, ".content[{within}]")?;
        }
        Ok(())
    }
}
