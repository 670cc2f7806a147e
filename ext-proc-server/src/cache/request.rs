//! Which requests the cache may answer, and what has to be equal for that.

use super::control::Control;
use super::semantic::{self, Semantic};
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
    /// What may be looked up by its meaning.
    pub(super) question: Option<semantic::Question>,
}

impl Request {
    /// `None`: the request is not one for the cache. `order`: what may answer it, in the order in which it is asked.
    pub(crate) fn new(
        settings: &CacheSettings,
        semantic: Option<&Semantic>,
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
        // Those of whom nobody says who they are share nothing.
        if settings.scope == Scope::EndUser && principal.end_user.is_empty() {
            return None;
        }
        let scope = scope(settings.scope, principal);
        let of = |asked: &str| {
            let model = [scope.as_str(), question.dialect.as_str(), question.model.as_str(), asked];
            // An answer to what was left out is none to a request of which nothing may be.
            let unsupported = Some(question.unsupported_fields.as_str()).filter(|word| !word.is_empty());
            digest(model.into_iter().chain(order.iter().map(String::as_str)).chain(unsupported))
        };
        let private = matches!(settings.scope, Scope::EndUser);
        let question = semantic.and_then(|semantic| {
            semantic.question(asked.question.as_deref(), asked.tools, &of(&asked.context), private)
        });
        Some(Self { key: of(&asked.digest), scope, control, question })
    }
}

/// SHA-256 of a list, in hexadecimal.
pub(super) fn digest<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        // The length before each, so that no two lists are the same bytes.
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    }
    hex(&digest.finalize())
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
