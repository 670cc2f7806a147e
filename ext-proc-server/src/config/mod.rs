//! `weirgate.yaml`: what it may say, and reading it.
//!
//! The reference for users is `docs/configuration.md`.

mod admins;
mod alerts;
mod cache;
mod credentials;
mod directory;
pub mod document;
pub mod environment;
mod form;
mod jwt;
mod load;
mod presets;
mod prices;
mod semantic;
mod values;

pub use cache::{CacheSettings, Scope};
pub(crate) use credentials::{Aws, Credential, OAuth, Secret};
pub(crate) use form::{encoded, form};
pub use jwt::{ClaimNames, Jwks, Jwt};
pub(crate) use load::hex_digest;
pub use load::{load, read};
pub use presets::Quirk;
pub(crate) use semantic::{EmbedderSettings, SemanticSettings, VectorStore};
pub(crate) use values::duration;

use crate::alerts::Target;
use crate::policy::identity::Directory;
use crate::policy::prices::{Found, Prices};
use crate::store::redis;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use weirgate_contract::filter_config::{HeaderRule, PromptGuard, SecretText, Tokenizer};
use weirgate_dialect::Dialect;
use weirgate_dialect::translate::Unsupported;

/// Everything that one file says, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where Envoy listens for clients.
    pub listen: SocketAddr,
    /// Where the service serves metrics, usage and health over HTTP.
    pub admin: SocketAddr,
    /// Where the service listens for Envoy.
    pub service: Endpoint,
    /// How Envoy reaches the service, if not by the same address.
    pub service_address: Option<Endpoint>,
    /// Where the service finds Envoy's listener for its probe, if not on this machine.
    pub probe: Option<String>,
    /// Accounts at vendors, by name.
    pub providers: BTreeMap<String, Provider>,
    /// What clients may ask for.
    pub models: Vec<Model>,
    /// Who may ask, and the limits.
    pub directory: Directory,
    /// Who may use the admin API.
    pub admins: Vec<Admin>,
    /// Who is told of limits.
    pub alerts: Vec<Target>,
    /// How answers are cached; `None`: they are not.
    pub cache: Option<CacheSettings>,
    /// The secret of the checksum in generated keys.
    pub key_checksum: Option<SecretText>,
    /// Where counters are kept.
    pub store: StoreSettings,
    /// The folder of what must survive a restart; `None`: nothing does.
    pub folder: Option<PathBuf>,
    /// Tokens that are accepted in place of keys.
    pub jwt: Option<Jwt>,
    /// The provider that gets calls nobody here knows.
    pub passthrough: Option<String>,
    /// Rules that choose a provider or a model by request header.
    pub rules: Vec<HeaderRule>,
    /// Rules over prompts.
    pub guard: PromptGuard,
    /// What happens to a field that a provider cannot take.
    pub unsupported_fields: Unsupported,
    /// What Envoy does when the service is down.
    pub on_service_failure: ServiceFailure,
    /// The largest request body, in bytes.
    pub max_body: u64,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// The file that gets a line a request.
    pub ledger: Option<PathBuf>,
    /// What tokens cost.
    pub prices: Prices,
    /// The status of a request that a limit on money refuses.
    pub budget_status: u16,
    /// Whether plain answers are held until their cost is known, so that clients can be told.
    pub cost_header: bool,
    /// Output tokens reserved for a request that sets no cap.
    pub default_output_tokens: u64,
    /// The Envoy that `weirgate up` starts and `weirgate render` writes for.
    pub envoy: EnvoySettings,
}

/// An address of the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A socket in the file system: `unix:/run/weirgate.sock`.
    Unix(PathBuf),
    /// A host and a port.
    Tcp {
        /// A name or an address.
        host: String,
        /// The port.
        port: u16,
    },
}

/// An account at a vendor.
#[derive(Clone, Debug)]
pub struct Provider {
    /// What it speaks.
    pub dialect: Dialect,
    /// Where it is, its API's version included.
    pub base_url: BaseUrl,
    /// What is added to the query of every request to it, encoded; empty: nothing.
    pub query: String,
    /// How it knows that a request is ours; none for a server that need not know.
    pub(crate) credential: Option<Credential>,
    /// Whether it serves OpenAI's Responses API besides its dialect.
    pub responses: bool,
    /// In what it differs from others of its dialect.
    pub quirks: &'static [Quirk],
}

impl Provider {
    /// The header that it takes its key in, if that is not its dialect's.
    pub(crate) fn key_header(&self) -> Option<&'static str> {
        self.quirks.iter().find_map(|quirk| match quirk {
            Quirk::KeyHeader(name) => Some(*name),
            Quirk::NewerCap | Quirk::Bearer | Quirk::Responses => None,
        })
    }

    /// What goes before the endpoint in the paths of requests to it: the path of its API, and behind a `?` what is added to every query.
    pub(crate) fn path(&self) -> String {
        let separator = if self.query.is_empty() { "" } else { "?" };
        format!("{}{separator}{}", self.base_url.path, self.query)
    }

    /// Whether it understands this dialect as it is.
    pub fn speaks(&self, dialect: Dialect) -> bool {
        self.dialect == dialect || (dialect == Dialect::Responses && self.responses)
    }
}

/// A parsed `base_url`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    /// Whether it is `https`.
    pub tls: bool,
    /// The host.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The path, without a slash at its end: `/v1`.
    pub path: String,
}

/// Somebody who may use the admin API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// The name by which the audit log knows them.
    pub name: String,
    /// SHA-256 of their key.
    pub digest: [u8; 32],
    /// What they may do.
    pub role: AdminRole,
}

/// What somebody may do in the admin API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminRole {
    /// Everything.
    Admin,
    /// Read everything but the audit log.
    Viewer,
    /// Read and change the users and keys of one team.
    TeamAdmin(String),
}

/// A name that clients ask for.
#[derive(Clone, Debug)]
pub struct Model {
    /// The name.
    pub name: String,
    /// Who serves it, in the order in which they are tried.
    pub deployments: Vec<Deployment>,
    /// Models whose deployments are tried after these.
    pub fallbacks: Vec<String>,
    /// Attempts more than one for each deployment.
    pub retries: u64,
    /// How its tokens are counted, if its name does not say.
    pub tokenizer: Option<Tokenizer>,
}

/// A provider's model.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Deployment {
    /// The provider's name in this file.
    pub provider: String,
    /// The model's name at the provider.
    pub model: String,
}

/// Where counters and reservations are kept.
#[derive(Clone, Debug)]
pub enum StoreSettings {
    /// In this process; with a folder, also across restarts.
    Embedded,
    /// In a Redis server that several processes share.
    Redis {
        /// The server.
        settings: redis::Settings,
        /// The most of a limit that this process takes at a time for many requests, in per cent; `None`: no leases.
        lease_percent: Option<u8>,
    },
}

/// What Envoy does when the service is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceFailure {
    /// Refuse every request.
    Refuse,
    /// Let requests pass to the default provider, without key, limit or budget.
    Pass,
}

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// From the first byte of a request to the last of its answer.
    pub request: Duration,
    /// Without a byte from the provider, before or in an answer.
    pub silence: Duration,
    /// To open a connection to a provider.
    pub connect: Duration,
    /// After `request`, until a request whose end nobody reported is charged as reserved.
    pub settle: Duration,
    /// From the first byte of a websocket to its end.
    pub websocket: Duration,
}

/// Settings of the Envoy that is started or written for.
#[derive(Clone, Debug, Default)]
pub struct EnvoySettings {
    /// The folder of the filters.
    pub filters: Option<PathBuf>,
    /// Envoy's own admin address.
    pub admin: Option<SocketAddr>,
    /// Worker threads; by default one a core.
    pub concurrency: Option<u64>,
}

impl Config {
    /// The model of this name.
    pub fn model(&self, name: &str) -> Option<&Model> {
        self.models.iter().find(|model| model.name == name)
    }

    /// The deployments that serve a model, in the order in which they are tried: its own, then those of its fallbacks.
    pub fn deployments<'a>(&'a self, model: &'a Model) -> impl Iterator<Item = &'a Deployment> {
        let fallbacks = model.fallbacks.iter().filter_map(|name| self.model(name));
        std::iter::once(model).chain(fallbacks).flat_map(|model| &model.deployments)
    }
}

impl Config {
    /// What is allowed and probably not meant.
    pub fn warnings(&self) -> Vec<String> {
        let missing = self.providers.iter().filter_map(|(name, provider)| match &provider.credential {
            Some(Credential::File(path)) if !path.is_file() => Some(format!(
                "there is no file {} with the key of the provider \"{name}\", so requests to it are refused until it comes",
                path.display()
            )),
            _ => None,
        });
        let mut warnings: Vec<String> = missing.collect();
        warnings.extend(self.unpriced());
        warnings
    }

    /// Models that somebody with a budget cannot use.
    fn unpriced(&self) -> Vec<String> {
        let unpriced = |model: &&Model| {
            self.deployments(model).any(|deployment| self.prices.find(&deployment.model) == Found::Unknown)
        };
        let budgets = self.budgets();
        let warnings = self.models.iter().filter(unpriced).filter_map(|Model { name, .. }| {
            let (whose, _) = budgets.iter().find(|(_, models)| models.is_empty() || models.contains(name))?;
            Some(format!(
                "the model \"{name}\" has a deployment without a price, so {whose}, which has a budget, cannot use it (403, unknown_price): add the price to prices, or set unknown_price"
            ))
        });
        warnings.collect()
    }

    /// Whoever has a budget, and the models that they may use; none: all.
    fn budgets(&self) -> Vec<(String, &[String])> {
        let Directory { organizations, teams, users, keys, limits } = &self.directory;
        let owners = keys.values().map(|key| ("key", &key.name, &key.limits, key.models.as_slice()));
        let owners = owners
            .chain(teams.values().map(|team| ("team", &team.name, &team.limits, team.models.as_slice())));
        let owners = owners.chain(users.values().map(|user| ("user", &user.name, &user.limits, &[][..])));
        let owners =
            owners.chain(organizations.values().map(|one| ("organization", &one.name, &one.limits, &[][..])));
        let mut budgets = Vec::new();
        for (kind, name, limits, models) in owners {
            budgets.extend(limits.iter().filter(|limit| limit.is_budget()).map(|limit| {
                let models = if limit.only.models.is_empty() { models } else { limit.only.models.as_slice() };
                (format!("the {kind} \"{name}\""), models)
            }));
        }
        let of_all = limits.values().filter(|limit| limit.is_budget());
        budgets.extend(of_all.map(|limit| ("everybody".to_owned(), limit.only.models.as_slice())));
        budgets
    }

    /// The first file that Envoy is to read and that is not on this machine.
    pub fn missing_file(&self) -> Option<String> {
        match &self.jwt.as_ref()?.jwks {
            Jwks::File(path) if !path.is_file() => {
                Some(format!("jwt.jwks_file: there is no file {}", path.display()))
            }
            _ => None,
        }
    }
}

impl Endpoint {
    /// Reads `unix:/path` or `host:port`.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(path) = text.strip_prefix("unix:") {
            return (!path.is_empty()).then(|| Self::Unix(PathBuf::from(path)));
        }
        let (host, port) = text.rsplit_once(':')?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        Some(Self::Tcp { host: (!host.is_empty()).then(|| host.to_owned())?, port: port.parse().ok()? })
    }
}

impl BaseUrl {
    /// Reads an `http` or `https` URL without query.
    pub fn parse(text: &str) -> Option<Self> {
        let (tls, rest) = match text.split_once("://")? {
            ("https", rest) => (true, rest),
            ("http", rest) => (false, rest),
            _ => return None,
        };
        let (authority, path) = rest.split_at_checked(rest.find('/').unwrap_or(rest.len()))?;
        if rest.contains(['?', '#', '@', ' ']) {
            return None;
        }
        let default_port = if tls { 443 } else { 80 };
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
            _ => (authority, default_port),
        };
        let host = (!host.is_empty()).then(|| host.to_owned())?;
        Some(Self { tls, host, port, path: path.trim_end_matches('/').to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_urls() {
        let url = BaseUrl::parse("https://api.openai.com/v1/").unwrap();
        assert_eq!(
            url,
            BaseUrl { tls: true, host: "api.openai.com".to_owned(), port: 443, path: "/v1".to_owned() }
        );
        assert_eq!(BaseUrl::parse("http://vllm:8000").unwrap().port, 8000);
        for bad in ["api.openai.com", "ftp://x", "https://", "https://x:y", "https://user@x/"] {
            assert_eq!(BaseUrl::parse(bad), None, "{bad}");
        }
    }

    fn config(rest: &str) -> Config {
        let text = format!(
            "providers: {{p: {{dialect: openai}}}}\nmodels:\n  - {{name: known, deployments: [{{provider: p, model: gpt-4o}}]}}\n  - {{name: mine, deployments: [{{provider: p, model: my-own}}]}}\n{rest}"
        );
        read(&text, &BTreeMap::new()).unwrap_or_else(|problems| panic!("{problems:?}"))
    }

    #[test]
    fn a_budget_beside_a_model_without_a_price_is_warned_of() {
        let key = |rest: &str| format!("keys: [{{name: k, key: a-key-of-some-length{rest}}}]\n");
        let budget = ", limits: {budget: {usd: 5}}";
        let warnings = config(&key(budget)).warnings();
        assert_eq!(warnings.len(), 1);
        assert!(
            warnings[0].starts_with("the model \"mine\" has a deployment without a price, so the key \"k\"")
        );
        for quiet in [
            key(""),
            key(&format!("{budget}, models: [known]")),
            format!("{}prices: {{my-own: {{input: 1, output: 1}}}}", key(budget)),
            format!("{}unknown_price: zero", key(budget)),
        ] {
            assert!(config(&quiet).warnings().is_empty(), "{quiet}");
        }
        let all = "limits: [{name: all, usd: 5, window: day}]";
        assert!(config(&format!("{}{all}", key(""))).warnings()[0].contains("so everybody"));
    }

    #[test]
    fn a_file_with_the_issuers_keys_that_is_not_there_is_named() {
        let jwt = "keys: [{name: k, key: a-key-of-some-length}]\njwt: {issuer: i, jwks_file: /no/such/file}";
        let missing = config(jwt).missing_file().unwrap();
        assert_eq!(missing, "jwt.jwks_file: there is no file /no/such/file");
    }

    fn provider(text: &str) -> Result<Provider, String> {
        let text = format!("providers: {{{text}}}\nkeys: [{{name: k, key: a-key-of-some-length}}]");
        match read(&text, &BTreeMap::new()) {
            Ok(config) => Ok(config.providers.into_values().next().unwrap()),
            Err(problems) => Err(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")),
        }
    }

    #[test]
    fn a_provider_that_is_known_need_not_be_described() {
        let known = |text: &str| {
            let provider = provider(text).unwrap();
            (provider.dialect, provider.base_url.host, provider.base_url.path)
        };
        let groq = (Dialect::OpenAi, "api.groq.com".to_owned(), "/openai/v1".to_owned());
        assert_eq!(known("groq: {api_key: k}"), groq);
        assert_eq!(known("fast: {preset: groq}"), groq);
        assert_eq!(known("moonshot-anthropic: {}").0, Dialect::Anthropic);
        // What is described goes before what is known.
        let mine = known("groq: {dialect: anthropic, base_url: 'http://localhost:1/v1'}");
        assert_eq!((mine.0, mine.1.as_str()), (Dialect::Anthropic, "localhost"));
        assert_eq!(known("groq: {dialect: anthropic}").1, "api.anthropic.com");
        let cohere = (Dialect::Cohere, "api.cohere.com".to_owned(), "/v2".to_owned());
        assert_eq!(known("c: {dialect: cohere, api_key: k}"), cohere);
        assert_eq!(known("r: {dialect: responses, api_key: k}").1, "api.openai.com");
        for dialect in ["converse", "invoke", "rawpredict"] {
            let without = provider(&format!("p: {{dialect: {dialect}, api_key: k}}")).unwrap_err();
            assert!(without.contains("base_url is missing"), "{without}");
        }
    }

    #[test]
    fn how_a_provider_differs_goes_with_its_address() {
        let quirks = |text: &str| provider(text).unwrap().quirks;
        assert_eq!(quirks("p: {dialect: openai}"), [Quirk::NewerCap, Quirk::Responses]);
        assert_eq!(quirks("p: {dialect: openai, base_url: 'http://vllm:8000/v1'}"), []);
        let azure = "p: {preset: azure, base_url: 'https://mine.openai.azure.com/openai/v1'}";
        assert_eq!(provider(azure).unwrap().key_header(), Some("api-key"));
        assert_eq!(quirks(azure), [Quirk::NewerCap, Quirk::KeyHeader("api-key"), Quirk::Responses]);
    }

    #[test]
    fn a_preset_that_cannot_be_used_is_explained() {
        let missing = provider("azure: {api_key: k}").unwrap_err();
        assert!(missing.contains("https://{resource}.openai.azure.com/openai/v1"), "{missing}");
        let unknown = provider("p: {preset: grok}").unwrap_err();
        assert!(unknown.contains("groq"), "{unknown}");
        assert!(provider("p: {}").unwrap_err().contains("dialect"));
    }

    #[test]
    fn a_misspelt_preset_was_a_missing_dialect_besides() {
        for (text, says) in [
            ("p: {preset: bedrok, api_key: k}", "unknown preset \"bedrok\"; did you mean \"bedrock\"?"),
            ("p: {preset: OpenAI}", "unknown preset \"OpenAI\"; did you mean \"openai\"?"),
            ("p: {preset: '${UNSET}'}", "the environment variable UNSET is not set"),
            // Nor is the address of its dialect's own preset.
            ("p: {preset: bedrok, dialect: converse}", "did you mean \"bedrock\"?"),
            ("p: {preset: converse}", "\"converse\" is no preset but a dialect: write dialect: converse"),
        ] {
            let problem = provider(text).unwrap_err();
            assert!(problem.contains(says) && !problem.contains("missing"), "{text}: {problem}");
        }
    }

    #[test]
    fn a_misspelt_provider_that_should_be_a_preset_had_no_near_name() {
        let problem = provider("opnai: {api_key: k}").unwrap_err();
        assert!(
            problem.ends_with("dialect is missing: no preset is named \"opnai\"; did you mean \"openai\"?"),
            "{problem}"
        );
        let problem = provider("mine: {api_key: k}").unwrap_err();
        assert!(problem.ends_with("dialect is missing: give it, or a preset"), "{problem}");
    }

    #[test]
    fn a_preset_given_as_a_dialect_was_not_called_one() {
        let problem = provider("p: {dialect: bedrock}").unwrap_err();
        assert!(
            problem.ends_with(
                "\"bedrock\" is no dialect but a preset, which speaks converse: write preset: bedrock"
            ),
            "{problem}"
        );
        let problem = provider("p: {dialect: bedrok}").unwrap_err();
        assert!(problem.ends_with("did you mean the preset \"bedrock\"?"), "{problem}");
        let problem = provider("p: {dialect: opnai}").unwrap_err();
        assert!(problem.ends_with("unknown dialect \"opnai\"; did you mean \"openai\"?"), "{problem}");
    }

    #[test]
    fn endpoints() {
        assert_eq!(Endpoint::parse("unix:/run/w.sock"), Some(Endpoint::Unix(PathBuf::from("/run/w.sock"))));
        assert_eq!(Endpoint::parse("[::1]:9"), Some(Endpoint::Tcp { host: "::1".to_owned(), port: 9 }));
        assert_eq!(Endpoint::parse("weirgate"), None);
    }
}
