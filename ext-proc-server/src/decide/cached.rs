//! What decide does with the cache: answers from it, or gives the answer of a provider to it.

use super::headers::Headers;
use super::standing::Told;
use super::{Refusal, limits, standing};
use crate::cache::{Answered, Found, Hit, Leading, Outcome, Request, Sought, Waiting};
use crate::gateway::Gateway;
use crate::money::dollars;
use crate::policy::Question;
use crate::policy::identity::Principal;
use crate::policy::plan::Plan;
use crate::record::line::Line;
use crate::store::{Alternative, Amounts, Ask};
use std::time::SystemTime;
use weirgate_contract::handover::{Cached, Decision};
use weirgate_contract::metadata;
use weirgate_dialect::error::{ClientError, ErrorKind};

/// How often a request has come to decide.
#[derive(Debug)]
pub(super) enum Turn {
    /// It has just come.
    First,
    /// It has waited for the answer to another, which is this one, or none.
    AfterWaiting(Option<Answered>),
}

/// What the cache has for a request.
#[derive(Debug)]
pub(super) enum Looked {
    /// It is not asked.
    Bypass,
    Hit(Hit),
    /// It has none, and may keep the one that comes.
    Miss(Request, (Option<Leading>, Option<Box<Sought>>)),
    Wait(Waiting),
}

/// Looks for an answer. `plan`: how the request would be answered without one.
///
/// # Errors
/// 504 if the client wants nothing else and there is none.
pub(super) async fn look(
    gateway: &Gateway,
    headers: &Headers,
    question: &Question,
    principal: &Principal,
    plan: &Plan<'_>,
    turn: &Turn,
) -> Result<Looked, ClientError> {
    let Some(cache) = &gateway.cache else { return Ok(Looked::Bypass) };
    let (asked, control) = (headers.asked(), headers.cache_control());
    let request = asked.and_then(|asked| {
        let answering = answering(gateway, plan);
        Request::new(&cache.settings, cache.semantic(), &asked, control, question, principal, &answering)
    });
    let Some(request) = request else {
        return if control.is_only_if_cached() { Err(not_cached()) } else { Ok(Looked::Bypass) };
    };
    if let Turn::AfterWaiting(Some(answered)) = turn {
        // What has just come is as old as nothing; one that was found by its meaning may be older than this client takes.
        let hit = cache.hit(answered.clone()).filter(|hit| request.control.accepts(hit.age));
        if let Some(hit) = hit {
            return Ok(Looked::Hit(hit));
        }
    }
    let alone = matches!(turn, Turn::AfterWaiting(_));
    match cache.find(&request, alone).await {
        Found::Hit(hit) => Ok(Looked::Hit(hit)),
        _ if control.is_only_if_cached() => Err(not_cached()),
        Found::Wait(waiting) => Ok(Looked::Wait(waiting)),
        Found::Miss(leading, sought) => Ok(Looked::Miss(request, (leading, sought))),
    }
}

/// Counts a request that is answered from the cache: as a request, and at what is charged for it.
///
/// # Errors
/// A limit refuses it, or limits cannot be checked.
pub(super) async fn charge(
    gateway: &Gateway,
    hit: &Hit,
    plan: &Plan<'_>,
    principal: &Principal,
    subject: String,
    decision: &mut Decision,
) -> Result<Told, Refusal> {
    let percent = gateway.cache.as_ref().map_or(0, |cache| cache.settings.charge_percent);
    let entry = &hit.answered.entry;
    let cost = u128::from(entry.cost_micros);
    let charge_micros = u64::try_from((cost * u128::from(percent)).div_ceil(100)).unwrap_or(u64::MAX);
    let amounts = Amounts { micro_dollars: charge_micros, requests: 1, ..Amounts::default() };
    let plan = plan.costing(amounts);
    let ask = Ask {
        id: decision.id.clone(),
        alternatives: vec![Alternative { amounts, ..plan.alternative() }],
        subject,
        lifetime: gateway.lifetime,
    };
    let standings = super::reserve(gateway, ask).await?.map_err(|refused| {
        super::refused(gateway, Some(&plan), &refused, principal, decision);
        let told = standing::tell(&plan.claims, &refused.standings);
        Refusal { error: limits::explain(&refused, Some(&plan)), told }
    })?;
    decision.reserved_micros = charge_micros;
    decision.cached = Some(Cached {
        kind: hit.answered.kind().to_owned(),
        entry: entry.id.clone(),
        charge_micros,
        saved_micros: entry.cost_micros.saturating_sub(charge_micros),
    });
    let mut told = standing::tell(&plan.claims, &standings.1);
    told.push((metadata::RESERVED, dollars(charge_micros)));
    if let Some(cache) = &gateway.cache {
        let outcome = if hit.stale { Outcome::Stale } else { Outcome::Hit };
        cache.counted(outcome, entry.cost_micros.saturating_sub(charge_micros));
    }
    Ok(told)
}

/// What there is to write down of a request that was answered, but for whose it is and how long it took.
pub(super) fn line(question: &Question, decision: &Decision) -> Line {
    let cached = decision.cached.clone().unwrap_or_default();
    Line {
        id: decision.id.clone(),
        model: question.model.clone(),
        upstream_model: question.model.clone(),
        operation: question.operation,
        stream: question.stream,
        status: 200,
        complete: true,
        cost_micros: cached.charge_micros,
        cache: cached.kind,
        cache_entry: cached.entry,
        saved_micros: cached.saved_micros,
        reserved_micros: decision.reserved_micros,
        ..Line::nothing(SystemTime::now())
    }
}

/// What may answer, in the order in which it is asked: providers and their models, however they are reached.
fn answering(gateway: &Gateway, plan: &Plan<'_>) -> Vec<String> {
    let policy = gateway.policy.load();
    let name = |cluster: &String| match policy.cluster(cluster) {
        Some(known) => format!("{}/{}", known.provider, known.model.as_deref().unwrap_or("*")),
        None => cluster.clone(),
    };
    let mut answering: Vec<String> = plan.order.iter().map(name).collect();
    answering.dedup();
    answering
}

fn not_cached() -> ClientError {
    ClientError::new(
        ErrorKind::Timeout,
        "not_cached",
        "the cache has no answer to this request, and it allows no other",
    )
}
