//! Who a request belongs to, and what that allows.

use super::identity::{Directory, Principal};
use super::limit::Rule;
use super::rules::Rules;
use super::{Holder, Policy, Question, models};
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
    pub(super) fn new(holder: Arc<Holder>, principal: Principal) -> Self {
        Self { holder, principal }
    }

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
        let holder = question.key_digest.and_then(|digest| self.holder(&digest));
        let mut caller = match (holder, &question.claims, &self.config.jwt) {
            (Some((holder, until)), ..) => holder.usable(question, until, now)?,
            (None, Some(claims), Some(jwt)) => self.bearer(&jwt.claims, claims)?,
            (None, ..) if question.key_digest.is_none() => {
                let message = "no API key: send one as Authorization: Bearer, or in x-api-key";
                return Err(unauthenticated("missing_api_key", message));
            }
            _ => return Err(unknown_key()),
        };
        let principal = &mut caller.principal;
        principal.end_user.clone_from(&question.end_user);
        for tag in question.tags.iter().take(TAGS) {
            if !principal.tags.contains(tag) {
                principal.tags.push(tag.clone());
            }
        }
        Ok(caller)
    }

    /// Whose the key with this digest is, if it is accepted. `now` is in seconds since 1970.
    ///
    /// # Errors
    /// 401 for one that nobody knows or that has expired, 403 for one that is blocked.
    pub fn accepted(&self, digest: &[u8; 32], now: u64) -> Result<&Principal, ClientError> {
        let (holder, until) = self.holder(digest).ok_or_else(unknown_key)?;
        holder.accepted(until, now)?;
        Ok(&holder.principal)
    }

    /// Who holds the key with this digest, and until when it is accepted.
    fn holder(&self, digest: &[u8; 32]) -> Option<(&Arc<Holder>, Option<u64>)> {
        let holder = self.holders.get(digest)?;
        // The map has compared already, byte by byte and only on what the client sent the preimage of; comparing again in
        // constant time makes that beyond doubt.
        let secret = holder.key.secrets.iter().find(|secret| bool::from(secret.digest.ct_eq(digest)))?;
        Some((holder, secret.until))
    }

    /// The models that a caller may use.
    pub fn models<'a>(&'a self, caller: &'a Caller) -> impl Iterator<Item = &'a str> {
        let names = self.config.models.iter().map(|model| model.name.as_str());
        names.filter(|name| caller.may_use(name))
    }

    /// One of them.
    ///
    /// # Errors
    /// 404 for any other name.
    pub fn model<'a>(&'a self, caller: &'a Caller, name: &str) -> Result<&'a str, ClientError> {
        let found = self.models(caller).find(|model| *model == name);
        found.ok_or_else(|| models::not_found(name, self.models(caller)))
    }
}

impl Holder {
    /// Whether the key, shown by a secret that is accepted `until` then, is one that may be used at all.
    fn accepted(&self, until: Option<u64>, now: u64) -> Result<(), ClientError> {
        let name = &self.key.name;
        let over = |end: Option<u64>| end.is_some_and(|end| end <= now);
        if over(until) || over(self.key.expires_at) {
            return Err(unauthenticated("expired_api_key", format!("the key \"{name}\" has expired")));
        }
        if self.key.blocked {
            return Err(forbidden("blocked_api_key", format!("the key \"{name}\" is blocked")));
        }
        Ok(())
    }

    /// The caller, if the key may be used now, from there and for that.
    fn usable(
        self: &Arc<Self>,
        question: &Question,
        until: Option<u64>,
        now: u64,
    ) -> Result<Caller, ClientError> {
        let key = &self.key;
        let name = &key.name;
        self.accepted(until, now)?;
        let from_here =
            question.source.is_some_and(|source| key.networks.iter().any(|network| network.contains(source)));
        if !key.networks.is_empty() && !from_here {
            let message = format!("the key \"{name}\" may not be used from this address");
            return Err(forbidden("network_not_allowed", message));
        }
        // Calls that are no chats were among those that nobody knew, and keys for those are still in use.
        let is_other = question.operation.dialect().is_none();
        let is_allowed = |allowed: &String| {
            *allowed == question.operation.as_str()
                || (is_other && *allowed == Operation::Passthrough.as_str())
        };
        let for_this = key.operations.is_empty() || key.operations.iter().any(is_allowed);
        if !for_this && question.operation != Operation::Models {
            let message = format!("the key \"{name}\" may not be used for this call");
            return Err(forbidden("operation_not_allowed", message));
        }
        Ok(Caller::new(self.clone(), self.principal.clone()))
    }
}

pub(super) fn forbidden(code: &'static str, message: String) -> ClientError {
    ClientError::new(ErrorKind::Forbidden, code, message)
}

fn unknown_key() -> ClientError {
    unauthenticated("invalid_api_key", "the API key is not known here")
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
