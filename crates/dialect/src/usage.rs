//! Usage as disjoint counters.
//!
//! Vendors count in two ways. OpenAI's `prompt_tokens` contains the cached ones and `completion_tokens` the
//! reasoning ones; Anthropic's `input_tokens` leaves out what was read from or written to the cache. Whoever adds
//! a vendor's figures up as they stand counts some tokens twice or not at all. Here every token stands in exactly
//! one counter. Where two would fit, what the cache did goes first: audio that was read from the cache is `cache_read`,
//! not `audio_input`.
//!
//! Sources: <https://platform.openai.com/docs/api-reference/chat/object>,
//! <https://docs.claude.com/en/api/messages>, <https://docs.claude.com/en/docs/build-with-claude/prompt-caching>.

use serde::{Deserialize, Serialize};

/// Tokens of one answer, each in one counter only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Input that no cache covered.
    pub input: u64,
    /// Input read from the provider's prompt cache.
    pub cache_read: u64,
    /// Input written to a prompt cache that lives five minutes, or an unnamed time.
    pub cache_write: u64,
    /// Input written to a prompt cache that lives an hour.
    pub cache_write_1h: u64,
    /// Output that the client can see.
    pub output: u64,
    /// Output spent on reasoning.
    pub reasoning: u64,
    /// Sound in the input that no cache covered.
    #[serde(skip_serializing_if = "is_zero")]
    pub audio_input: u64,
    /// Sound in the output.
    #[serde(skip_serializing_if = "is_zero")]
    pub audio_output: u64,
    /// Pictures in the input that no cache covered, where the provider counts them apart from text.
    #[serde(skip_serializing_if = "is_zero")]
    pub image_input: u64,
    /// Pictures in the output.
    #[serde(skip_serializing_if = "is_zero")]
    pub image_output: u64,
}

/// Most answers have neither sound nor pictures: their lines stay short.
fn is_zero(tokens: &u64) -> bool {
    *tokens == 0
}

impl Usage {
    /// All tokens of input.
    pub fn total_input(&self) -> u64 {
        self.input
            .saturating_add(self.cache_read)
            .saturating_add(self.cache_write)
            .saturating_add(self.cache_write_1h)
            .saturating_add(self.audio_input)
            .saturating_add(self.image_input)
    }

    /// All tokens of output.
    pub fn total_output(&self) -> u64 {
        self.output
            .saturating_add(self.reasoning)
            .saturating_add(self.audio_output)
            .saturating_add(self.image_output)
    }
}

/// A usage block as vendors write it; every field may be missing, and a stream may send several blocks, each
/// repeating or completing what came before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct WireUsage {
    prompt_tokens: Tokens,
    completion_tokens: Tokens,
    input_tokens: Tokens,
    output_tokens: Tokens,
    /// All that some calls tell that generate nothing: Jina's rankings, Voyage's embeddings.
    total_tokens: Tokens,
    prompt_tokens_details: Option<PromptDetails>,
    input_tokens_details: Option<PromptDetails>,
    /// The name that the APIs for transcription and realtime have for it.
    input_token_details: Option<PromptDetails>,
    completion_tokens_details: Option<CompletionDetails>,
    output_tokens_details: Option<CompletionDetails>,
    /// The name that the realtime API has for it.
    output_token_details: Option<CompletionDetails>,
    cache_read_input_tokens: Tokens,
    cache_creation_input_tokens: Tokens,
    cache_creation: Option<CacheCreation>,
    pub(crate) service_tier: Option<String>,
}

/// A number of tokens as providers write it: mostly `12`, sometimes `12.0`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Tokens {
    /// Nothing is told.
    #[default]
    Untold,
    /// It is told as something that is no number of tokens.
    Odd,
    Told(u64),
}

/// No answer has more tokens: the longest contexts hold ten million, and the largest lists of texts to embed twice as many.
const PLAUSIBLE: f64 = 1e8;

impl Tokens {
    fn get(self) -> Option<u64> {
        match self {
            Self::Told(tokens) => Some(tokens),
            Self::Untold | Self::Odd => None,
        }
    }

    /// Whether one of these figures of the same thing is odd and no other tells it.
    fn none_to_use(figures: &[Self]) -> bool {
        figures.contains(&Self::Odd) && figures.iter().all(|figure| figure.get().is_none())
    }
}

impl From<Option<u64>> for Tokens {
    fn from(tokens: Option<u64>) -> Self {
        tokens.map_or(Self::Untold, Self::Told)
    }
}

impl<'de> Deserialize<'de> for Tokens {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        if value.is_null() {
            return Ok(Self::Untold);
        }
        let is_whole = |number: &f64| (0.0..PLAUSIBLE).contains(number) && number.fract() == 0.0;
        Ok(value.as_f64().filter(is_whole).map_or(Self::Odd, |number| Self::Told(number as u64)))
    }
}

/// Gemini's usage block: cached tokens are contained in the prompt's, thoughts stand beside the candidates'.
/// Source: <https://ai.google.dev/api/generate-content#UsageMetadata>.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct GeminiUsage {
    prompt_token_count: Tokens,
    cached_content_token_count: Tokens,
    tool_use_prompt_token_count: Tokens,
    candidates_token_count: Tokens,
    thoughts_token_count: Tokens,
    prompt_tokens_details: Modalities,
    tool_use_prompt_tokens_details: Modalities,
    cache_tokens_details: Modalities,
    candidates_tokens_details: Modalities,
}

/// Gemini's split of a counter by modality. Text, video and documents have one price and need no counters of their own.
#[derive(Clone, Copy, Debug, Default)]
struct Modalities {
    audio: u64,
    image: u64,
}

impl<'de> Deserialize<'de> for Modalities {
    /// A split that is not as it should be is none, so that it does not hide the totals.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Part {
            modality: String,
            #[serde(default)]
            token_count: Tokens,
        }
        let value = serde_json::Value::deserialize(deserializer)?;
        let parts: Vec<Part> = serde_json::from_value(value).unwrap_or_default();
        let mut split = Self::default();
        for part in parts {
            let counter = match part.modality.as_str() {
                "AUDIO" => &mut split.audio,
                "IMAGE" => &mut split.image,
                _ => continue,
            };
            *counter = counter.saturating_add(part.token_count.get().unwrap_or(0));
        }
        Ok(split)
    }
}

impl GeminiUsage {
    /// The same in OpenAI's convention.
    pub(crate) fn wire(self) -> WireUsage {
        let sum = |a: Tokens, b: Tokens| match (a, b) {
            (Tokens::Odd, _) | (_, Tokens::Odd) => Tokens::Odd,
            (Tokens::Untold, Tokens::Untold) => Tokens::Untold,
            _ => Tokens::Told(a.get().unwrap_or(0).saturating_add(b.get().unwrap_or(0))),
        };
        let tokens = Tokens::Told;
        let (prompt, tools) = (self.prompt_tokens_details, self.tool_use_prompt_tokens_details);
        WireUsage {
            prompt_tokens: sum(self.prompt_token_count, self.tool_use_prompt_token_count),
            completion_tokens: sum(self.candidates_token_count, self.thoughts_token_count),
            prompt_tokens_details: Some(PromptDetails {
                cached_tokens: self.cached_content_token_count,
                audio_tokens: tokens(prompt.audio.saturating_add(tools.audio)),
                image_tokens: tokens(prompt.image.saturating_add(tools.image)),
                cached_tokens_details: Some(CachedDetails {
                    audio_tokens: tokens(self.cache_tokens_details.audio),
                    image_tokens: tokens(self.cache_tokens_details.image),
                }),
                ..PromptDetails::default()
            }),
            completion_tokens_details: Some(CompletionDetails {
                reasoning_tokens: self.thoughts_token_count,
                audio_tokens: tokens(self.candidates_tokens_details.audio),
                image_tokens: tokens(self.candidates_tokens_details.image),
            }),
            ..WireUsage::default()
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct PromptDetails {
    cached_tokens: Tokens,
    audio_tokens: Tokens,
    image_tokens: Tokens,
    /// How much of the sound and the pictures the cached tokens hold, which only some APIs say.
    cached_tokens_details: Option<CachedDetails>,
    /// What models write to the cache that charge for it.
    cache_write_tokens: Tokens,
    /// Not OpenAI's: how gateways carry Anthropic's cache writes in OpenAI's shape.
    cache_creation_tokens: Tokens,
    cache_creation: Option<CacheCreation>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct CachedDetails {
    audio_tokens: Tokens,
    image_tokens: Tokens,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct CompletionDetails {
    reasoning_tokens: Tokens,
    audio_tokens: Tokens,
    image_tokens: Tokens,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct CacheCreation {
    ephemeral_1h_input_tokens: Tokens,
}

impl WireUsage {
    /// Takes over what `later` says; what it does not say stays.
    pub(crate) fn update(&mut self, later: Self) {
        fn take<T: Default + PartialEq>(old: &mut T, new: T) {
            if new != T::default() {
                *old = new;
            }
        }
        take(&mut self.prompt_tokens, later.prompt_tokens);
        take(&mut self.completion_tokens, later.completion_tokens);
        take(&mut self.input_tokens, later.input_tokens);
        take(&mut self.output_tokens, later.output_tokens);
        take(&mut self.total_tokens, later.total_tokens);
        take(&mut self.prompt_tokens_details, later.prompt_tokens_details);
        take(&mut self.input_tokens_details, later.input_tokens_details);
        take(&mut self.input_token_details, later.input_token_details);
        take(&mut self.completion_tokens_details, later.completion_tokens_details);
        take(&mut self.output_tokens_details, later.output_tokens_details);
        take(&mut self.output_token_details, later.output_token_details);
        take(&mut self.cache_read_input_tokens, later.cache_read_input_tokens);
        take(&mut self.cache_creation_input_tokens, later.cache_creation_input_tokens);
        take(&mut self.cache_creation, later.cache_creation);
        take(&mut self.service_tier, later.service_tier);
    }

    /// Whether it says how much was generated.
    pub(crate) fn tells_output(&self) -> bool {
        [self.completion_tokens, self.output_tokens].iter().any(|figure| *figure != Tokens::Untold)
    }

    /// Whether there is any total.
    pub(crate) fn is_told(&self) -> bool {
        let totals = [
            self.prompt_tokens,
            self.completion_tokens,
            self.input_tokens,
            self.output_tokens,
            self.total_tokens,
        ];
        totals.iter().any(|figure| *figure != Tokens::Untold)
    }

    /// Whether a total cannot be read, so that the rest is not what was used. What a total is split into may be odd: then it is not
    /// split.
    pub(crate) fn is_odd(&self) -> bool {
        let output = [self.completion_tokens, self.output_tokens];
        let input = [self.prompt_tokens, self.input_tokens];
        let is_told = |figures: &[Tokens]| figures.iter().any(|figure| *figure != Tokens::Untold);
        let only_total = self.total_tokens == Tokens::Odd && !is_told(&input) && !is_told(&output);
        let beside = [self.cache_read_input_tokens, self.cache_creation_input_tokens];
        only_total
            || Tokens::none_to_use(&output)
            || Tokens::none_to_use(&input)
            || beside.contains(&Tokens::Odd)
    }

    /// Reads the block by OpenAI's convention: parts are contained in totals.
    pub(crate) fn openai(&self) -> Usage {
        let completion = self.completion_tokens.get().or(self.output_tokens.get());
        let only_total = self.total_tokens.get().filter(|_| completion.is_none());
        let prompt = self.prompt_tokens.get().or(self.input_tokens.get()).or(only_total).unwrap_or(0);
        let completion = completion.unwrap_or(0);
        let details = [&self.prompt_tokens_details, &self.input_tokens_details, &self.input_token_details];
        let details = details.into_iter().flatten().next().cloned().unwrap_or_default();
        let spent =
            [&self.completion_tokens_details, &self.output_tokens_details, &self.output_token_details];
        let spent = spent.into_iter().flatten().next();
        // The images API splits its input and not its output, which is one picture or more and nothing else.
        let only_images =
            spent.is_none() && self.output_tokens.get().is_some() && details.image_tokens.get().is_some();
        let spent = spent.cloned().unwrap_or_else(|| CompletionDetails {
            image_tokens: only_images.then_some(completion).into(),
            ..CompletionDetails::default()
        });
        let cached = details.cached_tokens_details.unwrap_or_default();
        let fresh = |all: Tokens, cached: Tokens| {
            Tokens::from(all.get().map(|all| all.saturating_sub(cached.get().unwrap_or(0))))
        };
        // A provider's parts may exceed its total by mistake: the total is what it charges.
        let mut input = prompt;
        let cache_read = part(&mut input, details.cached_tokens);
        let written = details.cache_creation_tokens.get().or(details.cache_write_tokens.get());
        let written = part(&mut input, written.into());
        let hour = hour_part(details.cache_creation.as_ref(), written);
        let mut output = completion;
        Usage {
            cache_read,
            cache_write: written - hour,
            cache_write_1h: hour,
            audio_input: part(&mut input, fresh(details.audio_tokens, cached.audio_tokens)),
            image_input: part(&mut input, fresh(details.image_tokens, cached.image_tokens)),
            input,
            reasoning: part(&mut output, spent.reasoning_tokens),
            audio_output: part(&mut output, spent.audio_tokens),
            image_output: part(&mut output, spent.image_tokens),
            output,
        }
    }

    /// Reads the block by Anthropic's convention: counters of input are disjoint already, and output does not
    /// tell thinking apart.
    pub(crate) fn anthropic(&self) -> Usage {
        let written = self.cache_creation_input_tokens.get().unwrap_or(0);
        let hour = hour_part(self.cache_creation.as_ref(), written);
        Usage {
            input: self.input_tokens.get().unwrap_or(0),
            cache_read: self.cache_read_input_tokens.get().unwrap_or(0),
            cache_write: written - hour,
            cache_write_1h: hour,
            output: self.output_tokens.get().unwrap_or(0),
            ..Usage::default()
        }
    }
}

/// Moves a part out of what is left of its total.
fn part(left: &mut u64, tokens: Tokens) -> u64 {
    let part = tokens.get().unwrap_or(0).min(*left);
    *left -= part;
    part
}

fn hour_part(creation: Option<&CacheCreation>, written: u64) -> u64 {
    creation.and_then(|creation| creation.ephemeral_1h_input_tokens.get()).unwrap_or(0).min(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(json: &str) -> WireUsage {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_total_alone_is_input() {
        let input = |json: &str| wire(json).openai().input;
        assert_eq!(input(r#"{"total_tokens":15}"#), 15);
        assert_eq!(input(r#"{"prompt_tokens":9,"total_tokens":15}"#), 9);
        assert_eq!(input(r#"{"completion_tokens":6,"total_tokens":15}"#), 0);
    }

    #[test]
    fn openai_totals_contain_their_parts() {
        let usage = wire(
            r#"{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,
                "prompt_tokens_details":{"cached_tokens":60,"audio_tokens":0},
                "completion_tokens_details":{"reasoning_tokens":30}}"#,
        )
        .openai();
        assert_eq!(usage, Usage { input: 40, cache_read: 60, output: 20, reasoning: 30, ..Usage::default() });
        assert_eq!((usage.total_input(), usage.total_output()), (100, 50));
    }

    #[test]
    fn anthropic_counters_are_disjoint() {
        let usage = wire(
            r#"{"input_tokens":10,"cache_read_input_tokens":60,"cache_creation_input_tokens":30,
                "cache_creation":{"ephemeral_5m_input_tokens":20,"ephemeral_1h_input_tokens":10},"output_tokens":5}"#,
        )
        .anthropic();
        assert_eq!(
            usage,
            Usage {
                input: 10,
                cache_read: 60,
                cache_write: 20,
                cache_write_1h: 10,
                output: 5,
                ..Usage::default()
            }
        );
        assert_eq!(usage.total_input(), 100);
    }

    #[test]
    fn parts_greater_than_their_total_do_not_underflow() {
        let usage = wire(r#"{"prompt_tokens":1,"prompt_tokens_details":{"cached_tokens":9}}"#).openai();
        assert_eq!(usage, Usage { cache_read: 1, ..Usage::default() });
    }

    #[test]
    fn gemini_counts_thoughts_beside_the_answer() {
        let usage: GeminiUsage = serde_json::from_str(
            r#"{"promptTokenCount":10,"cachedContentTokenCount":4,"candidatesTokenCount":5,"thoughtsTokenCount":7,"totalTokenCount":22}"#,
        )
        .unwrap();
        let usage = usage.wire().openai();
        assert_eq!(usage, Usage { input: 6, cache_read: 4, output: 5, reasoning: 7, ..Usage::default() });
    }

    #[test]
    fn the_responses_api_has_other_names_for_the_same_counters() {
        let usage = wire(
            r#"{"input_tokens":10,"input_tokens_details":{"cached_tokens":4},"output_tokens":7,
                "output_tokens_details":{"reasoning_tokens":2}}"#,
        )
        .openai();
        assert_eq!(usage, Usage { input: 6, cache_read: 4, output: 5, reasoning: 2, ..Usage::default() });
    }

    #[test]
    fn sound_in_a_chat_has_counters_of_its_own() {
        let usage = wire(
            r#"{"prompt_tokens":100,"completion_tokens":50,
                "prompt_tokens_details":{"cached_tokens":20,"audio_tokens":70},
                "completion_tokens_details":{"reasoning_tokens":5,"audio_tokens":40}}"#,
        )
        .openai();
        assert_eq!(
            usage,
            Usage {
                input: 10,
                cache_read: 20,
                audio_input: 70,
                output: 5,
                reasoning: 5,
                audio_output: 40,
                ..Usage::default()
            }
        );
        assert_eq!((usage.total_input(), usage.total_output()), (100, 50));
    }

    #[test]
    fn cached_sound_is_counted_as_cached() {
        let usage = wire(
            r#"{"input_tokens":100,"output_tokens":30,
                "input_token_details":{"text_tokens":30,"audio_tokens":70,"cached_tokens":60,
                    "cached_tokens_details":{"text_tokens":20,"audio_tokens":40}},
                "output_token_details":{"text_tokens":10,"audio_tokens":20}}"#,
        )
        .openai();
        assert_eq!(
            usage,
            Usage {
                input: 10,
                cache_read: 60,
                audio_input: 30,
                output: 10,
                audio_output: 20,
                ..Usage::default()
            }
        );
    }

    #[test]
    fn pictures_of_the_images_api() {
        let usage = wire(
            r#"{"total_tokens":100,"input_tokens":50,"output_tokens":50,
                "input_tokens_details":{"text_tokens":10,"image_tokens":40}}"#,
        )
        .openai();
        assert_eq!(usage, Usage { input: 10, image_input: 40, image_output: 50, ..Usage::default() });
        let usage = wire(
            r#"{"input_tokens":50,"output_tokens":50,"input_tokens_details":{"text_tokens":10,"image_tokens":40},
                "output_tokens_details":{"text_tokens":8,"image_tokens":42}}"#,
        )
        .openai();
        assert_eq!(
            usage,
            Usage { input: 10, image_input: 40, output: 8, image_output: 42, ..Usage::default() }
        );
    }

    #[test]
    fn gemini_splits_its_counters_by_modality() {
        let usage: GeminiUsage = serde_json::from_str(
            r#"{"promptTokenCount":100,"cachedContentTokenCount":30,"candidatesTokenCount":50,"thoughtsTokenCount":7,
                "promptTokensDetails":[{"modality":"TEXT","tokenCount":20},{"modality":"AUDIO","tokenCount":50},
                    {"modality":"IMAGE","tokenCount":25},{"modality":"VIDEO","tokenCount":5}],
                "cacheTokensDetails":[{"modality":"AUDIO","tokenCount":30}],
                "candidatesTokensDetails":[{"modality":"TEXT","tokenCount":10},{"modality":"IMAGE","tokenCount":40}],
                "toolUsePromptTokensDetails":"odd"}"#,
        )
        .unwrap();
        let usage = usage.wire().openai();
        assert_eq!(
            usage,
            Usage {
                input: 25,
                cache_read: 30,
                audio_input: 20,
                image_input: 25,
                output: 10,
                reasoning: 7,
                image_output: 40,
                ..Usage::default()
            }
        );
        assert_eq!((usage.total_input(), usage.total_output()), (100, 57));
    }

    #[test]
    fn a_line_without_sound_and_pictures_does_not_name_them() {
        let usage = Usage { input: 1, output: 2, ..Usage::default() };
        let json = serde_json::to_string(&usage).unwrap();
        assert!(!json.contains("audio") && !json.contains("image"), "{json}");
        let sound = Usage { audio_input: 3, ..usage };
        let json = serde_json::to_string(&sound).unwrap();
        assert_eq!(serde_json::from_str::<Usage>(&json).unwrap(), sound);
    }

    proptest::proptest! {
        /// Whatever a provider claims of the parts, their sum is the total that it charges.
        #[test]
        fn the_counters_add_up_to_the_totals(
            prompt in 0u64..1000, completion in 0u64..1000,
            parts in proptest::array::uniform9(0u64..1000),
        ) {
            let [cached, audio, image, written, hour, cached_audio, reasoning, audio_out, image_out] = parts;
            let usage = wire(&serde_json::json!({
                "prompt_tokens": prompt, "completion_tokens": completion,
                "prompt_tokens_details": {
                    "cached_tokens": cached, "audio_tokens": audio, "image_tokens": image,
                    "cache_creation_tokens": written, "cache_creation": {"ephemeral_1h_input_tokens": hour},
                    "cached_tokens_details": {"audio_tokens": cached_audio},
                },
                "completion_tokens_details": {
                    "reasoning_tokens": reasoning, "audio_tokens": audio_out, "image_tokens": image_out,
                },
            }).to_string()).openai();
            proptest::prop_assert_eq!((usage.total_input(), usage.total_output()), (prompt, completion));
        }
    }
}
