//! How counters stand: every one whose name follows from who is known and what is configured. Those of end users and of
//! tags that requests bring along come into being with the requests, and are not listed.

use super::access::team_of;
use super::answer;
use super::call::Call;
use super::keys::time;
use crate::config::Config;
use crate::directory::forms::{Time, WindowText};
use crate::directory::refusal::{Reason, Refusal};
use crate::gateway::Gateway;
use crate::policy::Policy;
use crate::policy::identity::{Directory, Principal};
use crate::policy::limit::{Counted, Dimension, Limit, Mode, Only, Rule, counter};
use crate::policy::rules::only_counts_spend;
use crate::store::window::{Window, to_us};
use crate::store::{Claim, Measure, Store};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde_json::json;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;
use std::time::SystemTime;
use utoipa::ToSchema;

/// How one counter stands.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Standing {
    /// The counter's name.
    counter: String,
    /// The limit's name.
    limit: String,
    /// Whose limit it is; null: nobody's.
    owner: Option<Owner>,
    /// Whom it counts, for a limit that counts each by itself.
    of: BTreeMap<String, String>,
    /// What it counts.
    measure: Measure,
    /// Over which time; null for requests under way.
    #[schema(value_type = Option<WindowText>)]
    window: Option<Window>,
    /// What happens when it is reached.
    mode: Mode,
    /// The limit's amount.
    amount: u64,
    /// What is used, and settled. In sliding windows and token buckets also what is held for requests under way.
    used: u64,
    /// What is held for requests under way, where that is counted by itself.
    reserved: u64,
    /// What is left.
    remaining: u64,
    /// When it is whole again; null: never, or nobody knows.
    #[schema(value_type = Option<Time>)]
    resets_at: Option<String>,
}

/// Whose a limit is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
struct Owner {
    /// What they are: organization, team, user or key.
    kind: String,
    /// Their name.
    name: String,
}

/// A counter with a name, before anybody has asked how it stands.
#[derive(Clone, Debug)]
struct Counter {
    rule: Arc<Rule>,
    claim: Claim,
}

impl Counter {
    fn owner(&self) -> Option<Owner> {
        let (kind, name) = self.rule.owned_by()?;
        Some(Owner { kind: kind.to_owned(), name: name.to_owned() })
    }

    /// The values that follow the rule's name in the counter's.
    fn of(&self) -> BTreeMap<String, String> {
        counter::values(&self.claim.counter).map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Whether it is of this one, by its owner or by whom it counts.
    fn is_of(&self, kind: &str, name: &str) -> bool {
        self.owner().is_some_and(|owner| owner.kind == kind && owner.name == name)
            || self.of().get(kind).is_some_and(|value| value == name)
    }

    fn is_of_team(&self, directory: &Directory, team: &str) -> bool {
        let mut whose: Vec<(String, String)> = self.of().into_iter().collect();
        whose.extend(self.owner().map(|owner| (owner.kind, owner.name)));
        whose.iter().any(|(kind, name)| match kind.as_str() {
            "team" => name == team,
            "user" => directory.users.get(name).is_some_and(|user| user.team.as_deref() == Some(team)),
            "key" => directory.keys.get(name).is_some_and(|key| team_of(directory, key) == Some(team)),
            _ => false,
        })
    }
}

/// A page of counters.
pub(super) async fn list(call: Call) -> Result<Response, Refusal> {
    let filters = ["organization", "team", "user", "key"];
    let filters = filters.into_iter().filter_map(|kind| Some((kind, call.get(kind)?.to_owned())));
    let asked = Asked {
        filters: filters.collect(),
        name: call.get("name").map(str::to_owned),
        team: call.caller.team.clone(),
    };
    let policy = call.policy.clone();
    // With many keys this takes a while, for which no request is to wait.
    let counters =
        tokio::task::spawn_blocking(move || asked.counters(&policy)).await.map_err(|_| unreadable())?;
    let start = call.get("cursor").map_or(Bound::Unbounded, Bound::Excluded);
    let mut found = counters.range::<str, _>((start, Bound::Unbounded)).map(|(_, counter)| counter.clone());
    let page: Vec<Counter> = found.by_ref().take(call.limit()).collect();
    let next = page.last().filter(|_| found.next().is_some()).map(|counter| counter.claim.counter.clone());
    let items = ask(call.gateway.store.as_ref(), page).await?;
    Ok(answer::json(StatusCode::OK, &json!({"items": items, "next_cursor": next})))
}

/// Which counters are asked for.
struct Asked {
    filters: Vec<(&'static str, String)>,
    name: Option<String>,
    /// The only team whose counters the caller sees.
    team: Option<String>,
}

impl Asked {
    fn counters(&self, policy: &Policy) -> BTreeMap<String, Counter> {
        let directory = policy.directory();
        let principals = principals(directory);
        let named = |rule: &&Arc<Rule>| self.name.as_ref().is_none_or(|name| rule.limit.name == *name);
        let wanted = |counter: &Counter| {
            self.filters.iter().all(|(kind, name)| counter.is_of(kind, name))
                && self.team.as_ref().is_none_or(|team| counter.is_of_team(directory, team))
        };
        let mut counters = BTreeMap::new();
        for rule in policy.rules().all().iter().filter(|rule| counts(&rule.limit)).filter(named) {
            let of_rule = of_rule(rule, policy.config(), &principals).into_iter().filter(wanted);
            counters.extend(of_rule.map(|counter| (counter.claim.counter.clone(), counter)));
        }
        counters
    }
}

/// How the own limits of some keys stand.
pub(super) async fn of_keys(
    gateway: &Gateway,
    policy: &Policy,
    names: &[&str],
) -> Result<HashMap<String, Vec<Standing>>, Refusal> {
    let directory = policy.directory();
    let mut counters = Vec::new();
    for key in names.iter().filter_map(|name| directory.keys.get(*name)) {
        let principal = directory.principal(key);
        let rules = policy.rules().counting(&principal);
        let of_keys = HashMap::from([(key.name.as_str(), principal)]);
        let principals = Principals { of_keys, others: Vec::new() };
        for rule in rules.iter().filter(|rule| rule.id.starts_with("key:") && counts(&rule.limit)) {
            counters.extend(of_rule(rule, policy.config(), &principals));
        }
    }
    let mut standings: HashMap<String, Vec<Standing>> = HashMap::new();
    for standing in ask(gateway.store.as_ref(), counters).await? {
        let key = standing.owner.as_ref().map(|owner| owner.name.clone()).unwrap_or_default();
        standings.entry(key).or_default().push(standing);
    }
    Ok(standings)
}

/// Whether a limit is one that somebody has set.
fn counts(limit: &Limit) -> bool {
    !only_counts_spend(limit)
}

/// All whose requests there may be.
struct Principals<'d> {
    of_keys: HashMap<&'d str, Principal>,
    /// Whoever has no key yet, but limits.
    others: Vec<Principal>,
}

fn principals(directory: &Directory) -> Principals<'_> {
    let of_keys =
        directory.keys.iter().map(|(name, key)| (name.as_str(), directory.principal(key))).collect();
    let organization = |team: Option<&String>| {
        team.and_then(|team| directory.teams.get(team)?.organization.clone()).unwrap_or_default()
    };
    let users = directory.users.values().map(|user| Principal {
        user: user.name.clone(),
        team: user.team.clone().unwrap_or_default(),
        organization: organization(user.team.as_ref()),
        ..Principal::default()
    });
    let teams = directory.teams.keys().map(|team| Principal {
        team: team.clone(),
        organization: organization(Some(team)),
        ..Principal::default()
    });
    let organizations = directory
        .organizations
        .keys()
        .map(|organization| Principal { organization: organization.clone(), ..Principal::default() });
    let others = users.chain(teams).chain(organizations).chain([Principal::default()]).collect();
    Principals { of_keys, others }
}

/// The counters of one limit that have a name.
fn of_rule(rule: &Arc<Rule>, config: &Config, principals: &Principals<'_>) -> Vec<Counter> {
    let Limit { only, per, .. } = &rule.limit;
    let each = |dimension| per.contains(&dimension);
    let one_of = |list: &[String]| vec![list.first().cloned().unwrap_or_default()];
    let models = match (each(Dimension::Model), only.models.as_slice()) {
        (true, []) => config.models.iter().map(|model| model.name.clone()).collect(),
        (true, models) => models.to_vec(),
        (false, models) => one_of(models),
    };
    let end_users = if each(Dimension::EndUser) { only.end_users.clone() } else { one_of(&only.end_users) };
    let providers: Vec<String> = config.providers.keys().cloned().collect();
    let fits = |principal: &&Principal| fits(only, principal);
    let everybody = || principals.of_keys.values().chain(&principals.others);
    // A limit of some keys is met by nobody else's requests; and all whom one without dimensions counts are counted together.
    let candidates: Vec<&Principal> = match only.keys.as_slice() {
        [] if each(Dimension::Key) => principals.of_keys.values().filter(fits).collect(),
        [] if per.is_empty() => {
            principals.others.iter().chain(principals.of_keys.values()).find(fits).into_iter().collect()
        }
        [] => everybody().filter(fits).collect(),
        keys => keys.iter().filter_map(|key| principals.of_keys.get(key.as_str())).collect(),
    };
    let mut counters = BTreeMap::new();
    for principal in candidates {
        let mut principal = principal.clone();
        for tag in &only.tags {
            if !principal.tags.contains(tag) {
                principal.tags.push(tag.clone());
            }
        }
        for end_user in &end_users {
            principal.end_user.clone_from(end_user);
            for model in &models {
                let mut claims = Vec::new();
                rule.claims(Counted { principal: &principal, model, providers: &providers }, &mut claims);
                for ruled in claims {
                    let counter = Counter { rule: rule.clone(), claim: ruled.claim };
                    counters.insert(counter.claim.counter.clone(), counter);
                }
            }
        }
    }
    counters.into_values().collect()
}

/// Whether a limit may count whoever this is.
fn fits(only: &Only, principal: &Principal) -> bool {
    let listed = |list: &[String], value: &String| list.is_empty() || list.contains(value);
    listed(&only.organizations, &principal.organization)
        && listed(&only.teams, &principal.team)
        && listed(&only.users, &principal.user)
}

fn unreadable() -> Refusal {
    Refusal::new(Reason::Unavailable, "store_unavailable", "the counters cannot be read at the moment")
}

/// Asks how counters stand.
async fn ask(store: &dyn Store, counters: Vec<Counter>) -> Result<Vec<Standing>, Refusal> {
    if counters.is_empty() {
        return Ok(Vec::new());
    }
    let claims: Vec<Claim> = counters.iter().map(|counter| counter.claim.clone()).collect();
    let standings = store.standings(&claims).await.map_err(|error| {
        tracing::error!(%error, "counters cannot be read");
        unreadable()
    })?;
    let now_us = to_us(SystemTime::now());
    let shown = counters.into_iter().zip(standings).map(|(counter, standing)| {
        let (owner, of) = (counter.owner(), counter.of());
        let Counter { rule, claim } = counter;
        let concurrent = claim.measure == Measure::Concurrent;
        // Of requests under way all are both.
        let taken = if concurrent { standing.used } else { standing.used.saturating_add(standing.reserved) };
        let full = rule.limit.burst.unwrap_or(rule.limit.amount);
        let resets_us = standing.reset_us.map(|wait| rule.limit.whole_again_us(now_us, wait));
        Standing {
            limit: rule.limit.name.clone(),
            owner,
            of,
            measure: claim.measure,
            window: (!concurrent).then_some(claim.window),
            mode: rule.limit.mode,
            amount: rule.limit.amount,
            used: standing.used,
            reserved: standing.reserved,
            remaining: full.saturating_sub(taken),
            resets_at: resets_us.map(|us| time(us.div_ceil(1_000_000))),
            counter: claim.counter,
        }
    });
    Ok(shown.collect())
}
