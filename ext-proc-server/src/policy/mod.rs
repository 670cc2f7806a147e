//! Who may do what, and where it goes: decisions over one configuration, without input or output.

mod models;
pub mod prices;

use crate::config::{Config, Key};
use crate::envoy::clusters::{self, Asked, Cluster};
use prices::Price;
use std::collections::HashMap;
use std::sync::Arc;
use subtle::ConstantTimeEq;
use weirgate_dialect::error::{ClientError, ErrorKind};
use weirgate_dialect::{Dialect, Operation};

/// A request as decide sees it.
#[derive(Clone, Debug)]
pub struct Question {
    /// The client's dialect.
    pub dialect: Dialect,
    /// What is asked for.
    pub operation: Operation,
    /// Whether the method is one that may make a provider do something.
    pub changes: bool,
    /// The model's name in the body; empty if there is none.
    pub model: String,
    /// The provider that a header chose.
    pub provider: Option<String>,
    /// SHA-256 of the client's key.
    pub key_digest: Option<[u8; 32]>,
    /// Tokens counted in the prompt.
    pub input_tokens: u64,
    /// The client's cap on the tokens of one answer.
    pub max_tokens: Option<u64>,
    /// How many answers it wants.
    pub choices: u64,
}

/// Where a request goes and what it may cost.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The cluster of each attempt, in order; never empty.
    pub order: Arc<[String]>,
    /// Output tokens to reserve.
    pub output_tokens: u64,
    /// Money to reserve, in micro-dollars.
    pub micros: u64,
}

/// One configuration, made ready for decisions.
#[derive(Debug)]
pub struct Policy {
    config: Arc<Config>,
    keys: HashMap<[u8; 32], usize>,
    orders: HashMap<(String, Dialect, bool), Arc<Order>>,
    clusters: HashMap<String, Cluster>,
}

/// The way of all requests for one model in one dialect.
#[derive(Debug)]
struct Order {
    clusters: Arc<[String]>,
    /// The price of each deployment; `None`: unknown.
    prices: Vec<Option<Price>>,
}

impl Policy {
    /// Makes a configuration ready.
    pub fn new(config: Arc<Config>) -> Self {
        let keys = config.keys.iter().enumerate().map(|(index, key)| (key.digest, index)).collect();
        let clusters = clusters::all(&config).into_iter().map(|cluster| (cluster.name(), cluster)).collect();
        let mut orders = HashMap::new();
        for model in &config.models {
            for dialect in Dialect::ALL {
                for chat in [true, false] {
                    let asked =
                        Asked { dialect, operation: chat_operation(dialect, chat), model: &model.name };
                    let found = clusters::order(&config, config.deployments(model), asked);
                    let order = Order::new(&config, &found, model.retries);
                    orders.insert((model.name.clone(), dialect, chat), Arc::new(order));
                }
            }
        }
        Self { config, keys, orders, clusters }
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What a cluster's name stands for.
    pub fn cluster(&self, name: &str) -> Option<&Cluster> {
        self.clusters.get(name)
    }

    /// The name of the key with this digest.
    pub fn key_name(&self, digest: &[u8; 32]) -> Option<&str> {
        self.key(digest).map(|key| key.name.as_str())
    }

    fn key(&self, digest: &[u8; 32]) -> Option<&Key> {
        let index = self.keys.get(digest)?;
        // The map has compared already, byte by byte and only on what the client sent the preimage of; comparing again in
        // constant time makes that beyond doubt.
        self.config.keys.get(*index).filter(|key| bool::from(key.digest.ct_eq(digest)))
    }

    /// The key that a request came with.
    ///
    /// # Errors
    /// 401 without one, or with one that nobody knows.
    pub fn authenticate(&self, digest: Option<[u8; 32]>) -> Result<&Key, ClientError> {
        let unauthenticated = |code, message| ClientError::new(ErrorKind::Unauthenticated, code, message);
        let digest = digest.ok_or_else(|| {
            unauthenticated(
                "missing_api_key",
                "no API key: send one as Authorization: Bearer, or in x-api-key",
            )
        })?;
        self.key(&digest).ok_or_else(|| unauthenticated("invalid_api_key", "the API key is not known here"))
    }

    /// The models that a key may use.
    pub fn models<'a>(&'a self, key: &'a Key) -> impl Iterator<Item = &'a str> {
        let names = self.config.models.iter().map(|model| model.name.as_str());
        names.filter(|name| key.models.is_empty() || key.models.iter().any(|allowed| allowed == name))
    }

    /// Where a request goes and what it may cost.
    ///
    /// # Errors
    /// 403 or 404 if the key may not have it or nobody does, 400 if nobody offers it in the client's dialect.
    pub fn plan(&self, question: &Question, key: &Key) -> Result<Plan, ClientError> {
        let order = self.order(question, key)?;
        // A call without a model generates nothing; any other may generate until its cap.
        let default = if question.model.is_empty() { 0 } else { self.config.default_output_tokens };
        let output_tokens = question.max_tokens.unwrap_or(default).saturating_mul(question.choices);
        let worst = order
            .prices
            .iter()
            .map(|price| price.map(|price| price.upper_bound(question.input_tokens, output_tokens)));
        let micros: Option<Vec<u64>> = worst.collect();
        let micros = match micros {
            Some(micros) => micros.into_iter().max().unwrap_or(0),
            // Whoever has a budget must know what a request costs before it is made.
            None if key.limits.budget.is_some() && (question.changes || !question.model.is_empty()) => {
                return Err(unpriced(&question.model));
            }
            None => 0,
        };
        Ok(Plan { order: order.clusters.clone(), output_tokens, micros })
    }

    fn order(&self, question: &Question, key: &Key) -> Result<Arc<Order>, ClientError> {
        let chat = matches!(question.operation, Operation::ChatCompletions | Operation::Messages);
        if chat && question.model.is_empty() {
            // The filters see to it; this is for an Envoy whose filters are not ours.
            return Err(models::missing());
        }
        if let Some(provider) = &question.provider {
            return self.explicit(question, key, provider);
        }
        let known = self.orders.get(&(question.model.clone(), question.dialect, chat));
        let allowed = key.models.is_empty() || key.models.contains(&question.model);
        match known {
            Some(_) if !allowed => Err(models::forbidden(&question.model, &key.name)),
            Some(order) if order.clusters.is_empty() => {
                Err(models::unreachable(&question.model, question.dialect))
            }
            Some(order) => Ok(order.clone()),
            None if chat => Err(models::not_found(&question.model, self.models(key))),
            None => match &self.config.passthrough {
                Some(provider) => self.explicit(question, key, provider),
                None => Err(models::no_passthrough()),
            },
        }
    }

    /// A provider that was named: any model of it, unless the key is bound to models.
    fn explicit(&self, question: &Question, key: &Key, provider: &str) -> Result<Arc<Order>, ClientError> {
        let config = &self.config;
        if !config.providers.contains_key(provider) {
            return Err(models::no_provider(provider, config.providers.keys().map(String::as_str)));
        }
        if !key.models.is_empty() && !key.models.contains(&question.model) {
            return Err(models::forbidden(&question.model, &key.name));
        }
        // A name of ours becomes the provider's name for it, if this provider serves it.
        let model = config.model(&question.model);
        let deployment = model
            .and_then(|model| config.deployments(model).find(|deployment| deployment.provider == provider));
        let asked =
            Asked { dialect: question.dialect, operation: question.operation, model: &question.model };
        let target = deployment.map(|deployment| deployment.model.as_str());
        let target = target.filter(|target| *target != question.model);
        let cluster = clusters::reach(config, provider, target, asked)
            .ok_or_else(|| models::unreachable(&question.model, question.dialect))?;
        let mut order = Order::new(config, std::slice::from_ref(&cluster), 0);
        if cluster.model.is_none() {
            order.prices = vec![config.prices.get(&question.model)];
        }
        Ok(Arc::new(order))
    }
}

impl Order {
    /// Each deployment is tried once and then `retries` times more before the next.
    fn new(config: &Config, clusters: &[Cluster], retries: u64) -> Self {
        let price = |cluster: &Cluster| config.prices.get(cluster.model.as_deref()?);
        let times = usize::try_from(retries).unwrap_or(0).saturating_add(1);
        let attempts = clusters.iter().flat_map(|cluster| std::iter::repeat_n(cluster.name(), times));
        Self { prices: clusters.iter().map(price).collect(), clusters: attempts.collect() }
    }
}

fn chat_operation(dialect: Dialect, chat: bool) -> Operation {
    match (dialect, chat) {
        (Dialect::OpenAi, true) => Operation::ChatCompletions,
        (Dialect::Anthropic, true) => Operation::Messages,
        _ => Operation::Passthrough,
    }
}

fn unpriced(model: &str) -> ClientError {
    let what = match model {
        "" => "what this call costs".to_owned(),
        model => format!("the price of the model \"{model}\""),
    };
    let message = format!("{what} is not known, and this key has a budget");
    ClientError::new(ErrorKind::Forbidden, "unknown_price", message).with_param("model")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::read;
    use sha2::{Digest, Sha256};
    use std::collections::BTreeMap;

    const FILE: &str = r#"
providers:
  openai: {dialect: openai}
  claude: {dialect: anthropic}
models:
  - name: gpt-4o
    deployments: [{provider: openai, model: gpt-4o}]
  - name: chat
    deployments: [{provider: claude, model: claude-sonnet-4-5}, {provider: openai, model: gpt-4o}]
    retries: 1
passthrough: openai
keys:
  - {name: all, key: key-of-everybody, limits: {budget: {usd: 1}}}
  - {name: one, key: key-of-one-model, models: [chat]}
"#;

    fn policy() -> Policy {
        Policy::new(Arc::new(read(FILE, &BTreeMap::new()).unwrap()))
    }

    fn question(model: &str) -> Question {
        Question {
            dialect: Dialect::OpenAi,
            operation: Operation::ChatCompletions,
            changes: true,
            model: model.to_owned(),
            provider: None,
            key_digest: None,
            input_tokens: 1_000,
            max_tokens: Some(100),
            choices: 1,
        }
    }

    fn key<'p>(policy: &'p Policy, key: &str) -> &'p Key {
        policy.authenticate(Some(Sha256::digest(key.as_bytes()).into())).unwrap()
    }

    #[test]
    fn a_model_goes_to_its_deployments_in_order() {
        let policy = policy();
        let plan = policy.plan(&question("chat"), key(&policy, "key-of-everybody")).unwrap();
        // The second must set what the translation of the first left behind.
        let (first, second) = ("claude/claude-sonnet-4-5+from-openai", "openai/gpt-4o+prepare");
        assert_eq!(*plan.order, [first, first, second, second]);
        let plan = policy.plan(&question("gpt-4o"), key(&policy, "key-of-everybody")).unwrap();
        assert_eq!(*plan.order, ["openai/gpt-4o"]);
        assert_eq!(plan.micros, 2_500 + 1_000);
    }

    #[test]
    fn every_cluster_of_every_plan_is_rendered() {
        let policy = policy();
        let key = key(&policy, "key-of-everybody");
        for model in ["chat", "gpt-4o", "other"] {
            for provider in [None, Some("openai"), Some("claude")] {
                for (dialect, operation) in [
                    (Dialect::OpenAi, Operation::ChatCompletions),
                    (Dialect::Anthropic, Operation::Messages),
                    (Dialect::OpenAi, Operation::Passthrough),
                    (Dialect::Anthropic, Operation::Passthrough),
                ] {
                    let provider = provider.map(str::to_owned);
                    let question = Question { dialect, operation, provider, ..question(model) };
                    let Ok(plan) = policy.plan(&question, key) else { continue };
                    for cluster in plan.order.iter() {
                        assert!(policy.cluster(cluster).is_some(), "{cluster} of {question:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn keys_are_known_or_not() {
        let policy = policy();
        assert_eq!(policy.authenticate(None).unwrap_err().code, "missing_api_key");
        assert_eq!(policy.authenticate(Some([0; 32])).unwrap_err().code, "invalid_api_key");
    }

    #[test]
    fn an_unknown_model_is_answered_with_near_names() {
        let policy = policy();
        let error = policy.plan(&question("gtp-4o"), key(&policy, "key-of-everybody")).unwrap_err();
        assert_eq!(error.status(), 404);
        assert!(error.message.contains("did you mean \"gpt-4o\"?"), "{}", error.message);
    }

    #[test]
    fn a_key_bound_to_a_model_cannot_have_another() {
        let policy = policy();
        let bound = key(&policy, "key-of-one-model");
        assert_eq!(policy.plan(&question("gpt-4o"), bound).unwrap_err().status(), 403);
        let named = Question { provider: Some("openai".to_owned()), ..question("gpt-4o") };
        assert_eq!(policy.plan(&named, bound).unwrap_err().status(), 403);
        assert!(policy.plan(&question("chat"), bound).is_ok());
    }

    #[test]
    fn a_named_provider_gets_its_own_name_of_the_model() {
        let policy = policy();
        let named = Question { provider: Some("openai".to_owned()), ..question("chat") };
        let plan = policy.plan(&named, key(&policy, "key-of-everybody")).unwrap();
        assert_eq!(*plan.order, ["openai/gpt-4o+prepare"]);
    }

    #[test]
    fn a_budget_refuses_what_has_no_price() {
        let policy = policy();
        let key = key(&policy, "key-of-everybody");
        let named = Question { provider: Some("openai".to_owned()), ..question("secret-model") };
        assert_eq!(policy.plan(&named, key).unwrap_err().code, "unknown_price");
        let upload = Question { operation: Operation::Passthrough, ..question("") };
        assert_eq!(policy.plan(&upload, key).unwrap_err().code, "unknown_price");
        assert!(policy.plan(&Question { changes: false, ..upload }, key).is_ok());
    }
}
