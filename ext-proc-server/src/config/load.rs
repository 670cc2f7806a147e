//! From the nodes of a file to a [`Config`], or to all that is wrong with it.

use super::directory::Known;
use super::document::{self, Fields, Node, Problem, Problems, unknown};
use super::environment::Environment;
use super::presets::{self, Preset};
use super::values::Reader;
use super::*;
use crate::directory::bounds::TEXT_BYTES;
use std::collections::HashSet;
use std::path::Path;
use weirgate_contract::filter_config::{GuardAction, GuardRule, GuardScope};
use weirgate_guard::Guard;

/// Who may speak in a message, in any of the dialects.
const ROLES: [&str; 6] = ["system", "developer", "user", "assistant", "tool", "function"];

/// Reads and checks a file.
///
/// # Errors
/// Everything that is wrong with it, in the order of the file.
pub fn load(path: &Path, environment: &dyn Environment) -> Result<Config, Vec<Problem>> {
    match std::fs::read_to_string(path) {
        Ok(text) => read(&text, environment),
        Err(error) => Err(vec![Problem {
            line: 0,
            column: 0,
            field: String::new(),
            message: format!("cannot read {}: {error}", path.display()),
        }]),
    }
}

/// Reads and checks the text of a file.
///
/// # Errors
/// Everything that is wrong with it, in the order of the file.
pub fn read(text: &str, environment: &dyn Environment) -> Result<Config, Vec<Problem>> {
    let root = document::parse(text).map_err(|problem| vec![problem])?;
    let reader = Reader { problems: Problems::default(), environment };
    let config = reader.config(&root);
    let problems = reader.problems.into_sorted();
    match config {
        Some(config) if problems.is_empty() => Ok(config),
        _ => Err(problems),
    }
}

impl Reader<'_> {
    /// Reads everything even where a part is wrong, so that one run shows every problem. `None` only with a problem.
    fn config(&self, root: &Node) -> Option<Config> {
        let problems = &self.problems;
        let mut fields = Fields::of(root, problems);
        let address = |reader: &Self, node: Option<&Node>, default: SocketAddr| {
            node.map_or(Some(default), |node| reader.socket(node))
        };
        let listen = address(self, fields.get("listen"), SocketAddr::from(([0, 0, 0, 0], 8080)));
        let admin = address(self, fields.get("admin"), SocketAddr::from(([127, 0, 0, 1], 9900)));
        let service = fields.get("service").map_or_else(
            || Some(Endpoint::Tcp { host: "127.0.0.1".to_owned(), port: 9901 }),
            |node| self.endpoint(node),
        );
        let service_address = fields.get("service_address").and_then(|node| self.endpoint(node));
        let probe = fields.get("probe").and_then(|node| self.text(node));
        let mut providers = BTreeMap::new();
        let provider_nodes = fields.named("providers", problems);
        for (name, node) in provider_nodes {
            self.name(node, name);
            if let Some(provider) = self.provider(name, node) {
                providers.insert(name.clone(), provider);
            }
        }
        let provider_names: Vec<&str> = provider_nodes.iter().map(|(name, _)| name.as_str()).collect();
        if fields.lacks("providers") {
            problems.add(root, "providers is missing: name at least one");
        }
        let model_nodes = fields.list("models", problems);
        let model_names = self.names(model_nodes);
        let models: Vec<Model> =
            model_nodes.iter().filter_map(|node| self.model(node, &provider_names, &model_names)).collect();
        let key_checksum = self.key_checksum(&mut fields);
        let known = Known {
            models: model_names.iter().map(String::as_str).collect(),
            providers: provider_names.clone(),
            key_checksum: key_checksum.as_ref(),
        };
        let directory = self.directory(&mut fields, &known);
        let admins = self.admins(&mut fields);
        let alerts = self.alerts(&mut fields);
        if fields.lacks("keys") && fields.lacks("admins") {
            problems.add(
                root,
                "keys is missing: without a key, and without admins who could make one, nobody can use the gateway",
            );
        }
        let jwt = fields.get("jwt").and_then(|node| self.jwt(node));
        let passthrough =
            fields.get("passthrough").and_then(|node| self.one_of(node, "provider", &provider_names));
        let rules = fields
            .list("rules", problems)
            .iter()
            .filter_map(|node| self.rule(node, &provider_names, &model_names))
            .collect();
        let guard_node = fields.get("guard");
        let guard = guard_node.map(|node| self.guard(node)).unwrap_or_default();
        let unsupported = [("reject", Unsupported::Reject), ("drop", Unsupported::Drop)];
        let unsupported_fields =
            fields.get("unsupported_fields").and_then(|node| self.choice(node, &unsupported));
        let failure = [("refuse", ServiceFailure::Refuse), ("pass", ServiceFailure::Pass)];
        let on_service_failure =
            fields.get("on_service_failure").and_then(|node| self.choice(node, &failure));
        let max_body = fields.get("max_body").and_then(|node| self.bytes(node)).unwrap_or(32 << 20);
        let timeouts = self.timeouts(fields.get("timeouts"));
        let ledger = fields.get("ledger").and_then(|node| self.text(node)).map(PathBuf::from);
        let beside =
            ledger.as_ref().and_then(|ledger| ledger.parent()).map(Path::to_owned).unwrap_or_default();
        let (store, folder) = self.store(fields.get("store"), beside.join("weirgate-store"));
        let has_redis = matches!(store, StoreSettings::Redis { .. });
        let cache = fields.get("cache").and_then(|node| self.cache(node, &known.models, has_redis));
        let prices = self.prices(&mut fields);
        let budget_status =
            fields.get("budget_status").and_then(|node| self.refusal_status(node)).unwrap_or(429);
        let cost_header = fields.get("cost_header").and_then(|node| self.flag(node)).unwrap_or(false);
        let default_output_tokens =
            fields.get("default_output_tokens").and_then(|node| self.count(node)).unwrap_or(1024);
        let envoy = self.envoy(fields.get("envoy"));
        fields.finish(problems);
        Some(Config {
            listen: listen?,
            admin: admin?,
            service: service?,
            service_address,
            probe,
            providers,
            models,
            directory,
            admins,
            alerts,
            cache,
            key_checksum,
            store,
            folder,
            jwt,
            passthrough,
            rules,
            guard,
            unsupported_fields: unsupported_fields.unwrap_or(Unsupported::Reject),
            on_service_failure: on_service_failure.unwrap_or(ServiceFailure::Refuse),
            max_body,
            timeouts,
            ledger,
            prices,
            budget_status,
            cost_header,
            default_output_tokens,
            envoy,
        })
    }

    fn socket(&self, node: &Node) -> Option<SocketAddr> {
        let text = self.text(node)?;
        let address = text.parse().ok();
        if address.is_none() {
            self.problems.add(node, format!("\"{text}\" is not an address and port such as 127.0.0.1:8080"));
        }
        address
    }

    fn endpoint(&self, node: &Node) -> Option<Endpoint> {
        let text = self.text(node)?;
        let endpoint = Endpoint::parse(&text);
        if endpoint.is_none() {
            self.problems.add(node, format!("\"{text}\" is neither host:port nor unix:/path"));
        }
        endpoint
    }

    pub(super) fn one_of(&self, node: &Node, what: &str, known: &[&str]) -> Option<String> {
        let name = self.text(node)?;
        if !known.contains(&name.as_str()) {
            self.problems.add(node, unknown(what, &name, known.iter().copied()));
            return None;
        }
        Some(name)
    }

    /// A name that becomes part of headers, metrics and Envoy's names.
    pub(super) fn name(&self, node: &Node, name: &str) {
        let plain = |character: char| character.is_ascii_graphic() && !"\"'\\,;*+%".contains(character);
        if !(1..=TEXT_BYTES).contains(&name.len()) || !name.chars().all(plain) {
            let shown: String = name.chars().take(64).collect();
            self.problems.add(
                node,
                format!(
                    "\"{shown}\" is no name: 1 to {TEXT_BYTES} letters, digits and signs other than \" ' \\ , ; * + %"
                ),
            );
        }
    }

    /// The `name` of every item, each of which must be unique.
    pub(super) fn names(&self, nodes: &[Node]) -> Vec<String> {
        let mut seen = HashSet::new();
        let mut names = Vec::new();
        // What cannot be read is told when the item is.
        let quiet = Reader { problems: Problems::default(), environment: self.environment };
        for node in nodes {
            let Some(name_node) = Fields::of(node, &quiet.problems).get("name") else { continue };
            let Some(name) = quiet.text(name_node) else { continue };
            self.name(name_node, &name);
            if !seen.insert(name.clone()) {
                self.problems.add(name_node, format!("the name \"{name}\" is given twice"));
            }
            names.push(name);
        }
        names
    }

    fn provider(&self, name: &str, node: &Node) -> Option<Provider> {
        let problems = &self.problems;
        let mut fields = Fields::of(node, problems);
        let preset_node = fields.get("preset");
        let preset = self.preset(name, preset_node);
        // What the preset that is meant would say is not missing.
        let misspelt = preset_node.is_some() && preset.is_none();
        let dialect = match (preset, fields.get("dialect")) {
            (_, Some(node)) => self.dialect(node),
            (Some(preset), None) => Some(preset.dialect),
            (None, None) if misspelt => None,
            (None, None) => {
                problems.add(node, presets::no_dialect(name));
                None
            }
        };
        // One that is described in part is not another that happens to have its name.
        let preset =
            preset.filter(|preset| Some(preset.dialect) == dialect).or(dialect.and_then(presets::of_dialect));
        let credential = self.credential(name, &mut fields);
        let url = match fields.get("base_url") {
            Some(node) => self.text(node).and_then(|text| {
                let url = BaseUrl::parse(&text);
                if url.is_none() {
                    problems.add(node, format!("\"{text}\" is not a URL such as https://host/v1"));
                }
                url
            }),
            None if misspelt => None,
            None => preset.and_then(|preset| {
                if let Some(url) = preset.in_region(credential.as_ref()) {
                    return BaseUrl::parse(&url);
                }
                if preset.is_template() {
                    problems.add(node, format!("base_url is missing: it is of the form {}", preset.base_url));
                    return None;
                }
                BaseUrl::parse(preset.base_url)
            }),
        };
        let quirks = match (preset, &url) {
            // A server of one's own that speaks OpenAI's dialect is not OpenAI.
            (Some(preset), Some(url)) if !preset.is_template() && !same_host(preset, url) => &[],
            (Some(preset), _) => preset.quirks,
            (None, _) => &[],
        };
        let query = self.named_texts(fields.named("query", problems));
        let query = form(query.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let responses = match fields.get("responses") {
            Some(node) => self.choice(node, &[("true", true), ("false", false)])?,
            None => quirks.contains(&Quirk::Responses),
        };
        fields.finish(problems);
        Some(Provider { dialect: dialect?, base_url: url?, query, credential, responses, quirks })
    }

    /// What is known of a provider: by the preset that it names, or else by its own name.
    fn preset(&self, name: &str, node: Option<&Node>) -> Option<&'static Preset> {
        let Some(node) = node else { return presets::find(name) };
        let text = self.text(node)?;
        let found = presets::find(&text);
        if found.is_none() {
            self.problems.add(node, presets::unknown_preset(&text));
        }
        found
    }

    fn dialect(&self, node: &Node) -> Option<Dialect> {
        let text = self.text(node)?;
        let found = Dialect::parse(&text);
        if found.is_none() {
            self.problems.add(node, presets::unknown_dialect(&text));
        }
        found
    }

    fn model(&self, node: &Node, providers: &[&str], models: &[String]) -> Option<Model> {
        let problems = &self.problems;
        let models: Vec<&str> = models.iter().map(String::as_str).collect();
        let mut fields = Fields::of(node, problems);
        let name = fields.need("name", problems).and_then(|node| self.text(node));
        let nodes = fields.list("deployments", problems);
        if nodes.is_empty() {
            problems.add(node, "deployments is missing: name at least one");
        }
        let deployments = nodes.iter().filter_map(|node| {
            let mut fields = Fields::of(node, problems);
            let provider =
                fields.need("provider", problems).and_then(|node| self.one_of(node, "provider", providers));
            let model = fields.need("model", problems).and_then(|node| {
                let model = self.text(node)?;
                self.name(node, &model);
                Some(model)
            });
            fields.finish(problems);
            Some(Deployment { provider: provider?, model: model? })
        });
        let deployments = deployments.collect();
        let fallbacks = fields.list("fallbacks", problems).iter();
        let fallbacks = fallbacks.filter_map(|node| self.one_of(node, "model", &models)).collect();
        let retries = fields.get("retries").and_then(|node| self.count(node)).unwrap_or(0);
        let encodings = [("o200k", Tokenizer::O200k), ("cl100k", Tokenizer::Cl100k)];
        let tokenizer = fields.get("tokenizer").and_then(|node| self.choice(node, &encodings));
        let factor = fields.get("token_factor").and_then(|node| self.factor(node)).map(Tokenizer::Estimate);
        fields.finish(problems);
        Some(Model { name: name?, deployments, fallbacks, retries, tokenizer: tokenizer.or(factor) })
    }

    /// Where counters are kept, and the folder of what must survive a restart.
    fn store(&self, node: Option<&Node>, default: PathBuf) -> (StoreSettings, Option<PathBuf>) {
        let problems = &self.problems;
        let Some(node) = node else { return (StoreSettings::Embedded, Some(default)) };
        let mut fields = Fields::of(node, problems);
        let folder = fields.get("folder").and_then(|node| self.text(node));
        let url_node = fields.get("redis");
        let url = url_node.and_then(|node| self.text(node));
        let prefix = fields.get("prefix").and_then(|node| self.text(node));
        let timeout = fields.get("timeout").and_then(|node| self.duration(node));
        let lease_percent = fields.get("lease_percent").and_then(|node| self.percent(node, 1..=50));
        fields.finish(problems);
        if url_node.is_none() && (prefix.is_some() || timeout.is_some() || lease_percent.is_some()) {
            problems.add(node, "prefix, timeout and lease_percent are for redis");
        }
        let folder = folder.map_or(Some(default), |folder| (folder != "none").then(|| PathBuf::from(folder)));
        let Some(url) = url else { return (StoreSettings::Embedded, folder) };
        let settings = redis::Settings {
            url,
            prefix: prefix.unwrap_or_else(|| "weirgate".to_owned()),
            timeout: timeout.unwrap_or(redis::Settings::TIMEOUT),
            clock: crate::store::Clock::System,
        };
        if let Err(error) = redis::Redis::connect(settings.clone()) {
            problems.add(node, error.reason);
        }
        (StoreSettings::Redis { settings, lease_percent }, folder)
    }

    fn rule(&self, node: &Node, providers: &[&str], models: &[String]) -> Option<HeaderRule> {
        let models: Vec<&str> = models.iter().map(String::as_str).collect();
        let problems = &self.problems;
        let mut fields = Fields::of(node, problems);
        let header = fields.need("header", problems).and_then(|node| self.text(node));
        let exact = fields.get("exact").and_then(|node| self.text(node));
        let prefix = fields.get("prefix").and_then(|node| self.text(node));
        let (provider_node, model_node) = (fields.get("provider"), fields.get("model"));
        let provider = provider_node.and_then(|node| self.one_of(node, "provider", providers));
        // A provider may have models that this file does not name; without one the name must be ours.
        let model = model_node.and_then(|node| match provider_node {
            Some(_) => self.text(node),
            None => self.one_of(node, "model", &models),
        });
        fields.finish(problems);
        if provider_node.is_none() && model_node.is_none() {
            problems.add(node, "a rule needs a provider or a model to choose");
        }
        Some(HeaderRule { header: header?.to_ascii_lowercase(), exact, prefix, provider, model })
    }

    fn guard(&self, node: &Node) -> PromptGuard {
        let problems = &self.problems;
        let mut fields = Fields::of(node, problems);
        let nodes = fields.list("rules", problems);
        let rules = nodes.iter().filter_map(|node| self.guard_rule(node)).collect();
        let websockets = fields.get("websockets");
        let websockets = websockets.and_then(|node| self.choice(node, &[("refuse", false), ("pass", true)]));
        fields.finish(problems);
        PromptGuard { rules, pass_websockets: websockets.unwrap_or(false) }
    }

    fn guard_rule(&self, node: &Node) -> Option<GuardRule> {
        let problems = &self.problems;
        let mut fields = Fields::of(node, problems);
        let name = fields.need("name", problems).and_then(|node| self.text(node));
        let actions = [("deny", GuardAction::Deny), ("allow", GuardAction::Allow)];
        let action = fields.need("action", problems).and_then(|node| self.choice(node, &actions));
        let pattern_node = fields.need("pattern", problems);
        let pattern = pattern_node.and_then(|node| self.text(node));
        let roles = fields.list("roles", problems).iter();
        // A misspelt role would be a rule that never applies.
        let roles = roles.filter_map(|node| self.one_of(node, "role", &ROLES)).collect();
        let scopes = [("all", GuardScope::All), ("last", GuardScope::Last)];
        let messages =
            fields.get("messages").map_or(Some(GuardScope::All), |node| self.choice(node, &scopes));
        fields.finish(problems);
        let rule = GuardRule { name: name?, action: action?, pattern: pattern?, roles, messages: messages? };
        if let Err(bad) = Guard::new(&PromptGuard { rules: vec![rule.clone()], ..PromptGuard::default() }) {
            let reason = bad.reason.lines().last().unwrap_or_default().trim().to_owned();
            problems.add(pattern_node.unwrap_or(node), format!("is no pattern: {reason}"));
        }
        Some(rule)
    }

    fn timeouts(&self, node: Option<&Node>) -> Timeouts {
        let mut timeouts = Timeouts {
            request: Duration::from_secs(600),
            silence: Duration::from_secs(120),
            connect: Duration::from_secs(5),
            settle: Duration::from_secs(30),
            websocket: Duration::from_secs(3_600),
        };
        let Some(node) = node else { return timeouts };
        let mut fields = Fields::of(node, &self.problems);
        for (name, timeout) in [
            ("request", &mut timeouts.request),
            ("silence", &mut timeouts.silence),
            ("connect", &mut timeouts.connect),
            ("settle", &mut timeouts.settle),
            ("websocket", &mut timeouts.websocket),
        ] {
            if let Some(duration) = fields.get(name).and_then(|node| self.duration(node)) {
                *timeout = duration;
            }
        }
        fields.finish(&self.problems);
        timeouts
    }

    fn envoy(&self, node: Option<&Node>) -> EnvoySettings {
        let Some(node) = node else { return EnvoySettings::default() };
        let mut fields = Fields::of(node, &self.problems);
        let filters = fields.get("filters").and_then(|node| self.text(node)).map(PathBuf::from);
        let admin = fields.get("admin").and_then(|node| self.socket(node));
        let concurrency = fields.get("concurrency").and_then(|node| self.count(node));
        fields.finish(&self.problems);
        EnvoySettings { filters, admin, concurrency }
    }
}

/// The 32 bytes that 64 hexadecimal digits stand for.
pub(crate) fn hex_digest(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (index, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(index * 2..index * 2 + 2)?, 16).ok()?;
    }
    Some(digest)
}

/// Whether an address is the preset's own.
fn same_host(preset: &Preset, url: &BaseUrl) -> bool {
    BaseUrl::parse(preset.base_url).is_some_and(|own| own.host == url.host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> BTreeMap<String, String> {
        BTreeMap::from([("OPENAI_API_KEY".to_owned(), "sk-openai".to_owned())])
    }

    const GOOD: &str = r#"
listen: 127.0.0.1:8080
providers:
  openai: {dialect: openai, api_key: ${OPENAI_API_KEY}}
  local: {dialect: anthropic, base_url: "http://127.0.0.1:9/v1"}
models:
  - name: chat
    deployments:
      - {provider: openai, model: gpt-4o}
      - {provider: local, model: claude}
keys:
  - name: team
    key: a-key-of-some-length
    limits: {requests_per_minute: 60, budget: {usd: 1.5, period: day}}
prices:
  claude: {input: 3, output: 15}
"#;

    fn problems(text: &str) -> Vec<String> {
        read(text, &environment()).unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_good_file() {
        let config = read(GOOD, &environment()).unwrap();
        assert_eq!(config.providers["openai"].base_url.host, "api.openai.com");
        let key = Secret::Environment("OPENAI_API_KEY".to_owned());
        assert_eq!(config.providers["openai"].credential, Some(Credential::Key(key)));
        assert_eq!(config.models[0].deployments.len(), 2);
        let limits = &config.directory.keys["team"].limits;
        assert_eq!(limits[0].name, "requests_per_minute");
        assert_eq!((limits[1].amount, limits[1].window.to_string().as_str()), (1_500_000, "day"));
    }

    #[test]
    fn a_missing_variable_is_named() {
        let error = read(GOOD, &BTreeMap::new()).unwrap_err();
        assert_eq!(error.len(), 1);
        assert_eq!(
            error[0].to_string(),
            "line 4, column 38: providers.openai.api_key: the environment variable OPENAI_API_KEY is not set"
        );
    }

    #[test]
    fn every_error_is_reported_in_one_run() {
        let text = GOOD
            .replace("provider: local", "provider: lokal")
            .replace("requests_per_minute", "request_per_minute")
            .replace("usd: 1.5", "usd: much")
            .replace("dialect: anthropic", "dialect: antropic");
        let problems = problems(&text);
        assert_eq!(problems.len(), 4, "{problems:#?}");
        assert!(problems[0].contains("did you mean \"anthropic\"?"), "{problems:#?}");
        assert!(problems[1].contains(
            "models[0].deployments[1].provider: unknown provider \"lokal\"; did you mean \"local\"?"
        ));
        assert!(problems[2].contains("did you mean \"requests_per_minute\"?"));
        assert!(problems[3].contains("keys[0].limits.budget.usd: \"much\" is not an amount"));
    }

    #[test]
    fn an_empty_file_says_what_is_needed() {
        let problems = problems("");
        assert!(problems.iter().any(|problem| problem.contains("providers is missing")));
        assert!(problems.iter().any(|problem| problem.contains("keys is missing")));
    }

    #[test]
    fn what_cannot_be_read_is_not_called_missing_besides() {
        for (text, variables) in [
            ("providers: {p: {dialect: openai}}\nadmins: [{name: a, key: \"${UNSET}\", role: admin}]", 1),
            ("providers: {p: {dialect: openai}}\nkeys: [{name: k, key: \"${UNSET}\"}]", 1),
            (
                "providers: {p: {dialect: openai}}\nkeys: [{name: k, key: \"${UNSET}\"}]\njwt: {issuer: i, jwks_file: \"${UNSET}\"}",
                2,
            ),
            (
                "providers: {p: {dialect: openai}}\nkeys: [{name: k, key: \"${UNSET}\"}]\nprices: {m: {input: \"${UNSET}\", output: 1}}",
                2,
            ),
        ] {
            let problems = problems(text);
            assert!(problems.iter().all(|problem| problem.contains("UNSET is not set")), "{problems:#?}");
            assert_eq!(problems.len(), variables);
        }
        let rule = format!("{GOOD}rules: [{{header: x, provider: lokal}}]\n");
        assert_eq!(problems(&rule).len(), 1, "{:#?}", problems(&rule));
        assert!(problems("providers: 1\nkeys: 2").iter().all(|problem| !problem.contains("missing")));
    }

    #[test]
    fn a_misspelt_role_is_no_rule_that_never_applies() {
        let text =
            format!("{GOOD}guard:\n  rules:\n    - {{name: a, action: deny, pattern: x, roles: [usr]}}\n");
        assert!(problems(&text)[0].contains("did you mean \"user\"?"), "{:#?}", problems(&text));
    }

    #[test]
    fn a_bad_pattern_has_a_place() {
        let text = format!("{GOOD}guard:\n  rules:\n    - {{name: a, action: deny, pattern: '('}}\n");
        assert!(
            problems(&text)[0].contains("guard.rules[0].pattern: is no pattern"),
            "{:#?}",
            problems(&text)
        );
    }
}
