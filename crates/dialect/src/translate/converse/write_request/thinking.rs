//! How hard the model is to think, in the words of its maker.
//!
//! It is a wish: the answer comes without it too, so that it is left out and named where it cannot be. Sources:
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-extended-thinking.html>,
//! <https://docs.aws.amazon.com/nova/latest/nova2-userguide/extended-thinking.html>.

use super::super::family::Family;
use super::config::Config;
use crate::translate::Report;
use crate::translate::messages::write_request::thinking::{Thinking, thinking};
use crate::translate::neutral::{Effort, Reasoning};
use crate::translate::raw::Object;

/// Fields by which the client says it itself, and more exactly.
const OWN: [&str; 4] = ["thinking", "reasoning_config", "reasoningConfig", "additionalModelRequestFields"];

/// What there is to know of a request, to write how it thinks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish<'m> {
    pub(super) family: Family,
    pub(super) model: &'m str,
    /// The client's limit of tokens, and the one that holds without.
    pub(super) limit: Option<u64>,
    pub(super) default_limit: u64,
    /// Whether something in the conversation keeps the model from thinking.
    pub(super) is_ruled_out: bool,
}

impl Wish<'_> {
    pub(super) fn write(self, config: &mut Config<'_>, rest: &Object<'_>, report: &mut Report) {
        let Some((path, wish)) = config.reasoning.take() else { return };
        if OWN.iter().any(|name| rest.get(name).is_some()) {
            return;
        }
        let is_written = match self.family {
            Family::Claude => wish.off || self.claude(&wish, config, rest),
            Family::Nova { thinks: true } => nova(&wish, config),
            Family::GptOss => gpt_oss(&wish, config),
            Family::Nova { .. } | Family::Cohere | Family::Hidden | Family::Other => wish.off,
        };
        if !is_written {
            report.left_out(path);
        }
    }

    /// Anthropic's models think where a request asks for it, and not along with what is ruled out here.
    fn claude(self, wish: &Reasoning<'_>, config: &mut Config<'_>, rest: &Object<'_>) -> bool {
        if self.is_ruled_out || config.is_sampled || rest.get("top_k").is_some() {
            return false;
        }
        let limit = self.limit.unwrap_or(self.default_limit);
        let fields = &mut config.model_fields;
        match thinking(wish, self.model, limit) {
            None => false,
            Some(Thinking::Adaptive(effort)) => {
                fields.json("thinking", r#"{"type":"adaptive"}"#);
                if let Some(effort) = effort {
                    fields.json("output_config", &format!(r#"{{"effort":"{effort}"}}"#));
                }
                true
            }
            Some(Thinking::Budget(tokens)) => {
                let budget = format!(r#"{{"type":"enabled","budget_tokens":{tokens}}}"#);
                fields.json("thinking", &budget);
                // The budget is a share of it.
                config.inference.json("maxTokens", &limit.to_string());
                true
            }
        }
    }
}

/// Amazon's models of the second generation. The highest effort goes with no limits.
fn nova(wish: &Reasoning<'_>, config: &mut Config<'_>) -> bool {
    if wish.off {
        return config.model_fields.json("reasoningConfig", r#"{"type":"disabled"}"#);
    }
    let limits = ["maxTokens", "temperature", "topP"];
    let is_limited = config.inference.names.iter().any(|name| limits.contains(name));
    let effort = wish.effort.or(wish.budget.map(Effort::of_budget)).unwrap_or(Effort::Medium);
    let effort = match effort {
        Effort::Minimal | Effort::Low => Effort::Low,
        Effort::High | Effort::XHigh | Effort::Max if !is_limited => Effort::High,
        _ => Effort::Medium,
    };
    let json = format!(r#"{{"type":"enabled","maxReasoningEffort":"{}"}}"#, effort.as_str());
    config.model_fields.json("reasoningConfig", &json)
}

/// OpenAI's open models, which always think.
fn gpt_oss(wish: &Reasoning<'_>, config: &mut Config<'_>) -> bool {
    let effort = match wish.effort.or(wish.budget.map(Effort::of_budget)) {
        _ if wish.off => return false,
        None => return wish.adaptive,
        Some(Effort::Minimal | Effort::Low) => Effort::Low,
        Some(Effort::Medium) => Effort::Medium,
        Some(Effort::High | Effort::XHigh | Effort::Max) => Effort::High,
    };
    config.model_fields.json("reasoning_effort", &format!("\"{}\"", effort.as_str()))
}
