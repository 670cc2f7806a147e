//! What the name of a model tells: the words of its maker for what Converse has none for.

/// Whose model it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Claude,
    /// Amazon's. The second generation thinks.
    Nova {
        thinks: bool,
    },
    Cohere,
    /// OpenAI's open models.
    GptOss,
    /// An ARN of the account's own, which does not tell what is behind it.
    Hidden,
    Other,
}

impl Family {
    /// By a name such as `eu.anthropic.claude-sonnet-4-5-20250929-v1:0`, or an ARN that holds one.
    pub(super) fn of(model: &str) -> Self {
        let has = |part: &str| model.contains(part);
        if has("claude") {
            Self::Claude
        } else if has("nova") {
            Self::Nova { thinks: has("nova-2") }
        } else if has("cohere.") {
            Self::Cohere
        } else if has("gpt-oss") {
            Self::GptOss
        } else if model.starts_with("arn:") {
            Self::Hidden
        } else {
            Self::Other
        }
    }

    /// Whether it takes marks for the prompt cache. Others refuse them.
    pub(super) fn takes_cache_marks(self) -> bool {
        matches!(self, Self::Claude | Self::Nova { .. } | Self::Hidden)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_read_from_names() {
        for (model, family) in [
            ("eu.anthropic.claude-sonnet-4-5-20250929-v1:0", Family::Claude),
            (
                "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-3-haiku-20240307-v1:0",
                Family::Claude,
            ),
            ("amazon.nova-pro-v1:0", Family::Nova { thinks: false }),
            ("us.amazon.nova-2-lite-v1:0", Family::Nova { thinks: true }),
            ("cohere.command-r-plus-v1:0", Family::Cohere),
            ("openai.gpt-oss-120b-1:0", Family::GptOss),
            ("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc", Family::Hidden),
            ("meta.llama3-3-70b-instruct-v1:0", Family::Other),
            ("", Family::Other),
        ] {
            assert_eq!(Family::of(model), family, "{model}");
        }
    }
}
