//! Limits: what they count, for whom, and what happens when they are reached.

pub mod counter;

use super::identity::Principal;
use crate::directory::forms::{Name, Percent, Text, WindowText};
use crate::store::window::{BUCKET_AMOUNT, Unit, Window, Zone};
use crate::store::{Amounts, Claim, Measure};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// Its name: unique among the limits of its owner, or among those of nobody.
    #[schema(value_type = Name)]
    pub name: String,
    /// What it counts.
    pub measure: Measure,
    /// How much is allowed: micro-dollars, tokens or requests.
    #[schema(maximum = 9007199254740991u64)]
    pub amount: u64,
    /// Over which time. Requests under way have none.
    #[serde(default = "month")]
    #[schema(value_type = WindowText)]
    pub window: Window,
    /// What a token bucket holds, if not `amount`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 4294967295u64)]
    pub burst: Option<u64>,
    /// Each value of these is counted by itself; empty: all together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub per: Vec<Dimension>,
    /// The only requests it counts.
    #[serde(default, skip_serializing_if = "Only::is_all")]
    pub only: Only,
    /// What happens when it is reached.
    #[serde(default)]
    pub mode: Mode,
    /// Shares of the amount, in per cent, at which its owner is told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Percent>)]
    pub warn_at: Vec<u8>,
    /// Another model to use from some share of the amount on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub downgrade: Option<Downgrade>,
    /// What happens while the store cannot be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_store_failure: Option<StoreFailure>,
    /// What happens to a stream that has used up what could be reserved for it.
    #[serde(default)]
    pub on_overrun: Overrun,
}

/// What a limit can tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Dimension {
    /// The organisation of the key.
    Organization,
    /// The team of the key.
    Team,
    /// The user of the key.
    User,
    /// The key.
    Key,
    /// The model that the client asks for.
    Model,
    /// The provider that serves the request.
    Provider,
    /// The end user that the request names.
    EndUser,
    /// Each tag of the key and of the request.
    Tag,
}

impl Dimension {
    /// All, with their names.
    pub const ALL: [(&'static str, Self); 8] = [
        ("organization", Self::Organization),
        ("team", Self::Team),
        ("user", Self::User),
        ("key", Self::Key),
        ("model", Self::Model),
        ("provider", Self::Provider),
        ("end_user", Self::EndUser),
        ("tag", Self::Tag),
    ];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, dimension)| *dimension == self).map_or("", |(name, _)| name)
    }
}

/// The requests that a limit counts: those that match every list that is not empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Only {
    /// Of these organisations.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Text>)]
    pub organizations: Vec<String>,
    /// Of these teams.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Text>)]
    pub teams: Vec<String>,
    /// Of these users.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Text>)]
    pub users: Vec<String>,
    /// By these keys.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Text>)]
    pub keys: Vec<String>,
    /// For these models.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    /// Served by these providers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub providers: Vec<String>,
    /// For these end users.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Text>)]
    pub end_users: Vec<String>,
    /// With one of these tags.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Text>)]
    pub tags: Vec<String>,
}

impl Only {
    fn is_all(&self) -> bool {
        *self == Self::default()
    }
}

/// What happens when a limit is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Requests are refused.
    #[default]
    Hard,
    /// Requests pass, and are told that the limit is reached.
    Soft,
    /// Requests pass, and only operators see it.
    Shadow,
}

impl Mode {
    /// All, with their names.
    pub const ALL: [(&'static str, Self); 3] =
        [("hard", Self::Hard), ("soft", Self::Soft), ("shadow", Self::Shadow)];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, mode)| *mode == self).map_or("", |(name, _)| name)
    }
}

/// Another model to use before a limit is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Downgrade {
    /// From this share of the amount on, in per cent.
    #[schema(minimum = 1, maximum = 100)]
    pub at_percent: u8,
    /// The model.
    pub model: String,
}

/// What happens while the store cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StoreFailure {
    /// Requests are refused.
    Refuse,
    /// Each process lets this much pass by its own count.
    Local(u64),
}

/// What happens to a stream that has used up what could be reserved for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Overrun {
    /// It is ended as if the model had come to its cap.
    #[default]
    End,
    /// It goes on, and the ledger says so.
    Flag,
}

fn month() -> Window {
    Window::Calendar(Unit::Month, Zone::default())
}

impl Limit {
    /// A hard limit of everything.
    pub fn hard(name: &str, measure: Measure, amount: u64, window: Window) -> Self {
        Self {
            name: name.to_owned(),
            measure,
            amount,
            window,
            burst: None,
            per: Vec::new(),
            only: Only::default(),
            mode: Mode::Hard,
            warn_at: Vec::new(),
            downgrade: None,
            on_store_failure: None,
            on_overrun: Overrun::End,
        }
    }

    /// What is wrong with it, if anything is: the field and the reason.
    pub fn problem(&self) -> Option<(&'static str, String)> {
        let bucket = matches!(self.window, Window::Bucket(_));
        let percent = |percent: &u8| !(1..=100).contains(percent);
        if self.burst.is_some() && !bucket {
            return Some((
                "burst",
                "only a token bucket has a burst: window must be \"bucket 1m\" or the like".to_owned(),
            ));
        }
        if bucket && self.amount.max(self.burst.unwrap_or(0)) > BUCKET_AMOUNT {
            return Some(("amount", format!("a token bucket holds at most {BUCKET_AMOUNT}")));
        }
        if self.amount > i64::MAX as u64 >> 10 {
            return Some(("amount", "is too large".to_owned()));
        }
        if self.warn_at.iter().any(percent) {
            return Some(("warn_at", "must be shares from 1 to 100 per cent".to_owned()));
        }
        // Other windows have no moment at which a share is used.
        let calendar = matches!(self.window, Window::Calendar(..)) && self.measure != Measure::Concurrent;
        if !self.warn_at.is_empty() && !calendar {
            return Some((
                "warn_at",
                "needs a window of the calendar: of others no share would ever be told".to_owned(),
            ));
        }
        if self.downgrade.as_ref().is_some_and(|downgrade| percent(&downgrade.at_percent)) {
            return Some(("downgrade", "must begin at a share from 1 to 100 per cent".to_owned()));
        }
        None
    }

    /// What is wrong with the model that it turns to, if its owner may use only these; none: all.
    pub fn downgrade_problem(&self, models: &[String]) -> Option<String> {
        let model = &self.downgrade.as_ref()?.model;
        let may = models.is_empty() || models.contains(model);
        (!may).then(|| format!("\"{model}\" is none of its owner's models"))
    }

    /// When a counter is whole again of which the store says now how long that takes, in microseconds since 1970. A window of the
    /// calendar ends when it ends, however long the answer took.
    pub fn whole_again_us(&self, now_us: u64, wait_us: u64) -> u64 {
        match &self.window {
            Window::Calendar(unit, zone) => unit.bounds(zone, now_us).1,
            Window::Sliding(_) | Window::Bucket(_) => now_us.saturating_add(wait_us),
        }
    }

    /// Whether money is what it counts, and refuses.
    pub fn is_budget(&self) -> bool {
        self.measure == Measure::MicroDollars && self.mode == Mode::Hard
    }
}

/// A limit in force: a limit and whose it is.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The limit, with its owner among `only`.
    pub limit: Limit,
    /// Whose it is, as people say it: `the key "research"`; empty: nobody's.
    pub owner: String,
    /// The first part of its counters' names: unique among all rules.
    pub id: String,
}

/// A request as limits see it.
#[derive(Clone, Copy, Debug)]
pub struct Counted<'a> {
    /// Whose it is.
    pub principal: &'a Principal,
    /// The model that the client asks for.
    pub model: &'a str,
    /// The providers that may serve it.
    pub providers: &'a [String],
}

/// A claim, and the rule that it comes from.
#[derive(Clone, Debug)]
pub struct Ruled<'r> {
    /// The rule.
    pub rule: &'r Rule,
    /// Whom it counts, as people say it: `model "gpt-4o"`; empty: everybody together.
    pub whom: String,
    /// The claim, without an amount.
    pub claim: Claim,
}

impl Rule {
    /// Whose limit it is: the kind and the name; `None`: nobody's.
    pub fn owned_by(&self) -> Option<(&str, &str)> {
        let (kind, _) = self.id.split_once(':')?;
        let only = &self.limit.only;
        let names = match kind {
            "key" => &only.keys,
            "user" => &only.users,
            "team" => &only.teams,
            "organization" => &only.organizations,
            _ => return None,
        };
        let name = names.first()?;
        Some((kind, name))
    }

    /// The claims of a request under this rule, without amounts; none if it does not count the request.
    pub fn claims<'r>(&'r self, counted: Counted<'_>, claims: &mut Vec<Ruled<'r>>) {
        let Limit { only, per, .. } = &self.limit;
        let principal = counted.principal;
        let listed = |list: &[String], value: &str| list.is_empty() || list.iter().any(|item| item == value);
        let matches = listed(&only.organizations, &principal.organization)
            && listed(&only.teams, &principal.team)
            && listed(&only.users, &principal.user)
            && listed(&only.keys, &principal.key)
            && listed(&only.end_users, &principal.end_user)
            && listed(&only.models, counted.model)
            && (only.tags.is_empty() || principal.tags.iter().any(|tag| only.tags.contains(tag)));
        if !matches {
            return;
        }
        let by_tag = per.contains(&Dimension::Tag);
        let mut name = self.id.clone();
        let mut whom = String::new();
        for dimension in per {
            let value = match dimension {
                Dimension::Organization => &principal.organization,
                Dimension::Team => &principal.team,
                Dimension::User => &principal.user,
                Dimension::Key => &principal.key,
                Dimension::EndUser => &principal.end_user,
                Dimension::Model => counted.model,
                Dimension::Provider | Dimension::Tag => continue,
            };
            // Who has no team is counted by no team's limit.
            if value.is_empty() {
                return;
            }
            name_part(&mut name, &mut whom, *dimension, value);
        }
        let of_limit = only.providers.clone();
        let served: Vec<&String> =
            counted.providers.iter().filter(|provider| listed(&only.providers, provider)).collect();
        let by_provider = per.contains(&Dimension::Provider);
        if served.is_empty() && (by_provider || !of_limit.is_empty()) {
            return;
        }
        let mut tags: Vec<&String> = principal.tags.iter().filter(|tag| listed(&only.tags, tag)).collect();
        tags.sort_unstable();
        tags.dedup();
        let tags: Vec<Option<&String>> =
            if by_tag { tags.into_iter().map(Some).collect() } else { vec![None] };
        for tag in tags {
            let (mut name, mut whom) = (name.clone(), whom.clone());
            if let Some(tag) = tag {
                name_part(&mut name, &mut whom, Dimension::Tag, tag);
            }
            if !by_provider {
                claims.push(Ruled { rule: self, whom, claim: self.claim(name, of_limit.clone()) });
                continue;
            }
            for provider in &served {
                let (mut name, mut whom) = (name.clone(), whom.clone());
                name_part(&mut name, &mut whom, Dimension::Provider, provider);
                claims.push(Ruled { rule: self, whom, claim: self.claim(name, vec![(*provider).clone()]) });
            }
        }
    }

    fn claim(&self, counter: String, providers: Vec<String>) -> Claim {
        let limit = &self.limit;
        let full = limit.burst.unwrap_or(limit.amount);
        let admits = limit.downgrade.as_ref().map(|downgrade| {
            full / 100 * u64::from(downgrade.at_percent) + full % 100 * u64::from(downgrade.at_percent) / 100
        });
        Claim {
            counter,
            measure: limit.measure,
            window: limit.window.clone(),
            limit: limit.amount,
            ceiling: if limit.mode == Mode::Hard { full } else { u64::MAX },
            admits,
            amount: 0,
            providers,
            overruns: limit.on_overrun == Overrun::Flag,
            local: match limit.on_store_failure {
                Some(StoreFailure::Refuse) => None,
                Some(StoreFailure::Local(amount)) => Some(amount),
                None => (limit.measure != Measure::MicroDollars).then_some(full),
            },
        }
    }
}

fn name_part(name: &mut String, whom: &mut String, dimension: Dimension, value: &str) {
    counter::add_value(name, dimension, value);
    if !whom.is_empty() {
        whom.push_str(", ");
    }
    whom.push_str(&dimension.as_str().replace('_', " "));
    whom.push_str(" \"");
    whom.push_str(value);
    whom.push('"');
}

/// The amount that a claim of this measure takes when a request begins.
pub fn taken(measure: Measure, amounts: &Amounts) -> u64 {
    match measure {
        Measure::Concurrent => 1,
        measure => amounts.of(measure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn principal() -> Principal {
        Principal {
            organization: "acme".to_owned(),
            team: "research".to_owned(),
            key: "ann-laptop".to_owned(),
            tags: vec!["batch".to_owned(), "eu".to_owned(), "batch".to_owned()],
            ..Principal::default()
        }
    }

    fn counters(limit: Limit) -> Vec<String> {
        let rule = Rule { limit, owner: String::new(), id: "limit".to_owned() };
        let providers = ["openai".to_owned(), "azure".to_owned()];
        let mut claims = Vec::new();
        rule.claims(Counted { principal: &principal(), model: "gpt-4o", providers: &providers }, &mut claims);
        claims.into_iter().map(|ruled| ruled.claim.counter).collect()
    }

    fn limit() -> Limit {
        Limit::hard("limit", Measure::Requests, 10, "minute".parse().unwrap())
    }

    #[test]
    fn a_limit_counts_each_value_of_its_dimensions() {
        assert_eq!(counters(limit()), ["limit"]);
        let per = vec![Dimension::Team, Dimension::Model];
        assert_eq!(counters(Limit { per, ..limit() }), ["limit|team=research|model=gpt-4o"]);
        assert_eq!(
            counters(Limit { per: vec![Dimension::Tag], ..limit() }),
            ["limit|tag=batch", "limit|tag=eu"]
        );
        assert_eq!(
            counters(Limit { per: vec![Dimension::Provider], ..limit() }),
            ["limit|provider=openai", "limit|provider=azure"]
        );
        // The key has no user.
        assert!(counters(Limit { per: vec![Dimension::User], ..limit() }).is_empty());
    }

    #[test]
    fn an_end_user_cannot_take_the_name_of_anothers_counter() {
        let rule = Rule {
            limit: Limit { per: vec![Dimension::EndUser, Dimension::Model], ..limit() },
            owner: String::new(),
            id: "limit".to_owned(),
        };
        let counter = |end_user: &str, model: &str| {
            let principal = Principal { end_user: end_user.to_owned(), ..principal() };
            let mut claims = Vec::new();
            rule.claims(Counted { principal: &principal, model, providers: &[] }, &mut claims);
            claims.remove(0).claim.counter
        };
        assert_eq!(counter("a|model=b", "c"), "limit|end_user=a%7Cmodel=b|model=c");
        assert_ne!(counter("a%7Cb", "c"), counter("a|b", "c"));
    }

    #[test]
    fn a_limit_counts_only_what_it_is_for() {
        let only = |only| counters(Limit { only, ..limit() }).len();
        let list = |name: &str| vec![name.to_owned()];
        assert_eq!(only(Only { teams: list("research"), ..Only::default() }), 1);
        assert_eq!(only(Only { teams: list("sales"), ..Only::default() }), 0);
        assert_eq!(only(Only { models: list("other"), ..Only::default() }), 0);
        assert_eq!(only(Only { tags: list("eu"), ..Only::default() }), 1);
        assert_eq!(only(Only { providers: list("azure"), ..Only::default() }), 1);
        assert_eq!(only(Only { providers: list("claude"), ..Only::default() }), 0);
        let both = vec!["azure".to_owned(), "openai".to_owned()];
        assert_eq!(
            counters(Limit { only: Only { providers: both, ..Only::default() }, ..limit() }),
            ["limit"]
        );
    }

    #[test]
    fn a_limit_is_read_as_it_is_written() {
        let text = r#"{"name":"a","measure":"micro_dollars","amount":5000000,"window":"month Europe/Berlin","mode":"hard","on_overrun":"end"}"#;
        let limit: Limit = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&limit).unwrap(), text);
        assert!(
            serde_json::from_str::<Limit>(r#"{"name":"a","measure":"requests","amount":1,"windows":"day"}"#)
                .is_err()
        );
    }
}
