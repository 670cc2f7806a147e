//! Providers that users name: where each is, what it speaks, and in what it differs from others that speak the same.
//!
//! Addresses are those of the vendors' documents, as models.dev and `LiteLLM` have them too. A new one is a line here. A difference that none of them has had is a variant of [`Quirk`], with a test.

use super::Credential;
use super::document::{nearest, unknown};
use weirgate_dialect::Dialect;

/// A provider that need not be described.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Preset {
    /// Its name in configurations.
    pub(crate) name: &'static str,
    pub(crate) dialect: Dialect,
    /// Where its API is. What stands in braces is the user's own, who has to give the whole.
    pub(crate) base_url: &'static str,
    pub(crate) quirks: &'static [Quirk],
}

/// In what a provider differs from others that speak its dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quirk {
    /// It takes the limit of generated tokens as `max_completion_tokens`. Its newer models refuse `max_tokens`, which is all that most
    /// servers of OpenAI's dialect know.
    NewerCap,
    /// It takes its key in this header, as it is.
    KeyHeader(&'static str),
    /// It takes its key as a bearer token, where its dialect has another header.
    Bearer,
    /// It serves OpenAI's Responses API besides chat completions.
    Responses,
}

impl Preset {
    /// Whether a part of its address is the user's own.
    pub(crate) fn is_template(&self) -> bool {
        self.base_url.contains('{')
    }

    /// Its address, if the region that requests are signed for is all that it lacks.
    pub(crate) fn in_region(&self, credential: Option<&Credential>) -> Option<String> {
        let Some(Credential::Aws(aws)) = credential else { return None };
        let url = self.base_url.replace("{region}", &aws.region);
        (self.is_template() && !url.contains('{')).then_some(url)
    }
}

const fn openai(name: &'static str, base_url: &'static str) -> Preset {
    Preset { name, dialect: Dialect::OpenAi, base_url, quirks: &[] }
}

/// As [`openai`], with the Responses API.
const fn with_responses(name: &'static str, base_url: &'static str) -> Preset {
    Preset { name, dialect: Dialect::OpenAi, base_url, quirks: &[Quirk::Responses] }
}

const fn anthropic(name: &'static str, base_url: &'static str) -> Preset {
    Preset { name, dialect: Dialect::Anthropic, base_url, quirks: &[] }
}

/// All of them, in the order of the document.
pub(crate) const PRESETS: &[Preset] = &[
    // Those whose dialect it is.
    Preset {
        name: "openai",
        dialect: Dialect::OpenAi,
        base_url: "https://api.openai.com/v1",
        quirks: &[Quirk::NewerCap, Quirk::Responses],
    },
    Preset {
        name: "openai-responses",
        dialect: Dialect::Responses,
        base_url: "https://api.openai.com/v1",
        quirks: &[],
    },
    anthropic("anthropic", "https://api.anthropic.com/v1"),
    Preset {
        name: "gemini",
        dialect: Dialect::Gemini,
        base_url: "https://generativelanguage.googleapis.com/v1beta",
        quirks: &[],
    },
    // Clouds.
    Preset {
        name: "azure",
        dialect: Dialect::OpenAi,
        base_url: "https://{resource}.openai.azure.com/openai/v1",
        quirks: &[Quirk::NewerCap, Quirk::KeyHeader("api-key"), Quirk::Responses],
    },
    Preset {
        name: "azure-dated",
        dialect: Dialect::OpenAi,
        base_url: "https://{resource}.openai.azure.com/openai/deployments/{deployment}",
        quirks: &[Quirk::NewerCap, Quirk::KeyHeader("api-key")],
    },
    Preset {
        name: "bedrock",
        dialect: Dialect::Converse,
        base_url: "https://bedrock-runtime.{region}.amazonaws.com",
        quirks: &[],
    },
    Preset {
        name: "bedrock-anthropic",
        dialect: Dialect::Invoke,
        base_url: "https://bedrock-runtime.{region}.amazonaws.com",
        quirks: &[],
    },
    Preset {
        name: "vertex",
        dialect: Dialect::Gemini,
        base_url: "https://{location}-aiplatform.googleapis.com/v1/projects/{project}/locations/{location}/publishers/google",
        quirks: &[Quirk::Bearer],
    },
    Preset {
        name: "vertex-anthropic",
        dialect: Dialect::RawPredict,
        base_url: "https://{location}-aiplatform.googleapis.com/v1/projects/{project}/locations/{location}/publishers/anthropic",
        quirks: &[],
    },
    openai("cloudflare", "https://api.cloudflare.com/client/v4/accounts/{account}/ai/v1"),
    openai("databricks", "https://{workspace}/serving-endpoints"),
    openai("digitalocean", "https://inference.do-ai.run/v1"),
    openai("heroku", "https://us.inference.heroku.com/v1"),
    openai("ionos", "https://openai.inference.de-txl.ionos.com/v1"),
    openai("nebius", "https://api.tokenfactory.nebius.com/v1"),
    openai("nvidia", "https://integrate.api.nvidia.com/v1"),
    openai("ovhcloud", "https://oai.endpoints.kepler.ai.cloud.ovh.net/v1"),
    openai("scaleway", "https://api.scaleway.ai/v1"),
    openai("wandb", "https://api.inference.wandb.ai/v1"),
    // Makers of models.
    openai("ai21", "https://api.ai21.com/studio/v1"),
    openai("cohere", "https://api.cohere.ai/compatibility/v1"),
    Preset {
        name: "cohere-v2",
        dialect: Dialect::Cohere,
        base_url: "https://api.cohere.com/v2",
        quirks: &[],
    },
    openai("deepseek", "https://api.deepseek.com/v1"),
    anthropic("deepseek-anthropic", "https://api.deepseek.com/anthropic/v1"),
    openai("hunyuan", "https://api.hunyuan.cloud.tencent.com/v1"),
    openai("inception", "https://api.inceptionlabs.ai/v1"),
    openai("jina", "https://api.jina.ai/v1"),
    Preset {
        name: "minimax",
        dialect: Dialect::OpenAi,
        base_url: "https://api.minimax.io/v1",
        quirks: &[Quirk::NewerCap],
    },
    anthropic("minimax-anthropic", "https://api.minimax.io/anthropic/v1"),
    openai("mistral", "https://api.mistral.ai/v1"),
    openai("moonshot", "https://api.moonshot.ai/v1"),
    anthropic("moonshot-anthropic", "https://api.moonshot.ai/anthropic/v1"),
    openai("morph", "https://api.morphllm.com/v1"),
    openai("perplexity", "https://api.perplexity.ai"),
    openai("qianfan", "https://qianfan.baidubce.com/v2"),
    openai("qwen", "https://dashscope-intl.aliyuncs.com/compatible-mode/v1"),
    openai("qwen-cn", "https://dashscope.aliyuncs.com/compatible-mode/v1"),
    openai("stepfun", "https://api.stepfun.com/v1"),
    openai("upstage", "https://api.upstage.ai/v1"),
    openai("volcengine", "https://ark.cn-beijing.volces.com/api/v3"),
    openai("voyage", "https://api.voyageai.com/v1"),
    with_responses("xai", "https://api.x.ai/v1"),
    openai("zai", "https://api.z.ai/api/paas/v4"),
    anthropic("zai-anthropic", "https://api.z.ai/api/anthropic/v1"),
    openai("zhipu", "https://open.bigmodel.cn/api/paas/v4"),
    // Those who run models of others.
    openai("baseten", "https://inference.baseten.co/v1"),
    openai("cerebras", "https://api.cerebras.ai/v1"),
    openai("chutes", "https://llm.chutes.ai/v1"),
    openai("deepinfra", "https://api.deepinfra.com/v1/openai"),
    openai("featherless", "https://api.featherless.ai/v1"),
    openai("fireworks", "https://api.fireworks.ai/inference/v1"),
    openai("friendli", "https://api.friendli.ai/serverless/v1"),
    openai("groq", "https://api.groq.com/openai/v1"),
    openai("huggingface", "https://router.huggingface.co/v1"),
    openai("hyperbolic", "https://api.hyperbolic.xyz/v1"),
    openai("inference-net", "https://api.inference.net/v1"),
    openai("novita", "https://api.novita.ai/openai/v1"),
    openai("ollama-cloud", "https://ollama.com/v1"),
    with_responses("openrouter", "https://openrouter.ai/api/v1"),
    openai("parasail", "https://api.parasail.io/v1"),
    openai("sambanova", "https://api.sambanova.ai/v1"),
    openai("siliconflow", "https://api.siliconflow.com/v1"),
    openai("together", "https://api.together.ai/v1"),
    openai("vercel", "https://ai-gateway.vercel.sh/v1"),
    // Servers of one's own, where they listen if nobody says otherwise.
    openai("docker-model-runner", "http://localhost:12434/engines/v1"),
    openai("llama-cpp", "http://localhost:8080/v1"),
    with_responses("lm-studio", "http://localhost:1234/v1"),
    openai("localai", "http://localhost:8080/v1"),
    with_responses("ollama", "http://localhost:11434/v1"),
    openai("sglang", "http://localhost:30000/v1"),
    with_responses("vllm", "http://localhost:8000/v1"),
    openai("xinference", "http://localhost:9997/v1"),
];

/// The preset of that name.
pub(crate) fn find(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}

/// What a provider is that is known by its dialect alone.
pub(crate) fn of_dialect(dialect: Dialect) -> Option<&'static Preset> {
    let named = find(dialect.as_str()).filter(|preset| preset.dialect == dialect);
    named.or_else(|| PRESETS.iter().find(|preset| preset.dialect == dialect))
}

fn near(name: &str) -> Option<&'static str> {
    let names: Vec<&str> = PRESETS.iter().map(|preset| preset.name).collect();
    nearest(name, &names)
}

/// The text of an error about a preset that nobody knows.
pub(super) fn unknown_preset(name: &str) -> String {
    if Dialect::parse(name).is_some() {
        return format!("\"{name}\" is no preset but a dialect: write dialect: {name}");
    }
    unknown("preset", name, PRESETS.iter().map(|preset| preset.name))
}

/// The text of an error about a dialect that nobody knows.
pub(super) fn unknown_dialect(name: &str) -> String {
    if let Some(Preset { dialect, .. }) = find(name) {
        return format!(
            "\"{name}\" is no dialect but a preset, which speaks {dialect}: write preset: {name}"
        );
    }
    let dialects = Dialect::ALL.map(Dialect::as_str);
    match near(name).filter(|_| nearest(name, &dialects).is_none()) {
        Some(near) => format!("unknown dialect \"{name}\"; did you mean the preset \"{near}\"?"),
        None => unknown("dialect", name, dialects.into_iter()),
    }
}

/// The text of an error about a provider of this name that says neither its dialect nor a preset.
pub(super) fn no_dialect(name: &str) -> String {
    match near(name) {
        Some(near) => format!("dialect is missing: no preset is named \"{name}\"; did you mean \"{near}\"?"),
        None => "dialect is missing: give it, or a preset".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::BaseUrl;
    use std::collections::BTreeSet;
    use std::fmt::Write as _;
    use std::path::Path;

    #[test]
    fn names_are_told_apart_and_addresses_can_be_used() {
        let names: BTreeSet<_> = PRESETS.iter().map(|preset| preset.name).collect();
        assert_eq!(names.len(), PRESETS.len());
        assert!(PRESETS.len() >= 40);
        for preset in PRESETS.iter().filter(|preset| !preset.is_template()) {
            let url = BaseUrl::parse(preset.base_url);
            let url = url.unwrap_or_else(|| unreachable!("{} has no address", preset.name));
            assert!(url.tls || url.host == "localhost", "{}", preset.name);
        }
        for dialect in [Dialect::OpenAi, Dialect::Anthropic, Dialect::Gemini] {
            assert_eq!(of_dialect(dialect).unwrap().dialect, dialect);
        }
    }

    #[test]
    fn the_table_in_the_documents_lists_them_all() {
        let mut table = String::from("| preset | dialect | `base_url` |\n| --- | --- | --- |\n");
        for preset in PRESETS {
            let Preset { name, dialect, base_url, .. } = preset;
            writeln!(table, "| `{name}` | `{dialect}` | `{base_url}` |").unwrap();
        }
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/providers.md");
        let text = std::fs::read_to_string(&path).unwrap();
        let start = text.find("| preset |").unwrap();
        let end = start + text[start..].find("\n\n").map_or(text.len() - start, |end| end + 1);
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            std::fs::write(&path, format!("{}{table}{}", &text[..start], &text[end..])).unwrap();
            return;
        }
        assert_eq!(&text[start..end], table, "UPDATE_EXPECTED=1 writes it anew");
    }
}
