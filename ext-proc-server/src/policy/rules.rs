//! The limits in force, and finding those that may count a request.

use super::identity::{Directory, Principal};
use super::limit::{Limit, Mode, Rule};
use crate::store::Measure;
use crate::store::window::{Unit, Window, Zone};
use std::collections::HashMap;
use std::sync::Arc;

/// The name of the limit that counts what a key without a budget spends.
const SPEND: &str = "spend";

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
}

impl Rules {
    /// Every limit of a directory, with its owner among those whom it counts.
    pub(super) fn of(directory: &Directory) -> Self {
        let mut rules = Self::default();
        for (name, key) in &directory.keys {
            rules.add("key", name, &key.limits, |limit, name| limit.only.keys = vec![name]);
            // What a key without a budget has spent is counted too.
            if !key.limits.iter().any(|limit| limit.is_budget() && limit.per.is_empty()) {
                rules.add("key", name, &[spend()], |limit, name| limit.only.keys = vec![name]);
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
            let id = format!("limit:{}@{}", limit.name, counted_over(limit));
            rules.push(Rule { limit: limit.clone(), owner: String::new(), id });
        }
        rules
    }

    fn add(&mut self, kind: &str, name: &str, limits: &[Limit], bind: fn(&mut Limit, String)) {
        for limit in limits {
            let mut limit = limit.clone();
            bind(&mut limit, name.to_owned());
            let id = format!("{kind}:{name}/{}@{}", limit.name, counted_over(&limit));
            self.push(Rule { limit, owner: format!("the {kind} \"{name}\""), id });
        }
    }

    fn push(&mut self, rule: Rule) {
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
            self.general.push(rule);
            return;
        };
        for name in names {
            index.entry(name.clone()).or_default().push(rule.clone());
        }
    }

    /// All of them.
    pub fn all(&self) -> &[Arc<Rule>] {
        &self.all
    }

    /// The rule that a counter belongs to: the counter's name is the rule's id, or that and `|` and more.
    pub fn of_counter(&self, counter: &str) -> Option<&Arc<Rule>> {
        // The first that fits, since what follows an id may be anything that a client has sent.
        let mut ends = counter.match_indices('|').map(|(at, _)| at).chain([counter.len()]);
        ends.find_map(|end| self.by_id.get(counter.get(..end)?))
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
        self.by_key.get(key)?.iter().find(|rule| {
            let Limit { measure, only, per, .. } = &rule.limit;
            *measure == Measure::MicroDollars
                && only.keys == [key]
                && per.is_empty()
                && (rule.limit.is_budget() || rule.limit.name == SPEND)
        })
    }
}

/// A limit that limits nothing: it counts the money of all time.
fn spend() -> Limit {
    let ever = Window::Calendar(Unit::Total, Zone::default());
    Limit { mode: Mode::Shadow, ..Limit::hard(SPEND, Measure::MicroDollars, 0, ever) }
}

/// The part of a counter's name by which a limit that comes to count something else begins anew.
fn counted_over(limit: &Limit) -> String {
    match limit.measure {
        Measure::Concurrent => limit.measure.as_str().to_owned(),
        measure => match &limit.window {
            // What has flown back is told in time, which would mean another amount.
            Window::Bucket(_) => format!("{} {} of {}", measure.as_str(), limit.window, limit.amount),
            window => format!("{} {window}", measure.as_str()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(id: &str) -> Rule {
        Rule { limit: spend(), owner: String::new(), id: id.to_owned() }
    }

    #[test]
    fn a_counter_is_found_by_the_id_that_its_name_begins_with() {
        let mut rules = Rules::default();
        for id in ["limit:a@requests day", "limit:a@requests day2", "limit:a|b@requests day"] {
            rules.push(rule(id));
        }
        let found = |counter| rules.of_counter(counter).map(|rule| rule.id.as_str());
        assert_eq!(found("limit:a@requests day"), Some("limit:a@requests day"));
        assert_eq!(found("limit:a@requests day|team=x|y"), Some("limit:a@requests day"));
        assert_eq!(found("limit:a|b@requests day|tag=|"), Some("limit:a|b@requests day"));
        assert_eq!(found("limit:a@requests da"), None);
        assert_eq!(found("limit:a@requests day3"), None);
        assert_eq!(found(""), None);
    }
}
