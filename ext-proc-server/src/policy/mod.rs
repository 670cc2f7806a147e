//! Who may do what, and where it goes: decisions over one configuration, without input or output.

mod access;
pub mod claims;
pub mod identity;
pub mod limit;
mod models;
pub mod plan;
pub mod prices;
pub mod rules;

use crate::config::Config;
use crate::envoy::clusters::{self, Asked, Cluster};
use access::{Caller, forbidden};
use identity::{Directory, Principal};
use limit::Rule;
use rules::Rules;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
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
    /// Whether the answer is to be streamed.
    pub stream: bool,
    /// Whether it may hold thinking of other providers, which those of its dialect would refuse.
    pub foreign: bool,
    /// The model's name in the body; empty if there is none.
    pub model: String,
    /// The provider that a header chose.
    pub provider: Option<String>,
    /// SHA-256 of the client's key.
    pub key_digest: Option<[u8; 32]>,
    /// The claims of a token that Envoy has checked; or, as a text, why it does not hold.
    pub claims: Option<serde_json::Value>,
    /// Where the request comes from.
    pub source: Option<IpAddr>,
    /// The end user that it names; empty: none.
    pub end_user: String,
    /// Its own tags.
    pub tags: Vec<String>,
    /// The service tier that it asks for; empty: the standard one.
    pub tier: String,
    /// What it says is to become of fields that a provider cannot take; empty: as is configured.
    pub unsupported_fields: String,
    /// Tokens counted in the prompt.
    pub input_tokens: u64,
    /// The client's cap on the tokens of one answer.
    pub max_tokens: Option<u64>,
    /// How many answers it wants.
    pub choices: u64,
}

impl Question {
    /// Whether nobody bills it, whatever the model costs.
    pub fn is_free(&self) -> bool {
        self.operation == Operation::CountTokens
    }

    /// As how many calls its model's price counts it at most.
    fn calls(&self) -> u64 {
        if self.operation == Operation::Rerank { self.choices.max(1) } else { 1 }
    }
}

/// One configuration, made ready for decisions.
#[derive(Debug)]
pub struct Policy {
    config: Arc<Config>,
    directory: Directory,
    /// Who holds a key, by the key's digest.
    holders: HashMap<[u8; 32], Arc<Holder>>,
    rules: Rules,
    /// The way of a kind of calls, for which [`kind`] has one operation.
    orders: HashMap<(String, Dialect, Operation), Arc<Order>>,
    clusters: HashMap<String, Cluster>,
}

/// A key, and what follows from whose it is.
#[derive(Debug)]
struct Holder {
    key: identity::Key,
    principal: Principal,
    /// The models that it may use; empty: all.
    models: Vec<String>,
    /// The rules that may count its requests.
    rules: Vec<Arc<Rule>>,
}

/// The way of all requests for one model in one dialect.
#[derive(Clone, Debug)]
struct Order {
    attempts: Vec<Attempt>,
}

/// A cluster to try.
#[derive(Clone, Debug)]
struct Attempt {
    cluster: Cluster,
    /// How often it is tried before the next.
    times: usize,
}

impl Attempt {
    /// The provider's name of the model, for a request that names this one.
    fn served<'a>(&'a self, model: &'a str) -> &'a str {
        self.cluster.model.as_deref().unwrap_or(model)
    }
}

impl Policy {
    /// Makes a configuration ready, with whom the admin API has made known besides it.
    pub fn new(config: Arc<Config>, managed: &Directory) -> Self {
        let directory = config.directory.clone().or(managed);
        let rules = Rules::of(&directory);
        let holders = access::holders(&directory, &rules);
        let clusters = clusters::all(&config).into_iter().map(|cluster| (cluster.name(), cluster)).collect();
        let mut orders = HashMap::new();
        for model in &config.models {
            for dialect in Dialect::ALL {
                let chat = dialect.chat().unwrap_or(Operation::Passthrough);
                for operation in [chat, Operation::Embeddings, Operation::Rerank, Operation::Passthrough] {
                    let asked = Asked { dialect, operation, model: &model.name };
                    let found = clusters::order(&config, config.deployments(model), asked);
                    let order = Order::new(found, model.retries);
                    orders.insert((model.name.clone(), dialect, operation), Arc::new(order));
                }
            }
        }
        Self { config, directory, holders, rules, orders, clusters }
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Everybody who is known.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Every limit in force.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// What a cluster's name stands for.
    pub fn cluster(&self, name: &str) -> Option<&Cluster> {
        self.clusters.get(name)
    }

    /// Whose the key with this digest is.
    pub fn principal(&self, digest: &[u8; 32]) -> Option<&Principal> {
        self.holders.get(digest).map(|holder| &holder.principal)
    }
}

impl Order {
    /// Each deployment is tried once and then `retries` times more before the next.
    fn new(clusters: Vec<Cluster>, retries: u64) -> Self {
        let times = usize::try_from(retries).unwrap_or(0).saturating_add(1);
        let attempts = clusters.into_iter().map(|cluster| Attempt { cluster, times });
        Self { attempts: attempts.collect() }
    }
}

/// What stands for all calls that go the same way as this one.
fn kind(dialect: Dialect, operation: Operation) -> Operation {
    match operation {
        Operation::Embeddings | Operation::Rerank => operation,
        _ => dialect.chat().filter(|_| operation.dialect().is_some()).unwrap_or(Operation::Passthrough),
    }
}

#[cfg(test)]
mod tests;
