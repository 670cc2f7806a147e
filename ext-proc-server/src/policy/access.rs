//! Who a request belongs to, and what that allows.

use super::identity::{Directory, Principal};
use super::limit::Rule;
use super::rules::Rules;
use super::{Holder, Policy, Question};
use std::collections::HashMap;
use std::sync::Arc;
use subtle::ConstantTimeEq;
use weirgate_dialect::Operation;
use weirgate_dialect::error::{ClientError, ErrorKind};

/// The most tags of one request.
const TAGS: usize = 16;

/// Who makes a request.
#[derive(Clone, Debug)]
pub struct Caller {
    holder: Arc<Holder>,
    /// Whose the request is.
    pub principal: Principal,
}

impl Caller {
    /// The models that it may use; empty: all.
    pub fn models(&self) -> &[String] {
        &self.holder.models
    }

    /// The providers that it may use; empty: all.
    pub fn providers(&self) -> &[String] {
        &self.holder.key.providers
    }

    /// The rules that may count its requests.
    pub fn rules(&self) -> &[Arc<Rule>] {
        &self.holder.rules
    }

    /// Whether it may use a model.
    pub fn may_use(&self, model: &str) -> bool {
        self.models().is_empty() || self.models().iter().any(|allowed| allowed == model)
    }
}

impl Policy {
    /// Who a request belongs to. `now` is in seconds since 1970.
    ///
    /// # Errors
    /// 401 without a key, with one that nobody knows or that is no longer accepted; 403 where it may not be used.
    pub fn authenticate(&self, question: &Question, now: u64) -> Result<Caller, ClientError> {
        let digest = question.key_digest.ok_or_else(|| {
            unauthenticated(
                "missing_api_key",
                "no API key: send one as Authorization: Bearer, or in x-api-key",
            )
        })?;
        // The map has compared already, byte by byte and only on what the client sent the preimage of; comparing again in
        // constant time makes that beyond doubt.
        let known = self.holders.get(&digest).and_then(|holder| {
            let secret = holder.key.secrets.iter().find(|secret| bool::from(secret.digest.ct_eq(&digest)))?;
            Some((holder, secret))
        });
        let (holder, secret) =
            known.ok_or_else(|| unauthenticated("invalid_api_key", "the API key is not known here"))?;
        let key = &holder.key;
        let over = |end: Option<u64>| end.is_some_and(|end| end <= now);
        if over(secret.until) || over(key.expires_at) {
            return Err(unauthenticated("expired_api_key", format!("the key \"{}\" has expired", key.name)));
        }
        let forbidden = |code, message: String| Err(ClientError::new(ErrorKind::Forbidden, code, message));
        if key.blocked {
            return forbidden("blocked_api_key", format!("the key \"{}\" is blocked", key.name));
        }
        let from_here =
            question.source.is_some_and(|source| key.networks.iter().any(|network| network.contains(source)));
        if !key.networks.is_empty() && !from_here {
            return forbidden(
                "network_not_allowed",
                format!("the key \"{}\" may not be used from this address", key.name),
            );
        }
        let operation = question.operation.as_str();
        if !key.operations.is_empty()
            && question.operation != Operation::Models
            && !key.operations.iter().any(|allowed| allowed == operation)
        {
            return forbidden(
                "operation_not_allowed",
                format!("the key \"{}\" may not be used for this call", key.name),
            );
        }
        let mut principal = holder.principal.clone();
        principal.end_user.clone_from(&question.end_user);
        for tag in question.tags.iter().take(TAGS) {
            if !principal.tags.contains(tag) {
                principal.tags.push(tag.clone());
            }
        }
        Ok(Caller { holder: holder.clone(), principal })
    }

    /// The models that a caller may use.
    pub fn models<'a>(&'a self, caller: &'a Caller) -> impl Iterator<Item = &'a str> {
        let names = self.config.models.iter().map(|model| model.name.as_str());
        names.filter(|name| caller.may_use(name))
    }
}

fn unauthenticated(code: &'static str, message: impl Into<String>) -> ClientError {
    ClientError::new(ErrorKind::Unauthenticated, code, message)
}

/// Who holds which key.
pub(super) fn holders(directory: &Directory, rules: &Rules) -> HashMap<[u8; 32], Arc<Holder>> {
    let mut holders = HashMap::new();
    for key in directory.keys.values() {
        let principal = directory.principal(key);
        let rules = rules.counting(&principal);
        let team =
            directory.teams.get(&principal.team).map(|team| team.models.as_slice()).unwrap_or_default();
        let models = match (key.models.as_slice(), team) {
            (own, []) => own.to_vec(),
            ([], team) => team.to_vec(),
            (own, team) => own.iter().filter(|model| team.contains(model)).cloned().collect(),
        };
        // A key whose models are none of its team's may use nothing, which an empty list would not say.
        let nothing = models.is_empty() && !(key.models.is_empty() && team.is_empty());
        let models = if nothing { vec![String::new()] } else { models };
        let holder = Arc::new(Holder { key: key.clone(), principal, models, rules });
        for secret in &key.secrets {
            holders.insert(secret.digest, holder.clone());
        }
    }
    holders
}
