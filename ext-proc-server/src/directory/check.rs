//! Whether what somebody wants to make known makes sense beside everything else.

use super::log::Kind;
use super::refusal::Refusal;
use super::{Resource, bounds};
use crate::config::Config;
use crate::config::document::unknown;
use crate::policy::identity::{Directory, Key, Metadata, Organization, Team, User};
use crate::policy::limit::Limit;
use std::collections::{BTreeMap, HashSet};
use weirgate_dialect::Operation;

/// What a change is judged by.
#[derive(Clone, Copy, Debug)]
pub struct World<'w> {
    /// Everybody who is known.
    pub directory: &'w Directory,
    /// The configuration.
    pub config: &'w Config,
}

impl World<'_> {
    fn model(&self, field: impl Into<String>, name: &str) -> Result<(), Refusal> {
        let known = self.config.models.iter().map(|model| model.name.as_str());
        known_name(field, "model", name, known)
    }

    fn models(&self, field: &str, names: &[String]) -> Result<(), Refusal> {
        each(field, names, |field, name| self.model(field, name))
    }

    fn providers(&self, field: &str, names: &[String]) -> Result<(), Refusal> {
        let known = || self.config.providers.keys().map(String::as_str);
        each(field, names, |field, name| known_name(field, "provider", name, known()))
    }

    fn limits(&self, limits: &[Limit]) -> Result<(), Refusal> {
        bounded("limits", limits)?;
        let mut names = HashSet::new();
        for (index, limit) in limits.iter().enumerate() {
            let field = |name: &str| format!("limits[{index}].{name}");
            if !names.insert(&limit.name) {
                return Err(Refusal::invalid(
                    field("name"),
                    format!("the name \"{}\" is given twice", limit.name),
                ));
            }
            let only = &limit.only;
            for (name, list) in [
                ("organizations", &only.organizations),
                ("teams", &only.teams),
                ("users", &only.users),
                ("keys", &only.keys),
            ] {
                if !list.is_empty() {
                    let message = "whose limit it is, is said by where it stands";
                    return Err(Refusal::invalid(field(&format!("only.{name}")), message));
                }
            }
            self.limit(limit).map_err(|refusal| {
                let inner = refusal.field.clone().unwrap_or_default();
                refusal.of_field(field(&inner))
            })?;
        }
        Ok(())
    }

    fn downgrades(&self, limits: &[Limit], models: &[String]) -> Result<(), Refusal> {
        limits.iter().enumerate().try_for_each(|(index, limit)| match limit.downgrade_problem(models) {
            Some(problem) => Err(Refusal::invalid(format!("limits[{index}].downgrade.model"), problem)),
            None => Ok(()),
        })
    }

    fn limit(&self, limit: &Limit) -> Result<(), Refusal> {
        is_name("name", &limit.name)?;
        if let Some((field, problem)) = limit.problem() {
            return Err(Refusal::invalid(field, problem));
        }
        bounded("per", &limit.per)?;
        bounded("warn_at", &limit.warn_at)?;
        let only = &limit.only;
        self.models("only.models", &only.models)?;
        self.providers("only.providers", &only.providers)?;
        for (field, list) in [
            ("only.organizations", &only.organizations),
            ("only.teams", &only.teams),
            ("only.users", &only.users),
            ("only.keys", &only.keys),
            ("only.end_users", &only.end_users),
            ("only.tags", &only.tags),
        ] {
            texts(field, list)?;
        }
        match &limit.downgrade {
            Some(downgrade) => self.model("downgrade.model", &downgrade.model),
            None => Ok(()),
        }
    }
}

/// By what it is known, and where all of its kind are.
macro_rules! kept_in {
    ($map:ident) => {
        fn name(&self) -> &str {
            &self.name
        }

        fn all(directory: &Directory) -> &BTreeMap<String, Self> {
            &directory.$map
        }

        fn all_mut(directory: &mut Directory) -> &mut BTreeMap<String, Self> {
            &mut directory.$map
        }
    };
}

impl Resource for Organization {
    const KIND: Kind = Kind::Organization;

    kept_in!(organizations);

    fn check(&self, world: &World<'_>) -> Result<(), Refusal> {
        is_name("name", &self.name)?;
        world.limits(&self.limits)?;
        metadata(&self.metadata)
    }

    fn referrer(directory: &Directory, name: &str) -> Option<(Kind, String)> {
        let team = directory.teams.values().find(|team| team.organization.as_deref() == Some(name));
        let key = || directory.keys.values().find(|key| key.organization.as_deref() == Some(name));
        let team = team.map(|team| (Kind::Team, team.name.clone()));
        team.or_else(|| Some((Kind::Key, key()?.name.clone())))
    }
}

impl Resource for Team {
    const KIND: Kind = Kind::Team;

    kept_in!(teams);

    fn check(&self, world: &World<'_>) -> Result<(), Refusal> {
        is_name("name", &self.name)?;
        refers("organization", self.organization.as_ref(), &world.directory.organizations)?;
        world.models("models", &self.models)?;
        world.limits(&self.limits)?;
        world.downgrades(&self.limits, &self.models)?;
        metadata(&self.metadata)
    }

    fn referrer(directory: &Directory, name: &str) -> Option<(Kind, String)> {
        let user = directory.users.values().find(|user| user.team.as_deref() == Some(name));
        let key = || directory.keys.values().find(|key| key.team.as_deref() == Some(name));
        let user = user.map(|user| (Kind::User, user.name.clone()));
        user.or_else(|| Some((Kind::Key, key()?.name.clone())))
    }
}

impl Resource for User {
    const KIND: Kind = Kind::User;

    kept_in!(users);

    fn check(&self, world: &World<'_>) -> Result<(), Refusal> {
        is_name("name", &self.name)?;
        refers("team", self.team.as_ref(), &world.directory.teams)?;
        world.limits(&self.limits)?;
        metadata(&self.metadata)
    }

    fn referrer(directory: &Directory, name: &str) -> Option<(Kind, String)> {
        let key = directory.keys.values().find(|key| key.user.as_deref() == Some(name));
        key.map(|key| (Kind::Key, key.name.clone()))
    }
}

impl Resource for Key {
    const KIND: Kind = Kind::Key;

    kept_in!(keys);

    fn check(&self, world: &World<'_>) -> Result<(), Refusal> {
        is_name("name", &self.name)?;
        refers("team", self.team.as_ref(), &world.directory.teams)?;
        refers("user", self.user.as_ref(), &world.directory.users)?;
        refers("organization", self.organization.as_ref(), &world.directory.organizations)?;
        texts("tags", &self.tags)?;
        bounded("networks", &self.networks)?;
        world.models("models", &self.models)?;
        world.providers("providers", &self.providers)?;
        let operations = || Operation::ALL.iter().map(|operation| operation.as_str());
        each("operations", &self.operations, |field, name| {
            known_name(field, "operation", name, operations())
        })?;
        world.limits(&self.limits)?;
        world.downgrades(&self.limits, &self.models)?;
        metadata(&self.metadata)
    }
}

impl Resource for Limit {
    const KIND: Kind = Kind::Limit;

    kept_in!(limits);

    fn check(&self, world: &World<'_>) -> Result<(), Refusal> {
        world.limit(self)
    }
}

fn known_name<'k>(
    field: impl Into<String>,
    what: &str,
    name: &str,
    known: impl Iterator<Item = &'k str> + Clone,
) -> Result<(), Refusal> {
    if known.clone().any(|known| known == name) {
        return Ok(());
    }
    Err(Refusal::unknown(field, unknown(what, name, known)))
}

fn refers<T>(field: &str, name: Option<&String>, known: &BTreeMap<String, T>) -> Result<(), Refusal> {
    match name {
        Some(name) if !known.contains_key(name) => {
            Err(Refusal::unknown(field, format!("there is no {field} \"{name}\"")))
        }
        _ => Ok(()),
    }
}

fn each(
    field: &str,
    names: &[String],
    check: impl Fn(String, &str) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    bounded(field, names)?;
    names.iter().enumerate().try_for_each(|(index, name)| check(format!("{field}[{index}]"), name))
}

fn bounded<T>(field: &str, items: &[T]) -> Result<(), Refusal> {
    let list = field.rsplit('.').next().unwrap_or(field);
    bounds::list_problem(list, items.len()).map_or(Ok(()), |problem| Err(Refusal::invalid(field, problem)))
}

fn is_name(field: &str, name: &str) -> Result<(), Refusal> {
    let plain = |character: char| character.is_ascii_alphanumeric() || "._:@-".contains(character);
    let good = name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.len() <= 128
        && name.chars().all(plain);
    if good {
        return Ok(());
    }
    let message = "must begin with a letter or a digit and have at most 128 letters, digits, and . _ : @ -";
    Err(Refusal::invalid(field, message))
}

fn texts(field: &str, texts: &[String]) -> Result<(), Refusal> {
    each(field, texts, |field, text| {
        let plain = |character: char| character.is_ascii_graphic() && !"\"'\\,;*+%".contains(character);
        if (1..=bounds::TEXT_BYTES).contains(&text.len()) && text.chars().all(plain) {
            return Ok(());
        }
        let message = "must have 1 to 256 letters, digits and signs other than \" ' \\ , ; * + %";
        Err(Refusal::invalid(field, message))
    })
}

fn metadata(metadata: &Metadata) -> Result<(), Refusal> {
    let problem = bounds::metadata_problem(metadata);
    problem.map_or(Ok(()), |problem| Err(Refusal::invalid("metadata", problem)))
}
