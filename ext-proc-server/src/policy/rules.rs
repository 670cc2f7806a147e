//! The limits in force, and finding those that may count a request.

use super::identity::{Directory, Principal};
use super::limit::{Limit, Mode, Rule, counter};
use crate::store::Measure;
use crate::store::window::{Unit, Window, Zone};
use std::collections::HashMap;
use std::sync::Arc;

/// The name of the limit that counts what a key without a budget spends; and where the key has one of that name, a name that nobody
/// can give.
const SPEND: &str = "spend";
const OWN_SPEND: &str = "spend*";

/// Every limit, by whose requests it counts.
#[derive(Debug, Default)]
pub struct Rules {
    all: Vec<Arc<Rule>>,
    by_id: HashMap<String, Arc<Rule>>,
    by_key: HashMap<String, Vec<Arc<Rule>>>,
    by_user: HashMap<String, Vec<Arc<Rule>>>,
    by_team: HashMap<String, Vec<Arc<Rule>>>,
    by_organization: HashMap<String, Vec<Arc<Rule>>>,
    /// Those that name none of these.
    general: Vec<Arc<Rule>>,
    /// The rule that counts all that a key spends.
    spend: HashMap<String, Arc<Rule>>,
}

impl Rules {
    /// Every limit of a directory, with its owner among those whom it counts.
    pub(super) fn of(directory: &Directory) -> Self {
        let mut rules = Self::default();
        for (name, key) in &directory.keys {
            let bind = |limit: &mut Limit, name| limit.only.keys = vec![name];
            let own = rules.add("key", name, &key.limits, bind);
            let budget = own.into_iter().find(|rule| rule.limit.is_budget() && rule.limit.per.is_empty());
            // What a key without a budget has spent is counted too.
            let count = || {
                let taken = key.limits.iter().any(|limit| limit.name == SPEND);
                let limit = spend(if taken { OWN_SPEND } else { SPEND });
                rules.add("key", name, &[limit], bind).pop()
            };
            if let Some(rule) = budget.or_else(count) {
                rules.spend.insert(name.clone(), rule);
            }
        }
        for (name, user) in &directory.users {
            // Who is called so in another team is somebody else.
            let mut limits = user.limits.clone();
            for limit in &mut limits {
                limit.only.teams = user.team.iter().cloned().collect();
            }
            rules.add("user", name, &limits, |limit, name| limit.only.users = vec![name]);
        }
        for (name, team) in &directory.teams {
            rules.add("team", name, &team.limits, |limit, name| limit.only.teams = vec![name]);
        }
        for (name, organization) in &directory.organizations {
            rules.add("organization", name, &organization.limits, |limit, name| {
                limit.only.organizations = vec![name];
            });
        }
        for limit in directory.limits.values() {
            let id = counter::id(None, limit);
            rules.push(Rule { limit: limit.clone(), owner: String::new(), id });
        }
        rules
    }

    fn add(
        &mut self,
        kind: &str,
        name: &str,
        limits: &[Limit],
        bind: fn(&mut Limit, String),
    ) -> Vec<Arc<Rule>> {
        let rules = limits.iter().map(|limit| {
            let mut limit = limit.clone();
            bind(&mut limit, name.to_owned());
            let id = counter::id(Some((kind, name)), &limit);
            self.push(Rule { limit, owner: format!("the {kind} \"{name}\""), id })
        });
        rules.collect()
    }

    fn push(&mut self, rule: Rule) -> Arc<Rule> {
        let rule = Arc::new(rule);
        self.all.push(rule.clone());
        self.by_id.insert(rule.id.clone(), rule.clone());
        let only = &rule.limit.only;
        // One list is enough to find it by; the rest is looked at for each request.
        let (index, names) = if !only.keys.is_empty() {
            (&mut self.by_key, &only.keys)
        } else if !only.users.is_empty() {
            (&mut self.by_user, &only.users)
        } else if !only.teams.is_empty() {
            (&mut self.by_team, &only.teams)
        } else if !only.organizations.is_empty() {
            (&mut self.by_organization, &only.organizations)
        } else {
            self.general.push(rule.clone());
            return rule;
        };
        for name in names {
            index.entry(name.clone()).or_default().push(rule.clone());
        }
        rule
    }

    /// All of them.
    pub fn all(&self) -> &[Arc<Rule>] {
        &self.all
    }

    /// The rule that a counter belongs to.
    pub fn of_counter(&self, counter: &str) -> Option<&Arc<Rule>> {
        self.by_id.get(counter::id_of(counter))
    }

    /// Those that may count requests of a principal.
    pub fn counting(&self, principal: &Principal) -> Vec<Arc<Rule>> {
        let indexed = [
            (&self.by_key, &principal.key),
            (&self.by_user, &principal.user),
            (&self.by_team, &principal.team),
            (&self.by_organization, &principal.organization),
        ];
        let owned = indexed.into_iter().filter_map(|(index, name)| index.get(name)).flatten();
        owned.chain(&self.general).cloned().collect()
    }

    /// The rule that counts all that a key spends: its budget, if it has one.
    pub fn spend_of(&self, key: &str) -> Option<&Arc<Rule>> {
        self.spend.get(key)
    }
}

/// A limit that limits nothing: it counts the money of all time.
fn spend(name: &str) -> Limit {
    let ever = Window::Calendar(Unit::Total, Zone::default());
    Limit { mode: Mode::Shadow, ..Limit::hard(name, Measure::MicroDollars, 0, ever) }
}

/// Whether a limit only counts what a key without a budget spends, and nobody has set it.
pub fn only_counts_spend(limit: &Limit) -> bool {
    limit.mode == Mode::Shadow && limit.amount == 0 && [SPEND, OWN_SPEND].contains(&limit.name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::identity::Key;
    use crate::policy::limit::Counted;
    use std::collections::HashSet;

    fn rule(id: &str) -> Rule {
        Rule { limit: spend(SPEND), owner: String::new(), id: id.to_owned() }
    }

    #[test]
    fn a_counter_is_found_by_the_id_that_its_name_begins_with() {
        let mut rules = Rules::default();
        for id in ["limit:a@requests day", "limit:a@requests day2", "limit:a%7Cb@requests day"] {
            rules.push(rule(id));
        }
        let found = |counter| rules.of_counter(counter).map(|rule| rule.id.as_str());
        assert_eq!(found("limit:a@requests day"), Some("limit:a@requests day"));
        assert_eq!(found("limit:a@requests day|team=x|y"), Some("limit:a@requests day"));
        assert_eq!(found("limit:a%7Cb@requests day|tag=|"), Some("limit:a%7Cb@requests day"));
        assert_eq!(found("limit:a@requests da"), None);
        assert_eq!(found("limit:a@requests day3"), None);
        assert_eq!(found(""), None);
    }

    fn of_keys(keys: &[(&str, &[&str])]) -> Rules {
        let limit = |name: &&str| Limit::hard(name, Measure::Requests, 1, "day".parse().unwrap());
        let key = |(name, limits): &(&str, &[&str])| {
            let limits = limits.iter().map(limit).collect();
            ((*name).to_owned(), Key { name: (*name).to_owned(), limits, ..Key::default() })
        };
        Rules::of(&Directory { keys: keys.iter().map(key).collect(), ..Directory::default() })
    }

    #[test]
    fn a_slash_in_a_name_makes_no_two_limits_share_a_counter() {
        let rules = of_keys(&[("a", &["b/c"]), ("a/b", &["c"])]);
        let ids: HashSet<_> = rules.all().iter().map(|rule| rule.id.as_str()).collect();
        assert_eq!(ids.len(), rules.all().len());
        for rule in rules.all() {
            assert_eq!(rules.of_counter(&rule.id).unwrap().owner, rule.owner);
            assert_eq!(rule.owned_by(), Some(("key", rule.limit.only.keys[0].as_str())));
        }
    }

    #[test]
    fn a_limit_called_spend_does_not_share_the_counter_of_what_a_key_spends() {
        let own = Limit { mode: Mode::Soft, amount: 5, ..spend(SPEND) };
        let key = Key { name: "k".to_owned(), limits: vec![own], ..Key::default() };
        let rules = Rules::of(&Directory { keys: [("k".to_owned(), key)].into(), ..Directory::default() });
        let principal = Principal { key: "k".to_owned(), ..Principal::default() };
        let mut claims = Vec::new();
        for rule in rules.all() {
            rule.claims(Counted { principal: &principal, model: "", providers: &[] }, &mut claims);
        }
        let counters: Vec<_> = claims.iter().map(|ruled| ruled.claim.counter.as_str()).collect();
        assert_eq!(counters, ["key:k/spend@micro_dollars total", "key:k/spend*@micro_dollars total"]);
        assert_eq!(rules.spend_of("k").unwrap().id, counters[1]);
    }
}
