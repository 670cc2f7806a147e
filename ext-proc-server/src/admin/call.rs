//! One request of the admin API, read and checked by what its route says.

use super::access::{Caller, Role};
use super::routes::{Body, Parameter, Route, Values};
use crate::directory::refusal::{Reason, Refusal};
use crate::gateway::Gateway;
use crate::policy::Policy;
use axum::RequestPartsExt;
use axum::body::{Bytes, to_bytes};
use axum::extract::{ConnectInfo, Query, RawPathParams, Request};
use axum::http::header;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

/// The largest body, in bytes.
pub(super) const BODY: usize = 1 << 20;

/// A request.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) gateway: Arc<Gateway>,
    /// What was in force when it came.
    pub(super) policy: Arc<Policy>,
    /// Who sends it.
    pub(super) caller: Caller,
    /// The name in its path; empty: the path has none.
    pub(super) name: String,
    query: BTreeMap<&'static str, String>,
    body: Bytes,
}

impl Call {
    /// Reads a request: first who sends it, and what they may not ask for is not looked at any further.
    pub(super) async fn read(
        route: &Route,
        gateway: Arc<Gateway>,
        request: Request,
    ) -> Result<Self, Refusal> {
        let (mut parts, body) = request.into_parts();
        let policy = gateway.policy.load_full();
        let caller = caller(&policy, route, &parts)?;
        let name = name(&mut parts).await?;
        let query = query(&route.query, &parts)?;
        let body = match route.body {
            Body::None => Bytes::new(),
            Body::Json(_) | Body::Patch(_) | Body::Optional(_) => {
                let body = to_bytes(body, BODY).await.map_err(|_| too_large())?;
                let optional = matches!(route.body, Body::Optional(_)) && body.is_empty();
                if !optional {
                    content_type(&parts, matches!(route.body, Body::Patch(_)))?;
                }
                body
            }
        };
        Ok(Self { gateway, policy, caller, name, query, body })
    }

    /// A parameter of the query.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    /// A parameter that is a number.
    pub(super) fn count(&self, name: &str) -> Option<u64> {
        self.get(name).and_then(|text| text.parse().ok())
    }

    /// How many items are asked for.
    pub(super) fn limit(&self) -> usize {
        self.count("limit").and_then(|limit| usize::try_from(limit).ok()).unwrap_or(100)
    }

    /// The body as what it is to be; an empty one, where the route allows it, is its default.
    pub(super) fn body<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        let text: &[u8] = if self.body.is_empty() { b"{}" } else { &self.body };
        let mut reader = serde_json::Deserializer::from_slice(text);
        // Broken JSON is told by its place, anything else by its field.
        let value: serde_json::Value = serde::Deserialize::deserialize(&mut reader).map_err(broken)?;
        reader.end().map_err(broken)?;
        typed(value)
    }
}

/// A JSON value as what it is to be.
pub(super) fn typed<T: DeserializeOwned>(mut value: serde_json::Value) -> Result<T, Refusal> {
    whole(&mut value);
    if let Some(field) = list_for_object("", &value) {
        let refusal = Refusal::new(Reason::Malformed, "invalid_body", "must be an object of fields");
        return Err(if field.is_empty() { refusal } else { refusal.of_field(field) });
    }
    let shown = value.clone();
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let field = (path != ".").then_some(path);
        let reason = error.into_inner().to_string();
        // These texts have a grammar of their own: they have the right type, and may mean nothing.
        let text = field.as_ref().is_some_and(|field| {
            let last = field.rsplit('.').next().unwrap_or_default();
            (last == "window" || last.starts_with("networks["))
                && pointed(&shown, field).is_some_and(|value| value.is_string())
        });
        let refusal = if text {
            Refusal::new(Reason::Invalid, "invalid_value", reason)
        } else {
            Refusal::new(Reason::Malformed, "invalid_body", reason)
        };
        match field {
            Some(field) => refusal.of_field(field),
            None => refusal,
        }
    })
}

/// Where something stands that is no object and ought to be one. A list of values in the order of the fields would be read as
/// if they had names.
fn list_for_object(path: &str, value: &serde_json::Value) -> Option<String> {
    let Some(fields) = value.as_object() else { return Some(path.to_owned()) };
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    for name in ["only", "downgrade"] {
        let inner = fields.get(name).filter(|inner| inner.is_array());
        if inner.is_some() {
            return Some(below(name));
        }
    }
    let limits = fields.get("limits").and_then(serde_json::Value::as_array);
    let mut limits = limits.into_iter().flatten().enumerate();
    limits.find_map(|(index, limit)| list_for_object(&below(&format!("limits[{index}]")), limit))
}

/// Writes `5.0` as `5`: a number without a fraction is an integer, however a client writes it.
fn whole(value: &mut serde_json::Value) {
    /// The largest integer below which a double has all of them.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value {
        serde_json::Value::Array(values) => values.iter_mut().for_each(whole),
        serde_json::Value::Object(fields) => fields.values_mut().for_each(whole),
        serde_json::Value::Number(number) => {
            let exact = number
                .as_f64()
                .filter(|float| number.is_f64() && float.fract() == 0.0 && float.abs() < EXACT);
            if let Some(float) = exact {
                *value = serde_json::Value::from(float as i64);
            }
        }
        _ => {}
    }
}

/// The value at a path such as `limits[0].window`.
fn pointed<'v>(value: &'v serde_json::Value, path: &str) -> Option<&'v serde_json::Value> {
    let pointer: String =
        path.split(['.', '[']).map(|part| format!("/{}", part.trim_end_matches(']'))).collect();
    value.pointer(&pointer)
}

fn broken(error: serde_json::Error) -> Refusal {
    Refusal::new(Reason::Malformed, "invalid_json", error.to_string())
}

fn too_large() -> Refusal {
    Refusal::new(Reason::TooLarge, "body_too_large", format!("the body is over {BODY} bytes"))
}

fn caller(policy: &Policy, route: &Route, parts: &Parts) -> Result<Caller, Refusal> {
    let for_owners = route.roles.contains(&Role::KeyOwner);
    if policy.config().admins.is_empty() && !for_owners {
        let message = "no admin is configured: add one to admins in weirgate.yaml";
        return Err(Refusal::new(Reason::Forbidden, "no_admins", message));
    }
    let source = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let caller = Caller::of(policy, &parts.headers, source)?;
    if route.roles.contains(&caller.role) {
        return Ok(caller);
    }
    Err(Refusal::forbidden(format!("the role {} may not do this", caller.role.as_str())))
}

async fn name(parts: &mut Parts) -> Result<String, Refusal> {
    let Ok(params) = parts.extract::<RawPathParams>().await else {
        return Err(Refusal::new(Reason::NotFound, "not_found", "the name in the path is no text"));
    };
    Ok(params.iter().next().map(|(_, value)| value.to_owned()).unwrap_or_default())
}

fn query(known: &[Parameter], parts: &Parts) -> Result<BTreeMap<&'static str, String>, Refusal> {
    let malformed = |name: &str, message: String| {
        Err(Refusal::new(Reason::Malformed, "invalid_parameter", message).of_field(name))
    };
    let Ok(Query(given)) = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri) else {
        return Err(Refusal::new(Reason::Malformed, "invalid_parameter", "the query cannot be read"));
    };
    let mut query = BTreeMap::new();
    for (name, value) in given {
        let Some(parameter) = known.iter().find(|known| known.name == name) else {
            let message =
                crate::config::document::unknown("parameter", &name, known.iter().map(|known| known.name));
            return malformed(&name, message);
        };
        if let Some(problem) = parameter.values.problem(&value) {
            return malformed(&name, problem);
        }
        if query.insert(parameter.name, value).is_some() {
            return malformed(&name, "is given twice".to_owned());
        }
    }
    Ok(query)
}

fn content_type(parts: &Parts, patch: bool) -> Result<(), Refusal> {
    let given =
        parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match media.as_str() {
        "application/json" => Ok(()),
        "application/merge-patch+json" if patch => Ok(()),
        _ => Err(Refusal::new(
            Reason::MediaType,
            "unsupported_media_type",
            "the body must be application/json",
        )),
    }
}

impl Values {
    /// What is wrong with a value, if anything is.
    fn problem(&self, value: &str) -> Option<String> {
        match self {
            Self::Text if value.is_empty() => Some("must not be empty".to_owned()),
            Self::Text => None,
            Self::Count { most } => {
                let good = value.bytes().all(|byte| byte.is_ascii_digit())
                    && value.parse::<u64>().is_ok_and(|count| (1..=*most).contains(&count));
                (!good).then(|| format!("must be a whole number from 1 to {most}"))
            }
            Self::Day => value.parse::<crate::store::Date>().err(),
            Self::One(choices) => unlisted(choices, value),
            Self::Several(choices) => {
                let given: Vec<&str> = value.split(',').collect();
                let again = given
                    .iter()
                    .enumerate()
                    .any(|(index, name)| given.iter().take(index).any(|other| other == name));
                let unknown = given.iter().find_map(|name| unlisted(choices, name));
                unknown.or_else(|| again.then(|| "a name is given twice".to_owned()))
            }
        }
    }
}

fn unlisted(choices: &[&'static str], value: &str) -> Option<String> {
    let known = choices.contains(&value);
    (!known).then(|| crate::config::document::unknown("value", value, choices.iter().copied()))
}
