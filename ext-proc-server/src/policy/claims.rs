//! Whose a request is that comes with a JSON Web Token, which Envoy has checked.

use super::identity::{Key, Principal};
use super::{Caller, Holder, Policy, forbidden};
use crate::config::ClaimNames;
use serde_json::Value;
use std::sync::Arc;
use weirgate_dialect::error::{ClientError, ErrorKind};

/// The name under which requests with a token appear in place of a key's. No key can have it.
pub const KEY: &str = "jwt*";
/// The most tags that are taken from one token.
const TAGS: usize = 32;

impl Policy {
    /// Whose a token is.
    ///
    /// # Errors
    /// 401 if it does not hold or does not say who the user is, 403 if its team is not known here.
    pub(super) fn bearer(&self, names: &ClaimNames, claims: &Value) -> Result<Caller, ClientError> {
        let invalid = |message| ClientError::new(ErrorKind::Unauthenticated, "invalid_token", message);
        if let Value::String(reason) = claims {
            return Err(invalid(format!("the token is not accepted: {reason}")));
        }
        let user = texts(claims, &names.user).into_iter().next().ok_or_else(|| {
            invalid(format!("the token has no claim \"{}\", which says who its user is", names.user))
        })?;
        let first =
            |name: &Option<String>| name.as_ref().and_then(|name| texts(claims, name).into_iter().next());
        let team = first(&names.team);
        if let Some(claim) = &names.team {
            // Its limits would count nothing otherwise.
            match &team {
                Some(team) if self.directory.teams.contains_key(team) => {}
                Some(team) => {
                    return Err(forbidden("unknown_team", format!("the team \"{team}\" is not known here")));
                }
                None => return Err(forbidden("unknown_team", format!("the token has no claim \"{claim}\""))),
            }
        }
        let roles = names.role.as_ref().map(|name| texts(claims, name)).unwrap_or_default();
        let tags = names.tags.as_ref().map(|name| texts(claims, name)).unwrap_or_default();
        let tags = roles.into_iter().map(|role| format!("role={role}")).chain(tags).take(TAGS).collect();
        let key = Key {
            name: KEY.to_owned(),
            team,
            user: Some(user),
            organization: first(&names.organization),
            tags,
            ..Key::default()
        };
        let principal: Principal = self.directory.principal(&key);
        let models =
            self.directory.teams.get(&principal.team).map(|team| team.models.clone()).unwrap_or_default();
        let rules = self.rules.counting(&principal);
        let holder = Arc::new(Holder { key, principal: principal.clone(), models, rules });
        Ok(Caller::new(holder, principal))
    }
}

/// The texts of a claim: one, or those of a list.
fn texts(claims: &Value, path: &str) -> Vec<String> {
    // Some issuers have dots in the names of their claims.
    let claim = claims.get(path).or_else(|| path.split('.').try_fold(claims, |value, name| value.get(name)));
    let text = |value: &Value| match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    match claim {
        Some(Value::Array(values)) => values.iter().filter_map(text).collect(),
        Some(value) => text(value).into_iter().collect(),
        None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn claims_are_texts_or_lists_and_may_lie_deeper() {
        let claims = json!({"sub": "ann", "n": 7, "realm": {"roles": ["a", "", "b", null]}, "https://x.y/team": "red"});
        assert_eq!(texts(&claims, "sub"), ["ann"]);
        assert_eq!(texts(&claims, "n"), ["7"]);
        assert_eq!(texts(&claims, "realm.roles"), ["a", "b"]);
        assert_eq!(texts(&claims, "https://x.y/team"), ["red"]);
        assert!(texts(&claims, "realm").is_empty() && texts(&claims, "none.at.all").is_empty());
    }
}
