//! Virtual keys: shown once, kept as hashes; rotated, blocked, and shown with how their limits stand.

use super::access::{now, team_of};
use super::call::Call;
use super::resources::{self, ApiResource, answer_with, change, visible};
use super::standings::{self, Standing};
use crate::directory::forms::{Name, NetworkText, Text, Time};
use crate::directory::log::Action;
use crate::directory::refusal::{Reason, Refusal};
use crate::gateway::Gateway;
use crate::policy::Policy;
use crate::policy::identity::{Directory, Key, Metadata, Network, Principal, Secret};
use crate::policy::limit::Limit;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// How many of a key's first characters are kept for people: what all keys begin with, and six of its own.
const PREFIX_CHARACTERS: usize = weirgate_keys::PREFIX.len() + 6;
/// The longest grace period, in seconds.
const GRACE: u64 = 30 * 86_400;

/// A virtual key, as clients write it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyForm {
    /// The name by which it appears in usage, metrics and the ledger.
    #[schema(value_type = Name)]
    name: String,
    /// Its team; if it has none, its user's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    team: Option<String>,
    /// Its user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    /// Its organisation, if no team says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    organization: Option<String>,
    /// Tags of all its requests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Text>)]
    tags: Vec<String>,
    /// The models it may use; empty: all that its team may.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    models: Vec<String>,
    /// The providers it may use; empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    providers: Vec<String>,
    /// The operations it may use, such as `chat_completions`; empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    operations: Vec<String>,
    /// The networks it may be used from; empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<NetworkText>)]
    networks: Vec<Network>,
    /// When it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Time>)]
    expires_at: Option<String>,
    /// Its own limits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    limits: Vec<Limit>,
    /// What else is known of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = BTreeMap<String, String>)]
    metadata: Metadata,
}

/// What is shown of a key besides what was written.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct KeyState {
    /// Whether it is accepted.
    status: Status,
    /// Its secrets: the first is the one to use, one behind it was rotated away.
    secrets: Vec<SecretState>,
    /// Whose its requests are.
    principal: Whose,
    /// How its own limits stand.
    standings: Vec<Standing>,
}

/// Whether a key is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Status {
    /// It is.
    Active,
    /// Not until it is unblocked.
    Blocked,
    /// Not any more.
    Expired,
}

/// What is shown of a secret.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct SecretState {
    /// Its first characters; empty if they were never known.
    prefix: String,
    /// Until when it is accepted.
    #[schema(value_type = Option<Time>)]
    until: Option<String>,
}

/// Whose requests are.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct Whose {
    /// The user.
    user: Option<String>,
    /// The team.
    team: Option<String>,
    /// The organisation.
    organization: Option<String>,
}

/// How a key is rotated.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rotation {
    /// For how many seconds the old secret is still accepted.
    #[serde(default)]
    #[schema(maximum = 2592000)]
    grace_seconds: u64,
}

/// Times beyond this are as good as never.
const NEVER: i64 = 253_402_207_199;

/// A moment as RFC 3339 writes it.
pub(super) fn time(seconds: u64) -> String {
    let seconds = i64::try_from(seconds).unwrap_or(NEVER).min(NEVER);
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX).to_string()
}

fn seconds(text: &str) -> Result<u64, Refusal> {
    let time: Timestamp = text.parse().map_err(|_| {
        Refusal::invalid("expires_at", format!("\"{text}\" is not a time such as 2027-01-31T00:00:00Z"))
    })?;
    // Whatever was before 1970 has ended.
    Ok(u64::try_from(time.as_second()).unwrap_or(0))
}

#[tonic::async_trait]
impl ApiResource for Key {
    type Form = KeyForm;
    const SCHEMA: &'static str = "Key";
    const FILTERS: &'static [&'static str] = &["team", "user"];

    fn form(&self) -> KeyForm {
        let key = self.clone();
        KeyForm {
            name: key.name,
            team: key.team,
            user: key.user,
            organization: key.organization,
            tags: key.tags,
            models: key.models,
            providers: key.providers,
            operations: key.operations,
            networks: key.networks,
            expires_at: key.expires_at.map(time),
            limits: key.limits,
            metadata: key.metadata,
        }
    }

    fn from_form(form: KeyForm, before: Option<&Self>) -> Result<Self, Refusal> {
        Ok(Self {
            name: form.name,
            secrets: before.map(|before| before.secrets.clone()).unwrap_or_default(),
            team: form.team,
            user: form.user,
            organization: form.organization,
            tags: form.tags,
            models: form.models,
            providers: form.providers,
            operations: form.operations,
            networks: form.networks,
            expires_at: form.expires_at.as_deref().map(seconds).transpose()?,
            blocked: before.is_some_and(|before| before.blocked),
            limits: form.limits,
            metadata: form.metadata,
        })
    }

    fn filtered(&self, directory: &Directory, filter: &str) -> Option<String> {
        match filter {
            "team" => team_of(directory, self).map(str::to_owned),
            _ => self.user.clone(),
        }
    }

    fn team<'d>(&'d self, directory: &'d Directory) -> Option<&'d str> {
        team_of(directory, self)
    }

    fn beyond_team(&self, before: Option<&Self>, team: &str, directory: &Directory) -> Option<Refusal> {
        // Where its team has no organisation, a key could be counted to any.
        let other = self.organization.is_some()
            && before.is_none_or(|before| before.organization != self.organization);
        if other {
            return Some(Refusal::forbidden("a team's admin sets no organization").of_field("organization"));
        }
        resources::stranger(self, team, directory)
    }

    fn complete(&mut self, policy: &Policy) -> Result<Map<String, Value>, Refusal> {
        let (secret, key) = new_secret(policy)?;
        self.secrets = vec![secret];
        Ok(shown_once(key))
    }

    async fn views(gateway: &Gateway, policy: &Policy, keys: Vec<Self>) -> Result<Vec<Value>, Refusal> {
        let names: Vec<&str> = keys.iter().map(|key| key.name.as_str()).collect();
        let mut standings = standings::of_keys(gateway, policy, &names).await?;
        let views = keys.iter().map(|key| {
            let mut view = resources::view(policy, key);
            let state = state(policy, key, standings.remove(&key.name).unwrap_or_default());
            if let (Some(view), Ok(Value::Object(state))) =
                (view.as_object_mut(), serde_json::to_value(state))
            {
                view.extend(state);
            }
            view
        });
        Ok(views.collect())
    }
}

fn state(policy: &Policy, key: &Key, standings: Vec<Standing>) -> KeyState {
    let now = now();
    let over = |end: Option<u64>| end.is_some_and(|end| end <= now);
    let status = if over(key.expires_at) || key.secrets.iter().all(|secret| over(secret.until)) {
        Status::Expired
    } else if key.blocked {
        Status::Blocked
    } else {
        Status::Active
    };
    let Principal { user, team, organization, .. } = policy.directory().principal(key);
    let known = |name: String| (!name.is_empty()).then_some(name);
    let secrets = key
        .secrets
        .iter()
        .rev()
        .map(|secret| SecretState { prefix: secret.prefix.clone(), until: secret.until.map(time) });
    KeyState {
        status,
        secrets: secrets.collect(),
        principal: Whose { user: known(user), team: known(team), organization: known(organization) },
        standings,
    }
}

/// A new secret, and the key that nobody will see again.
fn new_secret(policy: &Policy) -> Result<(Secret, String), Refusal> {
    let checksum = policy.config().key_checksum.as_ref().map(|secret| secret.as_bytes()).unwrap_or_default();
    let key = weirgate_keys::generate(checksum, getrandom::fill).map_err(|error| {
        tracing::error!(%error, "there are no random bytes to make a key of");
        Refusal::new(Reason::Unavailable, "no_random_bytes", "no key can be made at the moment")
    })?;
    let digest = Sha256::digest(key.as_bytes()).into();
    Ok((Secret { digest, prefix: key.chars().take(PREFIX_CHARACTERS).collect(), until: None }, key))
}

fn shown_once(key: String) -> Map<String, Value> {
    Map::from_iter([("key".to_owned(), json!(key))])
}

/// Gives the key in the path a new secret.
pub(super) async fn rotate(call: Call) -> Result<Response, Refusal> {
    visible::<Key>(&call)?;
    rotate_key(&call, &call.name, |_| Ok(())).await
}

/// Gives a key a new secret, if nothing stands against it.
pub(super) async fn rotate_key(
    call: &Call,
    name: &str,
    check: impl Fn(&Key) -> Result<(), Refusal> + Send + Sync,
) -> Result<Response, Refusal> {
    let Rotation { grace_seconds } = call.body()?;
    if grace_seconds > GRACE {
        let message = format!("must be at most {GRACE}, which is 30 days");
        return Err(Refusal::new(Reason::Malformed, "invalid_body", message).of_field("grace_seconds"));
    }
    let (secret, key) = new_secret(&call.policy)?;
    let changed = change::<Key>(call, Action::Rotate, name, |before| {
        let mut after =
            before.ok_or_else(|| Refusal::not_found(crate::directory::log::Kind::Key, name))?.clone();
        check(&after)?;
        let end = now().saturating_add(grace_seconds);
        // A key has two secrets at most: whoever rotates again within the grace period ends it.
        after.secrets.retain(|secret| secret.until.is_none() && grace_seconds > 0);
        after.secrets.iter_mut().for_each(|secret| secret.until = Some(end));
        after.secrets.push(secret.clone());
        Ok(Some(after))
    })
    .await?;
    answer_with(call, changed, shown_once(key), StatusCode::OK).await
}

/// Blocks the key in the path, or ends that.
pub(super) async fn block(call: Call, blocked: bool) -> Result<Response, Refusal> {
    visible::<Key>(&call)?;
    let action = if blocked { Action::Block } else { Action::Unblock };
    let changed = change::<Key>(&call, action, &call.name, |before| {
        let before =
            before.ok_or_else(|| Refusal::not_found(crate::directory::log::Kind::Key, &call.name))?;
        Ok(Some(Key { blocked, ..before.clone() }))
    })
    .await?;
    answer_with(&call, changed, Map::new(), StatusCode::OK).await
}
