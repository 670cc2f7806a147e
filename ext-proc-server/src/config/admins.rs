//! Who may use the admin API, and the checksum of the keys that it makes.

use super::document::{Fields, Node};
use super::values::Reader;
use super::{Admin, AdminRole};
use std::collections::HashMap;
use weirgate_contract::filter_config::SecretText;

/// The fewest characters of the secret of checksums.
const CHECKSUM_CHARACTERS: usize = 16;

impl Reader<'_> {
    pub(super) fn admins(&self, fields: &mut Fields<'_>) -> Vec<Admin> {
        let nodes = fields.list("admins", &self.problems);
        self.names(nodes);
        let mut holders = HashMap::new();
        let mut admins = Vec::new();
        for node in nodes {
            let Some(admin) = self.admin(node) else { continue };
            if let Some(other) = holders.insert(admin.digest, admin.name.clone()) {
                self.problems.add(node, format!("has the same key as \"{other}\""));
            }
            admins.push(admin);
        }
        admins
    }

    fn admin(&self, node: &Node) -> Option<Admin> {
        let problems = &self.problems;
        let mut fields = Fields::of(node, problems);
        let name = fields.need("name", problems).and_then(|node| self.text(node));
        let secret = self.key_secret(node, &mut fields);
        // The team may be one that the admin API makes known, so it is not looked up.
        let team_node = fields.get("team");
        let team = team_node.and_then(|node| {
            let team = self.text(node)?;
            self.name(node, &team);
            Some(team)
        });
        let role_node = fields.need("role", problems);
        let roles = [("admin", "admin"), ("viewer", "viewer"), ("team_admin", "team_admin")];
        let role = role_node.and_then(|node| self.choice(node, &roles));
        fields.finish(problems);
        if role == Some("team_admin") && team_node.is_none() {
            problems.add(node, "team is missing: a team_admin has a team");
        }
        if let Some(team) = team_node.filter(|_| role.is_some_and(|role| role != "team_admin")) {
            problems.add(team, "only a team_admin has a team");
        }
        let role = match role? {
            "admin" => AdminRole::Admin,
            "viewer" => AdminRole::Viewer,
            _ => AdminRole::TeamAdmin(team?),
        };
        Some(Admin { name: name?, digest: secret?.digest, role })
    }

    pub(super) fn key_checksum(&self, fields: &mut Fields<'_>) -> Option<SecretText> {
        let node = fields.get("key_checksum")?;
        let secret = self.text(node)?;
        if secret.chars().count() < CHECKSUM_CHARACTERS {
            self.problems.add(node, format!("needs at least {CHECKSUM_CHARACTERS} characters"));
        }
        Some(SecretText::new(secret))
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{AdminRole, Config, read};
    use std::collections::BTreeMap;

    fn load(rest: &str) -> Result<Config, String> {
        let text = format!("providers: {{openai: {{dialect: openai}}}}\n{rest}");
        let problems =
            read(&text, &BTreeMap::from([("KEY".to_owned(), "sixteen-or-more-characters".to_owned())]));
        problems.map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    }

    #[test]
    fn admins_are_enough_to_begin_with() {
        let config = load(
            "admins:\n  - {name: root, key: ${KEY}, role: admin}\n  - {name: lead, key: another-key-of-length, role: team_admin, team: red}",
        );
        let admins = config.unwrap().admins;
        assert_eq!(admins[0].role, AdminRole::Admin);
        assert_eq!(admins[1].role, AdminRole::TeamAdmin("red".to_owned()));
    }

    #[test]
    fn what_is_wrong_with_admins_is_said() {
        for (rest, problem) in [
            ("", "keys is missing"),
            ("admins: [{name: a, key: ${KEY}, role: owner}]", "unknown value \"owner\""),
            ("admins: [{name: a, key: short, role: admin}]", "at least 16 characters"),
            ("admins: [{name: a, role: admin}]", "give either key or sha256"),
            ("admins: [{name: a, key: ${KEY}, role: team_admin}]", "team is missing"),
            ("admins: [{name: a, key: ${KEY}, role: viewer, team: t}]", "only a team_admin has a team"),
            (
                "admins: [{name: a, key: ${KEY}, role: viewer}, {name: b, key: ${KEY}, role: admin}]",
                "same key as \"a\"",
            ),
            ("admins: [{name: a, key: ${KEY}, role: viewer}]\nkey_checksum: short", "at least 16 characters"),
        ] {
            let error = load(rest).unwrap_err();
            assert!(error.contains(problem), "{rest}: {error}");
        }
    }

    #[test]
    fn the_secret_of_checksums_is_not_shown() {
        let config = load("admins: [{name: a, key: ${KEY}, role: admin}]\nkey_checksum: ${KEY}").unwrap();
        assert_eq!(config.key_checksum.as_ref().unwrap().as_bytes(), b"sixteen-or-more-characters");
        assert!(!format!("{config:?}").contains("sixteen-or-more"));
    }
}
