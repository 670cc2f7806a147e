//! The cap that is asked for when the client sets none and the provider insists on one.
//!
//! OpenAI's API generates until the model's own limit if no cap is given, so that limit is the cap. A lower one would cut
//! long answers, a higher one is an error. Source: <https://docs.claude.com/en/docs/about-claude/models/overview>.

/// Models by the beginning of their names, the longest first, and their limits.
const LIMITS: &[(&str, u32)] = &[
    ("claude-3-7", 64_000),
    ("claude-3-5", 8_192),
    ("claude-3", 4_096),
    ("claude-opus-4-1", 32_000),
    ("claude-opus-4-0", 32_000),
    ("claude-opus-4-2025", 32_000),
    ("claude-2", 4_096),
];

/// The limit of models that came after those.
const LATER: u32 = 64_000;

/// The most tokens that a model generates in one answer. Clouds write names of their own before the model's.
pub(super) fn tokens(model: &str) -> u32 {
    let model = model.find("claude").and_then(|start| model.get(start..)).unwrap_or(model);
    LIMITS.iter().find(|(prefix, _)| model.starts_with(prefix)).map_or(LATER, |(_, limit)| *limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_generation_has_its_own_limit() {
        assert_eq!(tokens("claude-3-5-haiku-20241022"), 8_192);
        assert_eq!(tokens("claude-3-haiku-20240307"), 4_096);
        assert_eq!(tokens("claude-opus-4-20250514"), 32_000);
        assert_eq!(tokens("claude-opus-4-5"), 64_000);
        assert_eq!(tokens("claude-sonnet-4-6"), 64_000);
        assert_eq!(tokens("us.anthropic.claude-3-haiku-20240307-v1:0"), 4_096);
        assert_eq!(tokens("claude-opus-4-1@20250805"), 32_000);
    }
}
