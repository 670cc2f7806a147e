//! The clusters that stand for deployments.
//!
//! A cluster is one way to reach one deployment: as the request is, prepared for the provider (its path, its name of the
//! model), or translated from another dialect. Each way has its own upstream filters, so a request that needs none pays for none. decide names clusters in the
//! order in which they are to be tried; what a name means stands here, for decide, render and record alike.

use crate::config::{Config, Deployment};
use std::collections::BTreeSet;
use weirgate_dialect::{Dialect, Operation, translate};

/// One way to reach a deployment, or any model of a provider.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cluster {
    /// The provider.
    pub provider: String,
    /// The provider's name of the model; `None`: the one in the body.
    pub model: Option<String>,
    /// What happens to the body on the way.
    pub adaptation: Adaptation,
}

/// What happens to a body between client and provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Adaptation {
    /// Nothing.
    None,
    /// The path and the model's name are set.
    Prepare,
    /// It is rewritten from this dialect, the client's, to the provider's.
    Translate(Dialect),
}

impl Adaptation {
    /// The dialect that is translated from, if any is.
    pub fn translates_from(self) -> Option<Dialect> {
        match self {
            Self::None | Self::Prepare => None,
            Self::Translate(from) => Some(from),
        }
    }
}

impl Cluster {
    /// The name in Envoy's configuration, statistics and logs.
    pub fn name(&self) -> String {
        let deployment = self.deployment();
        match self.adaptation {
            Adaptation::None => deployment,
            Adaptation::Prepare => format!("{deployment}+prepare"),
            Adaptation::Translate(from) => format!("{deployment}+from-{from}"),
        }
    }

    /// The deployment as clients and operators see it: `provider/model`.
    pub fn deployment(&self) -> String {
        format!("{}/{}", self.provider, self.model.as_deref().unwrap_or("*"))
    }
}

/// The path of the providers that need no preparation: clients use it too.
const COMMON_BASE_PATH: &str = "/v1";

/// A request, as far as it decides which clusters it can reach.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The client's dialect.
    pub dialect: Dialect,
    /// What is asked for.
    pub operation: Operation,
    /// The model's name in the body.
    pub model: &'a str,
}

/// The clusters that lead to these deployments, in their order. Deployments that cannot be reached from this dialect are
/// left out.
pub fn order<'a>(
    config: &Config,
    deployments: impl Iterator<Item = &'a Deployment>,
    asked: Asked<'_>,
) -> Vec<Cluster> {
    let mut clusters: Vec<Cluster> = Vec::new();
    for deployment in deployments {
        let Some(mut cluster) = reach(config, &deployment.provider, Some(&deployment.model), asked) else {
            continue;
        };
        // An adapted attempt leaves its path and length in the headers; the next one must set its own.
        let after_another = clusters.iter().any(|earlier| earlier.adaptation != Adaptation::None);
        if after_another && cluster.adaptation == Adaptation::None {
            cluster.adaptation = Adaptation::Prepare;
        }
        clusters.push(cluster);
    }
    clusters
}

/// The cluster that leads to a provider, or `None` if this request cannot be brought to it. Without a model the one in the
/// body stays.
pub fn reach(config: &Config, provider: &str, model: Option<&str>, asked: Asked<'_>) -> Option<Cluster> {
    let settings = config.providers.get(provider)?;
    let ranks = asked.operation == Operation::Rerank && ranks(asked.dialect) && ranks(settings.dialect);
    let same_dialect = ranks || settings.speaks(asked.dialect);
    let renamed = model.is_some_and(|model| model != asked.model);
    let other_path = settings.path() != COMMON_BASE_PATH;
    // Documents that are to be ranked have a few fields in one dialect and not in the other.
    let other_fields = ranks && settings.dialect != asked.dialect;
    let adaptation = if same_dialect && (renamed || other_path || other_fields) {
        Adaptation::Prepare
    } else if same_dialect {
        Adaptation::None
    } else if is_translated(asked, settings.dialect) {
        Adaptation::Translate(asked.dialect)
    } else {
        return None;
    };
    Some(Cluster { provider: provider.to_owned(), model: model.map(str::to_owned), adaptation })
}

/// Whether documents can be ranked in this dialect.
fn ranks(dialect: Dialect) -> bool {
    matches!(dialect, Dialect::OpenAi | Dialect::Cohere)
}

/// Whether this request can be rewritten for a provider of another dialect.
fn is_translated(asked: Asked<'_>, to: Dialect) -> bool {
    match asked.operation {
        Operation::Embeddings => translate::embeddings::is_supported(asked.dialect, to),
        operation => operation.dialect().is_some() && translate::is_supported(asked.dialect, to),
    }
}

/// Every cluster that decide may name.
pub fn all(config: &Config) -> Vec<Cluster> {
    let mut clusters = BTreeSet::new();
    for dialect in Dialect::ALL {
        let operation = dialect.chat().unwrap_or(Operation::Passthrough);
        for model in &config.models {
            let asked = Asked { dialect, operation, model: &model.name };
            clusters.extend(order(config, config.deployments(model), asked));
            // Embeddings are translated to fewer dialects and other calls to none, so their orders are others.
            for operation in [Operation::Embeddings, Operation::Rerank, Operation::Passthrough] {
                let asked = Asked { operation, ..asked };
                clusters.extend(order(config, config.deployments(model), asked));
            }
        }
        let asked = Asked { dialect, operation, model: "" };
        clusters.extend(config.providers.keys().filter_map(|provider| reach(config, provider, None, asked)));
    }
    // A request whose answer has to be capped is prepared for the provider.
    let capped = clusters.iter().filter(|cluster| cluster.adaptation == Adaptation::None);
    let capped: Vec<Cluster> =
        capped.map(|cluster| Cluster { adaptation: Adaptation::Prepare, ..cluster.clone() }).collect();
    clusters.extend(capped);
    clusters.into_iter().collect()
}
