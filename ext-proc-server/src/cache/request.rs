//! Which requests the cache may answer, and what has to be equal for that.

use super::control::Control;
use crate::config::{CacheSettings, Scope};
use crate::policy::identity::{Principal, hex};
use crate::policy::{Question, claims};
use sha2::{Digest, Sha256};
use weirgate_contract::handover::Asked;

/// A request that the cache may answer.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// SHA-256, in hexadecimal, of whose it is, what answers it, and all that shapes the answer.
    pub(crate) key: String,
    /// Who shares its answer.
    pub(crate) scope: String,
    pub(crate) control: Control,
}

impl Request {
    /// `None`: the request is not one for the cache. `order`: what may answer it, in the order in which it is asked.
    pub(crate) fn new(
        settings: &CacheSettings,
        asked: &Asked,
        control: Control,
        question: &Question,
        principal: &Principal,
        order: &[String],
    ) -> Option<Self> {
        if !settings.any_temperature && !asked.deterministic {
            return None;
        }
        if !settings.models.is_empty() && !settings.models.contains(&question.model) {
            return None;
        }
        let scope = scope(settings.scope, principal);
        let mut key = Sha256::new();
        let model =
            [scope.as_str(), question.dialect.as_str(), question.model.as_str(), asked.digest.as_str()];
        for part in model.into_iter().chain(order.iter().map(String::as_str)) {
            // The length before each, so that no two lists are the same bytes.
            key.update((part.len() as u64).to_le_bytes());
            key.update(part);
        }
        Some(Self { key: hex(&key.finalize()), scope, control })
    }
}

/// Who shares answers with a principal.
fn scope(scope: Scope, principal: &Principal) -> String {
    let of = |kind: &str, name: &str| format!("{kind}:{name}");
    let key = || match principal.key.as_str() {
        // All who come by a token have one key, and are told apart by who they are.
        claims::KEY => format!("{}/{}", of("user", &principal.user), of("team", &principal.team)),
        key => of("key", key),
    };
    match scope {
        Scope::Shared => "shared".to_owned(),
        Scope::Organization if !principal.organization.is_empty() => {
            of("organization", &principal.organization)
        }
        // Who belongs to nobody shares with nobody.
        Scope::Organization | Scope::Team if !principal.team.is_empty() => of("team", &principal.team),
        Scope::EndUser => format!("{}/{}", key(), of("end_user", &principal.end_user)),
        Scope::Organization | Scope::Team | Scope::Key => key(),
    }
}
