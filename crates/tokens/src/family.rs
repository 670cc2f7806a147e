//! How a model is counted, by its name.

use crate::encoding::Encoding;

/// How the tokens of a model are counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Counting {
    /// The encoding that is counted with.
    pub encoding: Encoding,
    /// By what its count is multiplied: 1 for the encoding's own models.
    pub factor: f64,
}

impl Counting {
    /// Exact counting with an encoding.
    pub const fn exact(encoding: Encoding) -> Self {
        Self { encoding, factor: 1.0 }
    }

    /// An estimate: the o200k count times `factor`.
    pub const fn estimate(factor: f64) -> Self {
        Self { encoding: Encoding::O200k, factor }
    }

    /// Applies the factor, rounding up.
    pub fn scale(&self, tokens: usize) -> u64 {
        (tokens as f64 * self.factor).ceil() as u64
    }

    /// The number of tokens in a text.
    pub fn count(&self, text: &str) -> u64 {
        self.scale(self.encoding.count(text))
    }
}

/// Names of models by their beginning, and how they are counted. The first that fits counts.
///
/// Encodings are those of tiktoken's `model.py`. The factors are first guesses for mixed text, chosen rather
/// too high than too low since they size reservations; what is charged is what the provider reports.
const FAMILIES: &[(&str, Counting)] = &[
    ("gpt-4o", Counting::exact(Encoding::O200k)),
    ("gpt-4.", Counting::exact(Encoding::O200k)),
    ("gpt-4", Counting::exact(Encoding::Cl100k)),
    ("gpt-3", Counting::exact(Encoding::Cl100k)),
    ("gpt-", Counting::exact(Encoding::O200k)),
    ("chatgpt-", Counting::exact(Encoding::O200k)),
    ("o1", Counting::exact(Encoding::O200k)),
    ("o3", Counting::exact(Encoding::O200k)),
    ("o4", Counting::exact(Encoding::O200k)),
    ("text-embedding-", Counting::exact(Encoding::Cl100k)),
    ("claude-", Counting::estimate(1.3)),
    ("gemini-", Counting::estimate(1.1)),
    ("gemma", Counting::estimate(1.1)),
    ("mistral", Counting::estimate(1.2)),
    ("llama", Counting::estimate(1.1)),
    ("deepseek", Counting::estimate(1.15)),
    ("qwen", Counting::estimate(1.1)),
];

/// Words that some vendors set before the names of others' models.
const LABELS: &[&str] = &["databricks-", "meta-"];

/// How a model of this name is counted; an unknown one by an estimate. What stands before the name of its maker is passed over: a
/// path as in `azure/gpt-4o`, the region and the vendor of `us.anthropic.claude-sonnet-4-5`, the `ft:` of a model that was
/// fine-tuned.
pub fn counting(model: &str) -> Counting {
    let name = last_of_path(model);
    let known = |name: &str| FAMILIES.iter().find(|(prefix, _)| name.starts_with(prefix));
    names(&name).find_map(known).map_or(Counting::estimate(1.2), |(_, counting)| *counting)
}

fn last_of_path(model: &str) -> String {
    model.rsplit('/').next().unwrap_or(model).to_ascii_lowercase()
}

/// A name, and what is left of it behind each word in front of it. (The dot of `gpt-4.1` ends no word.)
fn names(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name), |name| {
        if let Some(rest) = LABELS.iter().find_map(|label| name.strip_prefix(label)) {
            return Some(rest);
        }
        let (word, rest) = name.split_once(['.', ':'])?;
        let is_word = word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
        is_word.then_some(rest)
    })
}

/// Models by the beginning of their names that think without showing it in a stream, by their vendors' guides
/// (<https://platform.openai.com/docs/guides/reasoning>, <https://ai.google.dev/gemini-api/docs/thinking>).
const THINK_UNSEEN: &[&str] = &["o1", "o3", "o4", "gpt-5", "codex-", "gemini-2.5", "gemini-3", "grok-4"];

/// Whether a model generates tokens that are billed and that nobody sees in a stream: thoughts, or sound.
pub fn generates_unseen(model: &str) -> bool {
    let name = last_of_path(model);
    let thinks = |name: &str| THINK_UNSEEN.iter().any(|prefix| name.starts_with(prefix));
    names(&name).any(thinks) || name.contains("audio")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_that_think_unseen_are_known_by_their_names() {
        for model in ["o3-mini", "openai/gpt-5", "GPT-5-nano", "gpt-4o-audio-preview", "gemini-2.5-pro"] {
            assert!(generates_unseen(model), "{model}");
        }
        for model in ["gpt-4o", "claude-sonnet-4-5", "local/llama", ""] {
            assert!(!generates_unseen(model), "{model}");
        }
    }

    #[test]
    fn the_encoding_follows_from_the_name() {
        assert_eq!(counting("gpt-4o-mini"), Counting::exact(Encoding::O200k));
        assert_eq!(counting("openai/gpt-4.1"), Counting::exact(Encoding::O200k));
        assert_eq!(counting("gpt-4-turbo"), Counting::exact(Encoding::Cl100k));
        assert_eq!(counting("gpt-5"), Counting::exact(Encoding::O200k));
        assert!(counting("claude-sonnet-4-6").factor > 1.0);
        assert!(counting("something new").factor > 1.0);
    }

    #[test]
    fn names_of_clouds_and_of_vendors_hid_the_family() {
        for (names, own) in [
            (
                &[
                    "us.anthropic.claude-3-5-haiku-20241022-v1:0",
                    "us-gov.anthropic.claude-3-5-haiku-20241022-v1:0",
                    "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
                    "anthropic.claude-3-haiku-20240307-v1:0",
                    "arn:aws:bedrock:eu-west-1:1234:inference-profile/eu.anthropic.claude-sonnet-4-v1:0",
                    "bedrock/apac.anthropic.claude-sonnet-4-20250514-v1:0",
                    "anthropic/claude-3.5-haiku:beta",
                    "claude-3-5-haiku@20241022",
                    "Databricks-Claude-3-7-Sonnet",
                ][..],
                "claude-3-5-haiku",
            ),
            (&["openai/gpt-4o", "azure/gpt-4o", "openai.gpt-4o", "ft:gpt-4o:acme::id"], "gpt-4o"),
            (&["azure/gpt-4-turbo", "openai.gpt-4-turbo"], "gpt-4-turbo"),
            (&["gpt-4.1", "openai/gpt-4.1-mini"], "gpt-4.1"),
            (&["openai.gpt-oss-120b-1:0"], "gpt-oss"),
            (
                &[
                    "meta.llama3-1-8b-instruct-v1:0",
                    "us.meta.llama4-scout-17b-instruct-v1:0",
                    "meta-llama/Meta-Llama-3.1-70B",
                    "llama3.1:8b",
                    "databricks-meta-llama-3-3-70b-instruct",
                ],
                "llama",
            ),
            (&["us.deepseek.r1-v1:0", "deepseek.v3-v1:0"], "deepseek"),
            (&["google.gemma-3-27b-it", "google/gemma-3"], "gemma"),
            (&["qwen.qwen3-32b-v1:0"], "qwen"),
            (&["publishers/google/models/gemini-2.5-pro", "google.gemini-2.5-pro"], "gemini-2.5-pro"),
            (&["somebody/new-1.o1", "amazon.nova-pro-v1:0"], "something new"),
        ] {
            for name in names {
                assert_eq!(counting(name), counting(own), "{name}");
            }
        }
        assert!(generates_unseen("openai.gpt-5") && generates_unseen("ft:o4-mini:acme"));
        assert!(!generates_unseen("us.anthropic.claude-3-5-haiku-20241022-v1:0"));
    }

    #[test]
    fn estimates_are_rounded_up() {
        assert_eq!(Counting::estimate(1.1).scale(1), 2);
        assert_eq!(Counting::exact(Encoding::O200k).scale(7), 7);
    }
}
