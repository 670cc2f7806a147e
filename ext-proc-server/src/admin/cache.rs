//! Forgetting cached answers.

use super::answer;
use super::call::Call;
use crate::cache::Cache;
use crate::cache::store::Which;
use crate::directory::refusal::{Reason, Refusal};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What somebody thinks of a cached answer.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Feedback {
    /// The answer's id, from the header `x-weirgate-cache-entry`.
    entry: String,
    /// Whether it was no answer to the question.
    wrong: bool,
}

/// What was forgotten.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(super) struct Purged {
    /// How many answers.
    purged: u64,
}

/// Forgets the answers that match the query.
pub(super) async fn purge(call: Call) -> Result<Response, Refusal> {
    let given = |name| call.get(name).map(str::to_owned);
    let which =
        Which { entry: given("entry"), scope: given("scope"), model: given("model"), tag: given("tag") };
    forget(&call, &which).await
}

/// Forgets an answer that was wrong.
pub(super) async fn feedback(call: Call) -> Result<Response, Refusal> {
    let Feedback { entry, wrong } = call.body()?;
    if wrong {
        return forget(&call, &Which { entry: Some(entry), ..Which::default() }).await;
    }
    cache(&call)?;
    Ok(answer::json(StatusCode::OK, &Purged { purged: 0 }))
}

async fn forget(call: &Call, which: &Which) -> Result<Response, Refusal> {
    let purged = cache(call)?.purge(which).await.map_err(|error| {
        tracing::error!(%error, "cached answers could not be forgotten");
        let message = "the cache's store cannot be used at the moment";
        Refusal::new(Reason::Unavailable, "cache_unavailable", message)
    })?;
    tracing::info!(purged, ?which, "cached answers were forgotten");
    Ok(answer::json(StatusCode::OK, &Purged { purged }))
}

fn cache(call: &Call) -> Result<&Cache, Refusal> {
    let none = || Refusal::new(Reason::NotFound, "no_cache", "this gateway caches no answers");
    call.gateway.cache.as_ref().ok_or_else(none)
}
