//! Envoy's rate limit service over the same limits, for routes that use nothing else of Weirgate.
//! (<https://www.envoyproxy.io/docs/envoy/latest/api-v3/service/ratelimit/v3/rls.proto>)
//!
//! A descriptor says whose a request is: entries named `organization`, `team`, `user`, `key`, `model`, `provider`, `end_user` and `tag`
//! are those dimensions, `api_key` is a virtual key as the client sends it, `measure` says what is counted (`requests` by default),
//! and any other entry is the tag `name=value`. An `api_key` that is not accepted is over every limit, or whoever makes keys up would
//! be under none.

use crate::gateway::Gateway;
use crate::policy::Policy;
use crate::policy::identity::Principal;
use crate::policy::limit::{Counted, Ruled};
use crate::store::window::{Unit, Window};
use crate::store::{Alternative, Amounts, Ask, Measure, Outcome, Standing, Used};
use envoy_types::pb::envoy::config::core::v3::HeaderValue;
use envoy_types::pb::envoy::extensions::common::ratelimit::v3::RateLimitDescriptor;
use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_response::{
    Code, DescriptorStatus, RateLimit, rate_limit,
};
use envoy_types::pb::envoy::service::ratelimit::v3::{RateLimitRequest, RateLimitResponse};
use envoy_types::pb::google::protobuf::Duration as ProtoDuration;
use sha2::{Digest, Sha256};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use weirgate_contract::response_header;

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
    /// Why its key is not accepted.
    refused: Option<&'static str>,
}

/// Counts a request, and says whether it is over a limit.
pub(crate) async fn answer(
    gateway: &Gateway,
    request: &RateLimitRequest,
) -> Result<RateLimitResponse, tonic::Status> {
    let policy = gateway.policy.load_full();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let described: Vec<Described> = request
        .descriptors
        .iter()
        .map(|descriptor| describe(&policy, descriptor, request.hits_addend, now))
        .collect();
    // What is told when it has been used is counted whoever used it. All else that is refused is counted by no limit.
    let told_afterwards = described.iter().any(|one| one.measure != Measure::Requests);
    if !told_afterwards && described.iter().any(|one| one.refused.is_some()) {
        return Ok(response(&described, &[], &[], &[]));
    }
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
    if told_afterwards {
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
            let stands = refused.standings.get(refused.claim);
            if let (Some((_, ruled)), Some(standing)) = (claims.get(refused.claim), stands) {
                gateway.alerts.refused(&policy, ruled.rule, &ruled.claim.counter, standing);
            }
            (refused.standings, vec![refused.claim])
        }
    };
    Ok(response(&described, &claims, &standings, &over))
}

/// The answer, by how the counters stand and which claims are `over`.
fn response(
    described: &[Described],
    claims: &[(usize, Ruled<'_>)],
    standings: &[Standing],
    over: &[usize],
) -> RateLimitResponse {
    let statuses = described.iter().enumerate().map(|(index, one)| {
        let status = status(index, claims, standings, over);
        let code = if one.refused.is_some() { Code::OverLimit.into() } else { status.code };
        DescriptorStatus { code, ..status }
    });
    let refused = described.iter().find_map(|one| one.refused);
    let header = |code: &str| HeaderValue {
        key: response_header::ERROR.to_owned(),
        value: code.to_owned(),
        ..HeaderValue::default()
    };
    let overall = if over.is_empty() && refused.is_none() { Code::Ok } else { Code::OverLimit };
    RateLimitResponse {
        overall_code: overall.into(),
        statuses: statuses.collect(),
        response_headers_to_add: refused.map(header).into_iter().collect(),
        ..RateLimitResponse::default()
    }
}

fn describe(policy: &Policy, descriptor: &RateLimitDescriptor, request_hits: u32, now: u64) -> Described {
    let mut one = Described {
        principal: Principal::default(),
        model: String::new(),
        providers: Vec::new(),
        measure: Measure::Requests,
        hits: descriptor.hits_addend.as_ref().map_or(u64::from(request_hits.max(1)), |hits| hits.value),
        refused: None,
    };
    // Whose key it is comes first; what other entries say goes before that, in whatever order they stand.
    for entry in &descriptor.entries {
        let known = match entry.key.as_str() {
            "api_key" => {
                let digest = Sha256::digest(key(&entry.value).as_bytes()).into();
                one.refused = policy.accepted(&digest, now).err().map(|error| error.code).or(one.refused);
                policy.principal(&digest).cloned()
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

/// The key in a header's value, with the scheme before it or without.
fn key(value: &str) -> &str {
    match value.split_once(' ') {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") => key.trim(),
        _ => value.trim(),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::read;
    use envoy_types::pb::envoy::extensions::common::ratelimit::v3::rate_limit_descriptor::Entry;
    use std::collections::BTreeMap;

    const CONFIG: &str = r#"
store: {folder: none}
providers: {p: {dialect: openai}}
teams: [{name: red}]
keys:
  - {name: good, key: the-key-that-is-good, team: red}
  - {name: blocked, key: the-key-that-is-blocked, team: red, blocked: true}
  - {name: old, key: the-key-that-is-old, team: red, expires_at: 2020-01-01T00:00:00Z}
limits:
  - {name: calls, requests: 10, window: year, per: [team]}
  - {name: spent, tokens: 10, window: year, per: [team]}
"#;

    fn gateway() -> Gateway {
        Gateway::open(read(CONFIG, &BTreeMap::new()).unwrap()).unwrap()
    }

    async fn ask(gateway: &Gateway, descriptors: &[&[(&str, &str)]]) -> RateLimitResponse {
        let entry =
            |(key, value): &(&str, &str)| Entry { key: (*key).to_owned(), value: (*value).to_owned() };
        let descriptor = |entries: &&[(&str, &str)]| RateLimitDescriptor {
            entries: entries.iter().map(entry).collect(),
            ..RateLimitDescriptor::default()
        };
        let descriptors = descriptors.iter().map(descriptor).collect();
        answer(gateway, &RateLimitRequest { descriptors, ..RateLimitRequest::default() }).await.unwrap()
    }

    fn codes(response: &RateLimitResponse) -> Vec<Code> {
        let all = std::iter::once(response.overall_code).chain(response.statuses.iter().map(|one| one.code));
        all.map(|code| Code::try_from(code).unwrap()).collect()
    }

    /// What is left of the team's limit of this measure, before one more is counted.
    async fn left(gateway: &Gateway, measure: &str) -> u32 {
        ask(gateway, &[&[("team", "red"), ("measure", measure)]]).await.statuses[0].limit_remaining + 1
    }

    #[tokio::test]
    async fn a_key_that_is_not_accepted_is_over_the_limit_says_why_and_is_not_counted() {
        let gateway = gateway();
        for (key, code) in [
            ("a-key-that-somebody-made-up", "invalid_api_key"),
            ("", "invalid_api_key"),
            ("the-key-that-is-blocked", "blocked_api_key"),
            ("Bearer the-key-that-is-old", "expired_api_key"),
        ] {
            // Neither another descriptor nor another entry makes up for it.
            let descriptors: [&[(&str, &str)]; 2] =
                [&[("team", "red")], &[("api_key", key), ("team", "red")]];
            let response = ask(&gateway, &descriptors).await;
            assert_eq!(codes(&response), [Code::OverLimit, Code::Ok, Code::OverLimit], "{key}");
            let told: Vec<_> =
                response.response_headers_to_add.iter().map(|one| (&*one.key, &*one.value)).collect();
            assert_eq!(told, [("x-weirgate-error", code)]);
            assert!(response.statuses[1].current_limit.is_none(), "nobody learns whose the key is");
        }
        assert_eq!(left(&gateway, "requests").await, 10);
    }

    #[tokio::test]
    async fn a_key_that_is_accepted_is_counted_however_its_scheme_is_written() {
        let gateway = gateway();
        for key in ["the-key-that-is-good", "Bearer the-key-that-is-good", "bearer  the-key-that-is-good"] {
            let response = ask(&gateway, &[&[("api_key", key)]]).await;
            assert_eq!(codes(&response), [Code::Ok, Code::Ok], "{key}");
            assert!(response.response_headers_to_add.is_empty());
        }
        assert_eq!(left(&gateway, "requests").await, 7);
    }

    #[tokio::test]
    async fn what_a_blocked_key_has_used_before_is_counted_when_it_is_told() {
        let gateway = gateway();
        let used: &[(&str, &str)] = &[("api_key", "the-key-that-is-blocked"), ("measure", "tokens")];
        assert_eq!(codes(&ask(&gateway, &[used]).await), [Code::OverLimit, Code::OverLimit]);
        assert_eq!(left(&gateway, "tokens").await, 9);
    }
}
