//! Envoy's rate limit service over the same limits, for routes that use nothing else of Weirgate.
//! (<https://www.envoyproxy.io/docs/envoy/latest/api-v3/service/ratelimit/v3/rls.proto>)
//!
//! A descriptor says whose a request is: entries named `organization`, `team`, `user`, `key`, `model`, `provider`, `end_user` and `tag`
//! are those dimensions, `api_key` is a virtual key as the client sends it, `measure` says what is counted (`requests` by default),
//! and any other entry is the tag `name=value`.

use crate::gateway::Gateway;
use crate::policy::Policy;
use crate::policy::identity::Principal;
use crate::policy::limit::{Counted, Ruled};
use crate::store::window::{Unit, Window};
use crate::store::{Alternative, Amounts, Ask, Measure, Outcome, Standing, Used};
use envoy_types::pb::envoy::extensions::common::ratelimit::v3::RateLimitDescriptor;
use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_response::{
    Code, DescriptorStatus, RateLimit, rate_limit,
};
use envoy_types::pb::envoy::service::ratelimit::v3::{RateLimitRequest, RateLimitResponse};
use envoy_types::pb::google::protobuf::Duration as ProtoDuration;
use sha2::{Digest, Sha256};
use std::time::Duration;

/// How long what was counted waits to be settled, which happens in the same call.
const LIFETIME: Duration = Duration::from_secs(10);

/// One descriptor, understood.
#[derive(Debug)]
struct Described {
    principal: Principal,
    model: String,
    providers: Vec<String>,
    measure: Measure,
    hits: u64,
}

/// Counts a request, and says whether it is over a limit.
pub(crate) async fn answer(
    gateway: &Gateway,
    request: &RateLimitRequest,
) -> Result<RateLimitResponse, tonic::Status> {
    let policy = gateway.policy.load_full();
    let described: Vec<Described> = request
        .descriptors
        .iter()
        .map(|descriptor| describe(&policy, descriptor, request.hits_addend))
        .collect();
    let rules: Vec<_> = described.iter().map(|one| policy.rules().counting(&one.principal)).collect();
    // Which descriptor each claim is of.
    let mut claims: Vec<(usize, Ruled<'_>)> = Vec::new();
    for (index, (one, rules)) in described.iter().zip(&rules).enumerate() {
        let counted = Counted { principal: &one.principal, model: &one.model, providers: &one.providers };
        let mut found = Vec::new();
        rules
            .iter()
            .filter(|rule| rule.limit.measure == one.measure)
            .for_each(|rule| rule.claims(counted, &mut found));
        for mut ruled in found {
            ruled.claim.amount = one.hits;
            match claims.iter_mut().find(|(_, known)| known.claim.counter == ruled.claim.counter) {
                Some((_, known)) => known.claim.amount = known.claim.amount.saturating_add(one.hits),
                None => claims.push((index, ruled)),
            }
        }
    }
    let hard = Alternative {
        claims: claims.iter().map(|(_, ruled)| ruled.claim.clone()).collect(),
        amounts: Amounts::default(),
    };
    let mut alternatives = vec![hard.clone()];
    // A request that is refused uses nothing. Tokens are counted when they have been used, so these count in any case.
    if described.iter().any(|one| one.measure != Measure::Requests) {
        let mut counted = hard;
        counted.claims.iter_mut().for_each(|claim| claim.ceiling = u64::MAX);
        alternatives.push(counted);
    }
    let id = uuid::Uuid::now_v7().simple().to_string();
    let ask = Ask { id: id.clone(), alternatives, subject: String::new(), lifetime: LIFETIME };
    let unavailable = |error: crate::store::StoreError| tonic::Status::unavailable(error.to_string());
    let (standings, over) = match gateway.store.reserve(ask).await.map_err(unavailable)? {
        Outcome::Granted { alternative, standings } => {
            let used = Used { amounts: Amounts::default(), at_least_reserved: true, provider: String::new() };
            if let Some(settled) = gateway.store.settle(&id, used).await.map_err(unavailable)? {
                gateway.alerts.moved(&policy, &settled.movements).await;
            }
            // Counted although it did not fit: what stands over its limit now was in the way.
            let over: Vec<usize> = match alternative {
                0 => Vec::new(),
                _ => (0..claims.len()).collect(),
            };
            let over = over.into_iter().filter(|index| {
                let (Some((_, ruled)), Some(standing)) = (claims.get(*index), standings.get(*index)) else {
                    return false;
                };
                standing.used.saturating_add(standing.reserved) > ruled.claim.ceiling
            });
            (standings.clone(), over.collect())
        }
        Outcome::Refused(refused) => {
            let ruled = claims.get(refused.claim).map(|(_, ruled)| ruled);
            gateway.alerts.refused(&policy, ruled, &refused);
            (refused.standings, vec![refused.claim])
        }
    };
    let statuses: Vec<DescriptorStatus> =
        (0..described.len()).map(|index| status(index, &claims, &standings, &over)).collect();
    let overall = if over.is_empty() { Code::Ok } else { Code::OverLimit };
    Ok(RateLimitResponse { overall_code: overall.into(), statuses, ..RateLimitResponse::default() })
}

fn describe(policy: &Policy, descriptor: &RateLimitDescriptor, request_hits: u32) -> Described {
    let mut one = Described {
        principal: Principal::default(),
        model: String::new(),
        providers: Vec::new(),
        measure: Measure::Requests,
        hits: descriptor.hits_addend.as_ref().map_or(u64::from(request_hits.max(1)), |hits| hits.value),
    };
    // Whose key it is comes first; what other entries say goes before that, in whatever order they stand.
    for entry in &descriptor.entries {
        let known = match entry.key.as_str() {
            "api_key" => {
                let key = entry.value.strip_prefix("Bearer ").unwrap_or(&entry.value).trim();
                policy.principal(&Sha256::digest(key.as_bytes()).into()).cloned()
            }
            "key" => {
                let key = policy.directory().keys.get(&entry.value);
                Some(key.map_or_else(
                    || Principal { key: entry.value.clone(), ..Principal::default() },
                    |key| policy.directory().principal(key),
                ))
            }
            _ => None,
        };
        one.principal = known.unwrap_or(one.principal);
    }
    for entry in &descriptor.entries {
        let value = entry.value.clone();
        match entry.key.as_str() {
            "api_key" | "key" => {}
            "organization" => one.principal.organization = value,
            "team" => one.principal.team = value,
            "user" => one.principal.user = value,
            "end_user" => one.principal.end_user = value,
            "model" => one.model = value,
            "provider" => one.providers = vec![value],
            "tag" => one.principal.tags.push(value),
            "measure" => one.measure = Measure::parse(&value).unwrap_or(Measure::Requests),
            other => one.principal.tags.push(format!("{other}={value}")),
        }
    }
    one
}

/// What one descriptor is told: of the limits that count it, the one that is nearest.
fn status(
    index: usize,
    claims: &[(usize, Ruled<'_>)],
    standings: &[Standing],
    over: &[usize],
) -> DescriptorStatus {
    let of_this = claims.iter().zip(standings).enumerate().filter(|(_, ((of, _), _))| *of == index);
    let nearest = of_this
        .min_by_key(|(number, ((_, ruled), standing))| (!over.contains(number), remaining(ruled, standing)));
    let Some((number, ((_, ruled), standing))) = nearest else {
        return DescriptorStatus { code: Code::Ok.into(), ..DescriptorStatus::default() };
    };
    let limit = &ruled.rule.limit;
    let unit = match &limit.window {
        Window::Calendar(Unit::Minute, _) => rate_limit::Unit::Minute,
        Window::Calendar(Unit::Hour, _) => rate_limit::Unit::Hour,
        Window::Calendar(Unit::Day, _) => rate_limit::Unit::Day,
        Window::Calendar(Unit::Week, _) => rate_limit::Unit::Week,
        Window::Calendar(Unit::Month, _) => rate_limit::Unit::Month,
        Window::Calendar(Unit::Year, _) => rate_limit::Unit::Year,
        _ => rate_limit::Unit::Unknown,
    };
    let code = if over.contains(&number) { Code::OverLimit } else { Code::Ok };
    DescriptorStatus {
        code: code.into(),
        current_limit: Some(RateLimit {
            name: limit.name.clone(),
            requests_per_unit: narrow(limit.amount),
            unit: unit.into(),
        }),
        limit_remaining: narrow(remaining(ruled, standing)),
        duration_until_reset: standing.reset_us.map(|reset| ProtoDuration {
            seconds: i64::try_from(reset / 1_000_000).unwrap_or(i64::MAX),
            nanos: i32::try_from(reset % 1_000_000 * 1_000).unwrap_or(0),
        }),
        ..DescriptorStatus::default()
    }
}

fn remaining(ruled: &Ruled<'_>, standing: &Standing) -> u64 {
    let holds = ruled.rule.limit.burst.unwrap_or(ruled.rule.limit.amount);
    holds.saturating_sub(standing.used.saturating_add(standing.reserved))
}

fn narrow(amount: u64) -> u32 {
    u32::try_from(amount).unwrap_or(u32::MAX)
}
