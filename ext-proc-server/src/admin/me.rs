//! What everybody may know of themselves, and what the owner of a key may do with it.

use super::access::Role;
use super::answer;
use super::call::Call;
use super::keys::rotate_key;
use super::resources::one_view;
use crate::directory::refusal::Refusal;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

/// Who calls.
pub(super) async fn get(call: Call) -> Result<Response, Refusal> {
    let caller = &call.caller;
    let key = call.policy.directory().keys.get(&caller.name).filter(|_| caller.role == Role::KeyOwner);
    let key = match key {
        Some(key) => Some(one_view(&call.gateway, &call.policy, key.clone()).await?),
        None => None,
    };
    let me = json!({"role": caller.role.as_str(), "name": caller.name, "team": caller.team, "key": key});
    Ok(answer::json(StatusCode::OK, &me))
}

/// Gives the caller's key a new secret. Whoever has only a secret that was rotated away may not: it may be in wrong hands.
pub(super) async fn rotate(call: Call) -> Result<Response, Refusal> {
    rotate_key(&call, &call.caller.name, |key| {
        let current =
            key.secrets.iter().any(|secret| secret.until.is_none() && secret.digest == call.caller.digest);
        if current { Ok(()) } else { Err(Refusal::forbidden("only the key's last secret may rotate it")) }
    })
    .await
}
