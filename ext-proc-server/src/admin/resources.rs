//! List, make, show, change and delete: the same for everything that is managed.

use super::access::Caller;
use super::answer;
use super::call::{Call, typed};
use crate::cache::store::Which;
use crate::directory::log::{Action, Kind};
use crate::directory::refusal::{Reason, Refusal};
use crate::directory::{Changed, Resource};
use crate::gateway::Gateway;
use crate::policy::Policy;
use crate::policy::identity::{Directory, Organization, Team, User};
use crate::policy::limit::Limit;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::ops::Bound;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// What the API needs to know of a resource.
#[tonic::async_trait]
pub(super) trait ApiResource: Resource {
    /// What clients write: all that they may set.
    type Form: Serialize + DeserializeOwned + ToSchema + Send;

    /// The name of the form in the document.
    const SCHEMA: &'static str;

    /// Parameters that leave out of a list what has another value.
    const FILTERS: &'static [&'static str] = &[];

    /// What was written.
    fn form(&self) -> Self::Form;

    /// What is to be, of what was written and of what there is.
    fn from_form(form: Self::Form, before: Option<&Self>) -> Result<Self, Refusal>;

    /// The value that a filter looks at.
    fn filtered(&self, _directory: &Directory, _filter: &str) -> Option<String> {
        None
    }

    /// The team whose it is.
    fn team<'d>(&'d self, _directory: &'d Directory) -> Option<&'d str> {
        None
    }

    /// What a team's admin may not make of it, though it is the team's.
    fn beyond_team(&self, _before: Option<&Self>, _team: &str, _directory: &Directory) -> Option<Refusal> {
        None
    }

    /// What nobody may have written, and the API makes; and what is answered besides, once.
    fn complete(&mut self, _policy: &Policy) -> Result<Map<String, Value>, Refusal> {
        Ok(Map::new())
    }

    /// What is shown of some of them.
    async fn views(gateway: &Gateway, policy: &Policy, resources: Vec<Self>) -> Result<Vec<Value>, Refusal> {
        let _ = gateway;
        Ok(resources.iter().map(|resource| view(policy, resource)).collect())
    }
}

/// What is shown of any resource: what was written, and where it is from.
pub(super) fn view<R: ApiResource>(policy: &Policy, resource: &R) -> Value {
    let mut view = serde_json::to_value(resource.form()).unwrap_or_default();
    let in_file = R::all(&policy.config().directory).contains_key(resource.name());
    if let Some(fields) = view.as_object_mut() {
        fields.insert("source".to_owned(), json!(if in_file { "file" } else { "api" }));
    }
    view
}

pub(super) async fn one_view<R: ApiResource>(
    gateway: &Gateway,
    policy: &Policy,
    resource: R,
) -> Result<Value, Refusal> {
    Ok(R::views(gateway, policy, vec![resource]).await?.pop().unwrap_or_default())
}

/// A page of those that the caller sees.
pub(super) async fn list<R: ApiResource>(call: Call) -> Result<Response, Refusal> {
    let directory = call.policy.directory();
    let start = call.get("cursor").map_or(Bound::Unbounded, Bound::Excluded);
    let wanted = |resource: &R| {
        call.caller.sees(resource.team(directory))
            && R::FILTERS.iter().all(|filter| {
                call.get(filter)
                    .is_none_or(|value| resource.filtered(directory, filter).as_deref() == Some(value))
            })
    };
    let limit = call.limit();
    let mut found =
        R::all(directory).range::<str, _>((start, Bound::Unbounded)).map(|(_, resource)| resource);
    let page: Vec<R> = found.by_ref().filter(|resource| wanted(resource)).take(limit).cloned().collect();
    let more = found.any(wanted);
    let next = page.last().filter(|_| more).map(|resource| resource.name().to_owned());
    let items = R::views(&call.gateway, &call.policy, page).await?;
    Ok(answer::json(StatusCode::OK, &json!({"items": items, "next_cursor": next})))
}

/// One, if the caller sees it.
pub(super) async fn get<R: ApiResource>(call: Call) -> Result<Response, Refusal> {
    let resource = visible::<R>(&call)?.clone();
    Ok(answer::json(StatusCode::OK, &one_view(&call.gateway, &call.policy, resource).await?))
}

/// A new one.
pub(super) async fn create<R: ApiResource>(call: Call) -> Result<Response, Refusal> {
    let mut new = R::from_form(call.body()?, None)?;
    let once = new.complete(&call.policy)?;
    let name = new.name().to_owned();
    let changed = change::<R>(&call, Action::Create, &name, |_| Ok(Some(new.clone()))).await;
    // Names are one for all teams, and a team's admin does not see what others have.
    let changed = changed.map_err(|refusal| match (&call.caller.team, refusal.code) {
        (Some(_), "already_exists") => Refusal::unavailable_name(),
        _ => refusal,
    })?;
    answer_with(&call, changed, once, StatusCode::CREATED).await
}

/// Changes what is given of one.
pub(super) async fn update<R: ApiResource>(call: Call) -> Result<Response, Refusal> {
    let patch: Map<String, Value> = call.body()?;
    let known = fields::<R>();
    for field in patch.keys() {
        if field == "name" {
            return Err(
                Refusal::new(Reason::Malformed, "invalid_body", "a name cannot be changed").of_field("name")
            );
        }
        if !known.contains(field) {
            let message = crate::config::document::unknown("field", field, known.iter().map(String::as_str));
            return Err(Refusal::new(Reason::Malformed, "invalid_body", message).of_field(field));
        }
    }
    visible::<R>(&call)?;
    let changed = change::<R>(&call, Action::Update, &call.name, |before| {
        let before = before.ok_or_else(|| Refusal::not_found(R::KIND, &call.name))?;
        let mut form = serde_json::to_value(before.form()).unwrap_or_default();
        merge(&mut form, Value::Object(patch.clone()));
        R::from_form(typed(form)?, Some(before)).map(Some)
    })
    .await?;
    answer_with(&call, changed, Map::new(), StatusCode::OK).await
}

/// Deletes one.
pub(super) async fn remove<R: ApiResource>(call: Call) -> Result<Response, Refusal> {
    visible::<R>(&call)?;
    change::<R>(&call, Action::Delete, &call.name, |before| match before {
        Some(_) => Ok(None),
        None => Err(Refusal::not_found(R::KIND, &call.name)),
    })
    .await?;
    forget_answers(&call, &format!("{}:{}", R::KIND, call.name)).await;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Forgets the cached answers of somebody who is no more: whoever gets the name next is somebody else.
async fn forget_answers(call: &Call, scope: &str) {
    let Some(cache) = &call.gateway.cache else { return };
    let which = Which { scope: Some(scope.to_owned()), ..Which::default() };
    if let Err(error) = cache.purge(&which).await {
        tracing::error!(%error, scope, "cached answers of who was deleted could not be forgotten");
    }
}

/// Makes a change, if the caller may.
pub(super) async fn change<R: ApiResource>(
    call: &Call,
    action: Action,
    name: &str,
    decide: impl Fn(Option<&R>) -> Result<Option<R>, Refusal> + Send + Sync,
) -> Result<Changed<R>, Refusal> {
    let (gateway, caller) = (&call.gateway, &call.caller);
    gateway
        .managed
        .change(&gateway.policy, &caller.actor(), action, name, |world, before| {
            let after = decide(before)?;
            allowed(caller, world.directory, before, after.as_ref())?;
            Ok(after)
        })
        .await
}

/// Answers with what there is after a change.
pub(super) async fn answer_with<R: ApiResource>(
    call: &Call,
    changed: Changed<R>,
    once: Map<String, Value>,
    status: StatusCode,
) -> Result<Response, Refusal> {
    let Some(after) = changed.after else { return Ok(StatusCode::NO_CONTENT.into_response()) };
    let mut view = one_view(&call.gateway, &changed.policy, after).await?;
    if let Some(fields) = view.as_object_mut() {
        fields.extend(once);
    }
    Ok(answer::json(status, &view))
}

/// What the path names, if the caller sees it.
pub(super) fn visible<R: ApiResource>(call: &Call) -> Result<&R, Refusal> {
    let directory = call.policy.directory();
    let found = R::all(directory).get(&call.name);
    let seen = found.filter(|resource| call.caller.sees(resource.team(directory)));
    seen.ok_or_else(|| Refusal::not_found(R::KIND, &call.name))
}

/// A team's admin changes only what is the team's, and makes nothing of it that is not.
fn allowed<R: ApiResource>(
    caller: &Caller,
    directory: &Directory,
    before: Option<&R>,
    after: Option<&R>,
) -> Result<(), Refusal> {
    let Some(own) = &caller.team else { return Ok(()) };
    if before.is_some_and(|before| !caller.sees(before.team(directory))) {
        let name = before.map(Resource::name).unwrap_or_default();
        return Err(Refusal::not_found(R::KIND, name));
    }
    let Some(after) = after else {
        // The name of another team's key is not for this one to know.
        let referrer = before.and_then(|before| R::referrer(directory, before.name()));
        let key =
            referrer.filter(|(kind, _)| *kind == Kind::Key).and_then(|(_, key)| directory.keys.get(&key));
        let foreign = key.is_some_and(|key| !caller.sees(key.team(directory)));
        let name = before.map(Resource::name).unwrap_or_default();
        return if foreign { Err(Refusal::in_use(R::KIND, name, "a key of another team")) } else { Ok(()) };
    };
    if !caller.sees(after.team(directory)) {
        return Err(Refusal::forbidden(format!("it must be of the team \"{own}\"")).of_field("team"));
    }
    after.beyond_team(before, own, directory).map_or(Ok(()), Err)
}

/// The names of what clients may write.
fn fields<R: ApiResource>() -> Vec<String> {
    match R::Form::schema() {
        RefOr::T(Schema::Object(object)) => object.properties.keys().cloned().collect(),
        _ => Vec::new(),
    }
}

/// A JSON merge patch (RFC 7396, section 2).
fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(fields) = target.as_object_mut() else { return };
    for (name, value) in patch {
        match value {
            Value::Null => {
                fields.remove(&name);
            }
            value => merge(fields.entry(name).or_insert(Value::Null), value),
        }
    }
}

/// Clients write all there is of it.
macro_rules! written_as_it_is {
    () => {
        type Form = Self;

        fn form(&self) -> Self {
            self.clone()
        }

        fn from_form(form: Self, _: Option<&Self>) -> Result<Self, Refusal> {
            Ok(form)
        }
    };
}

#[tonic::async_trait]
impl ApiResource for Organization {
    written_as_it_is!();
    const SCHEMA: &'static str = "Organization";
}

#[tonic::async_trait]
impl ApiResource for Team {
    written_as_it_is!();
    const SCHEMA: &'static str = "Team";
    const FILTERS: &'static [&'static str] = &["organization"];

    fn filtered(&self, _: &Directory, _: &str) -> Option<String> {
        self.organization.clone()
    }

    fn team<'d>(&'d self, _: &'d Directory) -> Option<&'d str> {
        Some(&self.name)
    }
}

#[tonic::async_trait]
impl ApiResource for User {
    written_as_it_is!();
    const SCHEMA: &'static str = "User";
    const FILTERS: &'static [&'static str] = &["team"];

    fn filtered(&self, _: &Directory, _: &str) -> Option<String> {
        self.team.clone()
    }

    fn team<'d>(&'d self, _: &'d Directory) -> Option<&'d str> {
        self.team.as_deref()
    }
}

#[tonic::async_trait]
impl ApiResource for Limit {
    written_as_it_is!();
    const SCHEMA: &'static str = "Limit";
}

/// Why a user may not be who has a key, as far as a team's admin is concerned, who is not told whether others know the user.
pub(super) fn stranger(
    key: &crate::policy::identity::Key,
    team: &str,
    directory: &Directory,
) -> Option<Refusal> {
    let user = directory.users.get(key.user.as_ref()?);
    let stranger = user.is_none_or(|user| user.team.as_deref() != Some(team));
    stranger.then(|| Refusal::forbidden(format!("the user must be of the team \"{team}\"")).of_field("user"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merge_patches_as_the_rfc_has_them() {
        for (target, patch, merged) in [
            (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"a":null}"#, "{}"),
            (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#),
            (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#),
            ("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
        ] {
            let mut value = serde_json::from_str(target).unwrap();
            merge(&mut value, serde_json::from_str(patch).unwrap());
            assert_eq!(value.to_string(), merged, "{target} and {patch}");
        }
    }
}
