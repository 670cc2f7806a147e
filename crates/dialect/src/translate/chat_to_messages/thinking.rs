//! `reasoning_effort`.
//!
//! Models from Claude 4.6 on decide by themselves how much to think, guided by `output_config.effort`; the newest
//! refuse a budget. Models before them take a budget of tokens only. See
//! <https://docs.claude.com/en/docs/build-with-claude/adaptive-thinking> and
//! <https://docs.claude.com/en/docs/build-with-claude/effort>.
//!
//! The budget is a share of the output limit, which at both vendors contains the reasoning. The shares are
//! OpenRouter's (<https://openrouter.ai/docs/use-cases/reasoning-tokens>).

/// The least budget that the provider takes.
const LEAST_BUDGET: u64 = 1024;

/// What to ask the provider for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Thinking {
    /// `thinking: {type: adaptive}` with this effort.
    Adaptive(&'static str),
    /// `thinking: {type: enabled}` with this many tokens.
    Budget(u64),
}

/// An effort that OpenAI defines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Effort {
    /// The level by Anthropic's name.
    level: &'static str,
    /// The share of the output limit.
    percent: u64,
}

impl Effort {
    /// `None`: no such effort. `none` is no effort: thinking is off unless a request asks for it, and
    /// models that always think refuse to be told not to.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let (level, percent) = match name {
            "minimal" => ("low", 10),
            "low" => ("low", 20),
            "medium" => ("medium", 50),
            "high" => ("high", 80),
            "xhigh" => ("xhigh", 95),
            "max" => ("max", 95),
            _ => return None,
        };
        Some(Self { level, percent })
    }

    /// What that model takes for it; `None` where it takes nothing, or the output limit leaves no room.
    pub(super) fn thinking(self, model: &str, max_tokens: u64) -> Option<Thinking> {
        match Generation::of(model) {
            Generation::NoThinking => None,
            Generation::Budget if max_tokens <= LEAST_BUDGET => None,
            Generation::Budget => {
                let share = max_tokens.saturating_mul(self.percent) / 100;
                Some(Thinking::Budget(share.max(LEAST_BUDGET)))
            }
            Generation::FirstAdaptive if self.level == "xhigh" => Some(Thinking::Adaptive("max")),
            Generation::FirstAdaptive | Generation::Adaptive => Some(Thinking::Adaptive(self.level)),
        }
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

    #[test]
    fn a_budget_is_a_share_of_the_limit() {
        let of = |effort, limit| Effort::parse(effort).unwrap().thinking("claude-sonnet-4-5", limit);
        assert_eq!(of("high", 10_000), Some(Thinking::Budget(8_000)));
        assert_eq!(of("minimal", 2_000), Some(Thinking::Budget(LEAST_BUDGET)));
        assert_eq!(of("low", LEAST_BUDGET), None);
        assert_eq!(of("max", u64::MAX).map(|_| ()), Some(()));
        assert_eq!(Effort::parse("none"), None);
    }

    #[test]
    fn later_models_take_the_level() {
        let of = |effort, model| Effort::parse(effort).unwrap().thinking(model, 100);
        assert_eq!(of("minimal", "claude-opus-4-7"), Some(Thinking::Adaptive("low")));
        assert_eq!(of("xhigh", "claude-opus-4-7"), Some(Thinking::Adaptive("xhigh")));
        assert_eq!(of("xhigh", "claude-opus-4-6"), Some(Thinking::Adaptive("max")));
        assert_eq!(of("high", "claude-3-haiku-20240307"), None);
    }
}
