//! How answers to questions that mean the same are found.

use super::document::{Fields, Node};
use super::values::Reader;
use crate::cache::Remote;
use crate::outgoing::Endpoint;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// The sentence model that `make setup` fetches.
const MODEL: &str = ".tools/models/all-minilm-l6-v2.onnx";
/// The least cosine for embeddings that the verifier was not fitted for. With OpenAI's it is rarely reached by what is not the same.
const MIN_SIMILARITY: f32 = 0.97;

/// The longest that a lookup may take: Envoy waits a second for decide, which has more to do.
const MOST_TIMEOUT: Duration = Duration::from_millis(500);

/// How answers to questions that mean the same are found.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SemanticSettings {
    /// Nothing is given; what would have been is counted, and compared with what providers answer.
    pub(crate) shadow: bool,
    pub(crate) embedder: EmbedderSettings,
    /// The least cosine, in place of the fitted verifier.
    pub(crate) min_similarity: Option<f32>,
    /// Whether questions to models that may call tools are looked up.
    pub(crate) tools: bool,
    /// The threads that run the model.
    pub(crate) threads: u64,
    /// How much of one processor they may use together, in per cent.
    pub(crate) cpu_percent: u64,
    /// How long a lookup may take.
    pub(crate) timeout: Duration,
    /// How many of a hundred answers that could be given are compared with a provider's in place of that.
    pub(crate) check_percent: u8,
    /// The memory for questions, in bytes.
    pub(crate) max_bytes: u64,
    pub(crate) vectors: VectorStore,
}

/// What embeds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum EmbedderSettings {
    /// all-MiniLM-L6-v2 in this file.
    MiniLm { model: PathBuf },
    /// The table of vectors made from the model in this file.
    Table { model: PathBuf },
    /// A provider's model.
    Provider(Remote),
}

/// Where questions are kept.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum VectorStore {
    /// In each service.
    Memory,
    /// In the store's Redis.
    Redis,
    /// In PostgreSQL with pgvector, at this URL, which may hold a password.
    Postgres(String),
}

impl fmt::Debug for VectorStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "Memory",
            Self::Redis => "Redis",
            Self::Postgres(_) => "Postgres(...)",
        })
    }
}

impl Reader<'_> {
    pub(super) fn semantic(&self, node: &Node, has_redis: bool) -> Option<SemanticSettings> {
        let problems = &self.problems;
        let mut fields = Fields::of(node, problems);
        let modes = [("serve", false), ("shadow", true)];
        let shadow = fields.get("mode").and_then(|node| self.choice(node, &modes)).unwrap_or(false);
        let (embedder, fitted) = self.embedder(&mut fields);
        let given = fields.get("min_similarity");
        let min_similarity =
            given.and_then(|node| self.similarity(node)).or((!fitted).then_some(MIN_SIMILARITY));
        let tools = fields.get("tools").and_then(|node| self.flag(node)).unwrap_or(false);
        let threads = fields.get("threads").and_then(|node| self.count(node)).unwrap_or(1);
        let cpu_percent =
            fields.get("cpu_percent").and_then(|node| self.count(node)).unwrap_or(100 * threads);
        let timeout = fields.get("timeout").and_then(|node| self.duration(node));
        // A provider is farther away than a processor.
        let usual = Duration::from_millis(if matches!(embedder, Some(EmbedderSettings::Provider(_))) {
            500
        } else {
            50
        });
        let timeout = timeout.unwrap_or(usual);
        let check_percent =
            fields.get("check_percent").and_then(|node| self.percent(node, 0..=100)).unwrap_or(1);
        let max_bytes = fields.get("max_bytes").and_then(|node| self.bytes(node)).unwrap_or(256 << 20);
        let stores = [
            ("memory", VectorStoreName::Memory),
            ("redis", VectorStoreName::Redis),
            ("postgres", VectorStoreName::Postgres),
        ];
        let store_node = fields.get("store");
        let store = store_node.and_then(|node| self.choice(node, &stores)).unwrap_or(VectorStoreName::Memory);
        let url_node = fields.get("postgres");
        let url = url_node.and_then(|node| self.text(node));
        fields.finish(problems);
        let vectors = match (store, url) {
            (VectorStoreName::Memory, None) => VectorStore::Memory,
            (VectorStoreName::Redis, None) if has_redis => VectorStore::Redis,
            (VectorStoreName::Redis, None) => {
                problems.add(store_node.unwrap_or(node), "redis needs a store.redis");
                return None;
            }
            (VectorStoreName::Postgres, Some(url)) => VectorStore::Postgres(url),
            (VectorStoreName::Postgres, None) => {
                problems.add(store_node.unwrap_or(node), "postgres needs the URL of a database in postgres");
                return None;
            }
            (_, Some(_)) => {
                problems.add(url_node.unwrap_or(node), "is for store: postgres");
                return None;
            }
        };
        if timeout > MOST_TIMEOUT {
            problems.add(node, "timeout must be 500ms or less: requests wait for it");
        }
        if threads == 0 || threads > 64 || cpu_percent == 0 || timeout.is_zero() {
            problems.add(node, "threads (up to 64), cpu_percent and timeout must be more than 0");
        }
        Some(SemanticSettings {
            shadow,
            embedder: embedder?,
            min_similarity,
            tools,
            threads,
            cpu_percent,
            timeout,
            check_percent,
            max_bytes,
            vectors,
        })
    }

    /// What embeds, and whether the verifier was fitted for it.
    fn embedder(&self, fields: &mut Fields<'_>) -> (Option<EmbedderSettings>, bool) {
        let problems = &self.problems;
        let kinds = [("minilm", Kind::MiniLm), ("table", Kind::Table), ("provider", Kind::Provider)];
        let kind_node = fields.get("embedder");
        let kind = kind_node.and_then(|node| self.choice(node, &kinds)).unwrap_or(Kind::MiniLm);
        let model_node = fields.get("model");
        let model = model_node.and_then(|node| self.text(node));
        let url_node = fields.get("url");
        let url = url_node.and_then(|node| self.text(node));
        let key = fields.get("key").and_then(|node| self.text(node));
        match kind {
            Kind::MiniLm | Kind::Table => {
                if let Some(node) = url_node {
                    problems.add(node, "url and key are for embedder: provider");
                }
                let model = PathBuf::from(model.unwrap_or_else(|| MODEL.to_owned()));
                match kind {
                    Kind::Table => (Some(EmbedderSettings::Table { model }), false),
                    _ => (Some(EmbedderSettings::MiniLm { model }), true),
                }
            }
            Kind::Provider => {
                let endpoint = url.as_deref().and_then(|url| Endpoint::parse(url, key.as_deref()));
                if let (None, Some(node)) = (&endpoint, url_node.or(kind_node)) {
                    problems.add(
                        node,
                        "embedder: provider needs a url such as https://api.openai.com/v1/embeddings",
                    );
                }
                if let (None, Some(node)) = (&model, kind_node) {
                    problems.add(node, "embedder: provider needs a model");
                }
                let remote = endpoint.zip(model).map(|(endpoint, model)| Remote { endpoint, model });
                (remote.map(EmbedderSettings::Provider), false)
            }
        }
    }

    fn similarity(&self, node: &Node) -> Option<f32> {
        let similarity =
            self.text(node)?.trim().parse().ok().filter(|similarity| (0.5..=1.0).contains(similarity));
        if similarity.is_none() {
            self.problems.add(node, "must be a cosine from 0.5 to 1");
        }
        similarity
    }
}

#[derive(Clone, Copy)]
enum Kind {
    MiniLm,
    Table,
    Provider,
}

#[derive(Clone, Copy)]
enum VectorStoreName {
    Memory,
    Redis,
    Postgres,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::read;
    use std::collections::BTreeMap;

    fn load(semantic: &str) -> Result<SemanticSettings, String> {
        let text = format!(
            "providers: {{openai: {{dialect: openai}}}}\nkeys: [{{name: k, key: a-key-of-some-length}}]\ncache: {{semantic: {semantic}}}"
        );
        let environment = BTreeMap::from([("PASSWORD".to_owned(), "secret".to_owned())]);
        let config = read(&text, &environment).map_err(|problems| format!("{problems:?}"))?;
        config.cache.and_then(|cache| cache.semantic).ok_or_else(|| "no settings".to_owned())
    }

    #[test]
    fn little_has_to_be_said() {
        let settings = load("{}").unwrap();
        assert_eq!(settings.embedder, EmbedderSettings::MiniLm { model: MODEL.into() });
        assert_eq!((settings.min_similarity, settings.timeout), (None, Duration::from_millis(50)));
        let settings =
            load("{embedder: provider, url: 'https://x/v1/embeddings', model: m, key: '${PASSWORD}'}")
                .unwrap();
        assert_eq!(
            (settings.min_similarity, settings.timeout),
            (Some(MIN_SIMILARITY), Duration::from_millis(500))
        );
        assert!(!format!("{settings:?}").contains("secret"));
        let settings = load("{store: postgres, postgres: 'postgres://w:${PASSWORD}@x/y'}").unwrap();
        assert!(!format!("{settings:?}").contains("secret"));
    }

    #[test]
    fn what_does_not_fit_together_is_said() {
        for (text, problem) in [
            ("{embedder: provider, model: m}", "needs a url"),
            ("{embedder: provider, url: 'https://x/'}", "needs a model"),
            ("{url: 'https://x/'}", "are for embedder: provider"),
            ("{store: redis}", "redis needs a store.redis"),
            ("{store: postgres}", "needs the URL"),
            ("{postgres: 'postgres://x/y'}", "is for store: postgres"),
            ("{min_similarity: 1.5}", "must be a cosine"),
            ("{threads: 0}", "must be more than 0"),
            ("{timeout: 1s}", "must be 500ms or less"),
        ] {
            let error = load(text).unwrap_err();
            assert!(error.contains(problem), "{text}: {error}");
        }
    }
}
