//! How hard a model can be told to think, by its name.

use crate::translate::neutral::{Effort, Reasoning};

/// What becomes of a wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::translate) enum Wish {
    /// To be asked for by this word.
    Word(&'static str),
    /// It is what the model does by itself.
    ByItself,
    /// The model cannot be told.
    Refused,
}

/// What a model is to be told.
pub(in crate::translate) fn effort(reasoning: &Reasoning<'_>, model: &str) -> Wish {
    let model = Model::of(model);
    if reasoning.off {
        return if model.takes_no_effort() { Wish::Word("none") } else { Wish::Refused };
    }
    let effort = match (reasoning.effort, reasoning.budget) {
        (Some(effort), _) => effort,
        // As much as the model finds right is what it does by itself.
        (None, Some(budget)) if !reasoning.adaptive => Effort::of_budget(budget),
        (None, _) => return Wish::ByItself,
    };
    let word = match effort {
        Effort::Max => Effort::XHigh.as_str(),
        effort => effort.as_str(),
    };
    if model.takes_effort() { Wish::Word(word) } else { Wish::Refused }
}

/// Whether a model thinks, and can be told how.
pub(in crate::translate) fn thinks(model: &str) -> bool {
    Model::of(model).takes_effort()
}

/// What the name of a model tells.
struct Model {
    /// Without what stands before it in names of other gateways (`openai/`) and of tuned models (`ft:`).
    name: String,
}

impl Model {
    fn of(name: &str) -> Self {
        let name = name.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
        Self { name: name.strip_prefix("ft:").unwrap_or(&name).to_owned() }
    }

    /// Whether it knows `reasoning_effort`. The list of models that do not is closed; others may know it.
    fn takes_effort(&self) -> bool {
        let is_chat = self.name.starts_with("gpt-5") && self.name.contains("-chat");
        !is_chat && !["gpt-3", "gpt-4", "chatgpt"].iter().any(|start| self.name.starts_with(start))
    }

    /// Whether it can be told not to think, as GPT-5.1 and what came after it.
    fn takes_no_effort(&self) -> bool {
        let version = self.name.strip_prefix("gpt-5.").and_then(|version| version.chars().next());
        self.takes_effort() && version.is_some_and(|digit| matches!(digit, '1'..='9'))
    }
}
