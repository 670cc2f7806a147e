//! How hard the model is to think.
//!
//! Models from Claude 4.6 on decide by themselves how much to think, guided by `output_config.effort`; the newest
//! refuse a budget. Models before them take a budget of tokens only. See
//! <https://docs.claude.com/en/docs/build-with-claude/adaptive-thinking> and
//! <https://docs.claude.com/en/docs/build-with-claude/effort>.
//!
//! The budget is a share of the output limit, which at both vendors contains the reasoning. The shares are
//! OpenRouter's (<https://openrouter.ai/docs/use-cases/reasoning-tokens>).

use crate::translate::neutral::{Effort, Reasoning};

/// The least budget that the provider takes.
const LEAST_BUDGET: u64 = 1024;

/// What to ask the provider for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::translate) enum Thinking {
    /// `thinking: {type: adaptive}`, with this effort if one is asked for.
    Adaptive(Option<&'static str>),
    /// `thinking: {type: enabled}` with this many tokens.
    Budget(u64),
}

/// What a model takes for a wish; `None` where it takes nothing, or the output limit leaves no room.
pub(in crate::translate) fn thinking(wish: &Reasoning<'_>, model: &str, max_tokens: u64) -> Option<Thinking> {
    let effort = wish.effort.or(wish.budget.map(Effort::of_budget));
    match Generation::of(model) {
        Generation::NoThinking => None,
        Generation::Budget if max_tokens <= LEAST_BUDGET => None,
        Generation::Budget => {
            let share = |effort| max_tokens.saturating_mul(percent(effort)) / 100;
            let tokens = wish.budget.map(|budget| budget.min(max_tokens - 1)).or(effort.map(share))?;
            Some(Thinking::Budget(tokens.max(LEAST_BUDGET)))
        }
        Generation::FirstAdaptive | Generation::Adaptive if effort.is_none() => {
            wish.adaptive.then_some(Thinking::Adaptive(None))
        }
        Generation::FirstAdaptive if effort == Some(Effort::XHigh) => Some(Thinking::Adaptive(Some("max"))),
        Generation::FirstAdaptive | Generation::Adaptive => Some(Thinking::Adaptive(effort.map(level))),
    }
}

/// The level by the provider's name.
fn level(effort: Effort) -> &'static str {
    match effort {
        Effort::Minimal => Effort::Low.as_str(),
        effort => effort.as_str(),
    }
}

/// The share of the output limit.
fn percent(effort: Effort) -> u64 {
    match effort {
        Effort::Minimal => 10,
        Effort::Low => 20,
        Effort::Medium => 50,
        Effort::High => 80,
        Effort::XHigh | Effort::Max => 95,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Generation {
    NoThinking,
    Budget,
    /// Claude 4.6, which has no level `xhigh`.
    FirstAdaptive,
    Adaptive,
}

impl Generation {
    /// The list of old models is closed; a name that is not in it is taken for a new one.
    fn of(model: &str) -> Self {
        const BUDGET: [&str; 8] = [
            "3-7",
            "opus-4-0",
            "opus-4-1",
            "opus-4-2025",
            "sonnet-4-0",
            "sonnet-4-2025",
            "-4-5",
            "claude-4-",
        ];
        let name: String =
            model.chars().map(|letter| if matches!(letter, '.' | '@') { '-' } else { letter }).collect();
        if name.contains("-4-6") {
            Self::FirstAdaptive
        } else if BUDGET.iter().any(|part| name.contains(part))
            || name.ends_with("opus-4")
            || name.ends_with("sonnet-4")
        {
            Self::Budget
        } else if ["claude-3", "claude-2", "claude-instant"].iter().any(|part| name.contains(part)) {
            Self::NoThinking
        } else {
            Self::Adaptive
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generation_is_read_from_the_name() {
        for (model, generation) in [
            ("claude-3-5-haiku-20241022", Generation::NoThinking),
            ("claude-3-7-sonnet-20250219", Generation::Budget),
            ("claude-sonnet-4-20250514", Generation::Budget),
            ("claude-opus-4@20250514", Generation::Budget),
            ("claude-sonnet-4", Generation::Budget),
            ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", Generation::Budget),
            ("anthropic/claude-haiku-4.5", Generation::Budget),
            ("claude-sonnet-4-6", Generation::FirstAdaptive),
            ("claude-opus-4-7", Generation::Adaptive),
            ("claude-sonnet-5", Generation::Adaptive),
            ("", Generation::Adaptive),
        ] {
            assert_eq!(Generation::of(model), generation, "{model}");
        }
    }

    fn of(effort: &str, model: &str, limit: u64) -> Option<Thinking> {
        thinking(&Reasoning { effort: Effort::parse(effort), ..Reasoning::default() }, model, limit)
    }

    #[test]
    fn a_budget_is_a_share_of_the_limit() {
        let of = |effort, limit| of(effort, "claude-sonnet-4-5", limit);
        assert_eq!(of("high", 10_000), Some(Thinking::Budget(8_000)));
        assert_eq!(of("minimal", 2_000), Some(Thinking::Budget(LEAST_BUDGET)));
        assert_eq!(of("low", LEAST_BUDGET), None);
        assert_eq!(of("max", u64::MAX).map(|_| ()), Some(()));
        assert_eq!(of("none", 10_000), None);
    }

    #[test]
    fn later_models_take_the_level() {
        let of = |effort, model| of(effort, model, 100);
        assert_eq!(of("minimal", "claude-opus-4-7"), Some(Thinking::Adaptive(Some("low"))));
        assert_eq!(of("xhigh", "claude-opus-4-7"), Some(Thinking::Adaptive(Some("xhigh"))));
        assert_eq!(of("xhigh", "claude-opus-4-6"), Some(Thinking::Adaptive(Some("max"))));
        assert_eq!(of("high", "claude-3-haiku-20240307"), None);
        assert_eq!(of("none", "claude-opus-4-7"), None);
    }

    #[test]
    fn a_wish_of_another_kind_becomes_what_the_model_takes() {
        let of = |wish: &Reasoning<'_>, model| thinking(wish, model, 10_000);
        let budget = |tokens| Reasoning { budget: Some(tokens), ..Reasoning::default() };
        assert_eq!(of(&budget(2_000), "claude-sonnet-4-5"), Some(Thinking::Budget(2_000)));
        assert_eq!(of(&budget(20_000), "claude-sonnet-4-5"), Some(Thinking::Budget(9_999)));
        assert_eq!(of(&budget(20_000), "claude-opus-4-7"), Some(Thinking::Adaptive(Some("high"))));
        let adaptive = Reasoning { adaptive: true, ..Reasoning::default() };
        assert_eq!(of(&adaptive, "claude-opus-4-7"), Some(Thinking::Adaptive(None)));
        assert_eq!(of(&adaptive, "claude-sonnet-4-5"), None);
    }
}
