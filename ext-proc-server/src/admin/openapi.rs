//! The OpenAPI document, made of the table that is served and of the types that are read and written.

use super::access::Role;
use super::answer::ErrorBody;
use super::audit::Change;
use super::cache::{Feedback, Purged};
use super::keys::{KeyForm, KeyState, Rotation};
use super::routes::{Body, Route, Values};
use super::standings::Standing;
use crate::directory::bounds;
use crate::policy::identity::{Organization, Team, User};
use crate::policy::limit::Limit;
use crate::record::spend::{Group, Sums};
use axum::http::Method;
use serde_json::{Map, Value, json};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// Where it is, below `/admin/v1`.
pub(super) const PATH: &str = "/openapi.json";

/// The document.
pub(super) fn document(routes: &[Route]) -> Value {
    let mut paths = Map::new();
    for route in routes {
        let item = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Some(item) = item.as_object_mut() {
            item.insert(route.method.as_str().to_ascii_lowercase(), operation(route));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Weirgate admin API",
            "version": "1",
            "description": "Organizations, teams, users, virtual keys and limits; how limits stand, what was spent, and who changed what.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/admin/v1"}],
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "The key of an admin; for /me also a virtual key."}},
            "schemas": schemas(),
        },
    })
}

fn operation(route: &Route) -> Value {
    let mut operation = Map::new();
    let tag = route.path.trim_start_matches('/').split('/').next().unwrap_or_default();
    let roles: Vec<&str> = route.roles.iter().copied().map(Role::as_str).collect();
    operation.insert("operationId".to_owned(), json!(route.id));
    operation.insert("summary".to_owned(), json!(route.summary));
    operation.insert("description".to_owned(), json!(format!("For: {}.", roles.join(", "))));
    operation.insert("tags".to_owned(), json!([tag]));
    let mut parameters: Vec<Value> = route.query.iter().map(parameter).collect();
    if route.path.contains("{name}") {
        parameters.push(json!({"name": "name", "in": "path", "required": true, "description": "Its name, percent-encoded.", "schema": {"type": "string", "minLength": 1}}));
    }
    if !parameters.is_empty() {
        operation.insert("parameters".to_owned(), json!(parameters));
    }
    let body = |name: &str, required: bool, types: &[&str]| {
        let content: Map<String, Value> =
            types.iter().map(|media| ((*media).to_owned(), json!({"schema": reference(name)}))).collect();
        json!({"required": required, "content": content})
    };
    let body = match &route.body {
        Body::None => None,
        Body::Json(name) => Some(body(name, true, &["application/json"])),
        Body::Optional(name) => Some(body(name, false, &["application/json"])),
        Body::Patch(name) => Some(body(name, true, &["application/merge-patch+json", "application/json"])),
    };
    if let Some(body) = body {
        operation.insert("requestBody".to_owned(), body);
    }
    operation.insert("responses".to_owned(), responses(route));
    Value::Object(operation)
}

fn parameter(parameter: &super::routes::Parameter) -> Value {
    let mut described = json!({"name": parameter.name, "in": "query", "description": parameter.about});
    let schema = match &parameter.values {
        Values::Text => json!({"type": "string", "minLength": 1}),
        Values::Count { most } => json!({"type": "integer", "minimum": 1, "maximum": most}),
        Values::Day => json!({"type": "string", "format": "date"}),
        Values::One(choices) => json!({"type": "string", "enum": choices}),
        Values::Several(choices) => {
            json!({"type": "array", "minItems": 1, "uniqueItems": true, "items": {"type": "string", "enum": choices}})
        }
    };
    if let (Some(fields), Values::Several(_)) = (described.as_object_mut(), &parameter.values) {
        fields.insert("explode".to_owned(), json!(false));
    }
    if let Some(fields) = described.as_object_mut() {
        fields.insert("schema".to_owned(), schema);
    }
    described
}

fn responses(route: &Route) -> Value {
    let mut responses = Map::new();
    let (status, schema) = &route.answer;
    let mut success = json!({"description": "Done"});
    if let (Some(fields), Some(schema)) = (success.as_object_mut(), schema) {
        let mut content = json!({"application/json": {"schema": reference(schema)}});
        if let (Some(content), true) = (content.as_object_mut(), route.id == "get_spend") {
            content.insert("text/csv".to_owned(), json!({"schema": {"type": "string"}}));
        }
        fields.insert("content".to_owned(), content);
    }
    responses.insert(status.to_string(), success);
    let mut refusals = vec![400, 401, 403, 503];
    refusals.extend(route.refusals);
    if route.path.contains("{name}") {
        refusals.push(404);
    }
    if route.method != Method::GET {
        refusals.push(409);
    }
    if !matches!(route.body, Body::None) {
        refusals.extend([413, 415, 422]);
    }
    for status in refusals {
        let mut refusal = json!({"description": meaning(status), "content": {"application/json": {"schema": reference("ErrorBody")}}});
        if let (Some(fields), 401) = (refusal.as_object_mut(), status) {
            let header = json!({"WWW-Authenticate": {"description": "Bearer", "required": true, "schema": {"type": "string"}}});
            fields.insert("headers".to_owned(), header);
        }
        responses.insert(status.to_string(), refusal);
    }
    Value::Object(responses)
}

fn meaning(status: u16) -> &'static str {
    match status {
        400 => "The request cannot be understood",
        401 => "No key, or one that is not known",
        403 => "The role may not do this, or no admin is configured",
        404 => "There is no such thing, or it is not for this role to see",
        409 => {
            "It contradicts what there is: the name is taken, something refers to it, or weirgate.yaml has it"
        }
        413 => "The body is over 1 MiB",
        415 => "The body is not JSON by its content-type",
        422 => {
            "It is understood, and makes no sense: a name that refers to nothing, or fields that contradict each other"
        }
        _ => "It cannot be done at the moment",
    }
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// Adds a type, and all that it is made of.
fn add<T: ToSchema>(schemas: &mut Map<String, Value>) {
    let mut parts: Vec<(String, RefOr<Schema>)> = vec![(T::name().into_owned(), T::schema())];
    T::schemas(&mut parts);
    for (name, schema) in parts {
        schemas.insert(name, serde_json::to_value(schema).unwrap_or_default());
    }
}

fn schemas() -> Value {
    let mut schemas = Map::new();
    add::<Organization>(&mut schemas);
    add::<Team>(&mut schemas);
    add::<User>(&mut schemas);
    add::<Limit>(&mut schemas);
    add::<KeyForm>(&mut schemas);
    add::<KeyState>(&mut schemas);
    add::<Rotation>(&mut schemas);
    add::<Feedback>(&mut schemas);
    add::<Purged>(&mut schemas);
    add::<Standing>(&mut schemas);
    add::<Change>(&mut schemas);
    add::<ErrorBody>(&mut schemas);
    closed(schemas.get_mut("StoreFailure"));
    if let Some(form) = schemas.remove("KeyForm") {
        schemas.insert("Key".to_owned(), form);
    }
    for name in ["Organization", "Team", "User", "Limit", "Only", "Downgrade", "Key"] {
        bound(schemas.get_mut(name));
    }
    let source = json!({"type": "string", "enum": ["file", "api"], "description": "Where it is from; what is from weirgate.yaml can only be changed there."});
    for name in ["Organization", "Team", "User", "Limit", "Key"] {
        let Some(form) = schemas.get(name).cloned() else { continue };
        let mut more = Map::from_iter([("source".to_owned(), source.clone())]);
        if name == "Key" {
            let state = schemas.remove("KeyState").unwrap_or_default();
            more.extend(state.get("properties").and_then(Value::as_object).cloned().unwrap_or_default());
        }
        let view = view(&form, more);
        if name == "Key" {
            let key = json!({"type": "string", "description": "The key itself. It is shown this once."});
            schemas.insert("NewKey".to_owned(), with(&view, Map::from_iter([("key".to_owned(), key)])));
        }
        schemas.insert(format!("{name}View"), view);
        schemas.insert(format!("{name}Patch"), patch(&form));
        schemas.insert(format!("{name}List"), list(reference(&format!("{name}View"))));
    }
    schemas.insert("StandingList".to_owned(), list(reference("Standing")));
    schemas.insert("AuditList".to_owned(), list(reference("Change")));
    schemas.insert("Spend".to_owned(), spend());
    schemas.insert("Me".to_owned(), me());
    Value::Object(schemas)
}

/// Says how long the lists and texts of a form may be.
fn bound(form: Option<&mut Value>) {
    let properties = form.and_then(|form| form.get_mut("properties")).and_then(Value::as_object_mut);
    for (name, schema) in properties.into_iter().flatten() {
        let Some(fields) = schema.as_object_mut() else { continue };
        if name == "metadata" {
            fields.insert("maxProperties".to_owned(), json!(bounds::METADATA));
            let names = json!({"minLength": 1, "maxLength": bounds::METADATA_NAME});
            fields.insert("propertyNames".to_owned(), names);
            let values = json!({"type": "string", "maxLength": bounds::METADATA_VALUE});
            fields.insert("additionalProperties".to_owned(), values);
        }
        bound_text(fields);
        if let Some(items) = fields.get_mut("items") {
            if let Some(items) = items.as_object_mut() {
                bound_text(items);
            }
            fields.insert("maxItems".to_owned(), json!(bounds::items(name)));
        }
    }
}

/// Says how long a text may be whose form says nothing.
fn bound_text(schema: &mut Map<String, Value>) {
    let is_text = match schema.get("type") {
        Some(Value::Array(types)) => types.contains(&json!("string")),
        kind => kind == Some(&json!("string")),
    };
    if is_text && !schema.contains_key("enum") {
        schema.insert("maxLength".to_owned(), json!(bounds::TEXT_BYTES));
    }
}

/// A choice between forms: an object among them has its own fields and no others.
fn closed(choice: Option<&mut Value>) {
    let forms = choice.and_then(|choice| choice.get_mut("oneOf")).and_then(Value::as_array_mut);
    for form in forms.into_iter().flatten().filter_map(Value::as_object_mut) {
        if form.contains_key("properties") {
            form.insert("additionalProperties".to_owned(), json!(false));
        }
    }
}

/// What is shown: the form, whose names may also be those of the file, and more.
fn view(form: &Value, more: Map<String, Value>) -> Value {
    let mut view = with(form, more);
    if let Some(fields) = view.as_object_mut() {
        fields.remove("additionalProperties");
    }
    if let Some(name) = view.pointer_mut("/properties/name") {
        *name = json!({"type": "string"});
    }
    view
}

/// The same with more fields, all of which are always there.
fn with(schema: &Value, more: Map<String, Value>) -> Value {
    let mut schema = schema.clone();
    let names: Vec<Value> = more.keys().map(|name| json!(name)).collect();
    if let Some(properties) = schema.pointer_mut("/properties").and_then(Value::as_object_mut) {
        properties.extend(more);
    }
    if let Some(required) = schema.pointer_mut("/required").and_then(Value::as_array_mut) {
        required.extend(names);
    }
    schema
}

/// What may be changed: everything but the name, and what has a default may be null.
fn patch(form: &Value) -> Value {
    let required: Vec<&str> = form
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let mut properties = form.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    properties.remove("name");
    if let Some(metadata) = properties.get_mut("metadata").and_then(Value::as_object_mut) {
        // What is null is taken away, however much of it there is.
        metadata.remove("maxProperties");
        metadata.remove("propertyNames");
        let values = json!({"type": ["string", "null"], "maxLength": bounds::METADATA_VALUE});
        metadata.insert("additionalProperties".to_owned(), values);
    }
    for (name, schema) in &mut properties {
        if !required.contains(&name.as_str()) {
            *schema = json!({"anyOf": [schema.clone(), {"type": "null"}]});
        }
    }
    json!({"type": "object", "properties": properties, "additionalProperties": false})
}

fn list(item: Value) -> Value {
    json!({
        "type": "object",
        "required": ["items", "next_cursor"],
        "properties": {
            "items": {"type": "array", "items": item},
            "next_cursor": {"type": ["string", "null"], "description": "The cursor of the next page; null: there is none."},
        },
    })
}

fn spend() -> Value {
    let sums = serde_json::to_value(Sums::schema()).unwrap_or_default();
    let groups: Map<String, Value> =
        Group::ALL.iter().map(|(name, _)| ((*name).to_owned(), json!({"type": "string"}))).collect();
    let mut row = sums;
    if let Some(properties) = row.pointer_mut("/properties").and_then(Value::as_object_mut) {
        properties.extend(groups);
    }
    json!({
        "type": "object",
        "required": ["from", "to", "group_by", "rows"],
        "properties": {
            "from": {"type": ["string", "null"]},
            "to": {"type": ["string", "null"]},
            "group_by": {"type": "array", "items": {"type": "string"}},
            "rows": {"type": "array", "items": row},
        },
    })
}

fn me() -> Value {
    json!({
        "type": "object",
        "required": ["role", "name", "team", "key"],
        "properties": {
            "role": {"type": "string", "enum": ["admin", "viewer", "team_admin", "key_owner"]},
            "name": {"type": "string"},
            "team": {"type": ["string", "null"]},
            "key": {"anyOf": [reference("KeyView"), {"type": "null"}]},
        },
    })
}
