use super::*;
use crate::config::read;
use crate::policy::Policy;
use crate::record::line::Line;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};
use tower::ServiceExt;

const ADMIN: &str = "the-key-of-the-admin";
const VIEWER: &str = "the-key-of-the-viewer";
const RED: &str = "the-key-of-reds-admin";
const FILE_KEY: &str = "the-key-of-the-file";

const CONFIG: &str = r#"
store: {folder: none}
key_checksum: sixteen-characters-or-more
providers:
  openai: {dialect: openai}
  other: {dialect: openai, base_url: "http://127.0.0.1:1/v1"}
models:
  - {name: chat, deployments: [{provider: openai, model: gpt-4o}]}
  - {name: small, deployments: [{provider: other, model: gpt-4o-mini}]}
organizations: [{name: acme}]
teams: [{name: red, organization: acme}, {name: blue}]
users: [{name: bob, team: blue}]
keys: [{name: of-file, key: the-key-of-the-file, team: blue}]
admins:
  - {name: root, key: the-key-of-the-admin, role: admin}
  - {name: eve, key: the-key-of-the-viewer, role: viewer}
  - {name: rea, key: the-key-of-reds-admin, role: team_admin, team: red}
"#;

struct Api {
    gateway: Arc<Gateway>,
    router: Router,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {:?}", self.text))
    }

    fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
    }

    fn field(&self) -> String {
        self.json()["error"]["field"].as_str().unwrap_or_default().to_owned()
    }
}

impl Api {
    fn new() -> Self {
        Self::with(CONFIG)
    }

    fn with(config: &str) -> Self {
        let config = read(config, &BTreeMap::new()).unwrap_or_else(|problems| panic!("{problems:?}"));
        let gateway = Arc::new(Gateway::open(config).unwrap());
        Self { router: router(gateway.clone()), gateway }
    }

    async fn send(&self, key: &str, method: &str, path: &str, kind: Option<&str>, body: String) -> Answer {
        let mut request = Request::builder().method(Method::from_bytes(method.as_bytes()).unwrap()).uri(path);
        if !key.is_empty() {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        let response = self.router.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let text = String::from_utf8(to_bytes(body, 64 << 20).await.unwrap().to_vec()).unwrap();
        Answer { status: parts.status, headers: parts.headers, text }
    }

    async fn ask(&self, key: &str, method: &str, path: &str, body: Value) -> Answer {
        let (kind, body) = match body {
            Value::Null => (None, String::new()),
            body => (Some("application/json"), body.to_string()),
        };
        self.send(key, method, &format!("/admin/v1{path}"), kind, body).await
    }

    async fn good(&self, key: &str, method: &str, path: &str, body: Value) -> Value {
        let answer = self.ask(key, method, path, body).await;
        assert!(answer.status.is_success(), "{method} {path}: {} {}", answer.status, answer.text);
        if answer.text.is_empty() { Value::Null } else { answer.json() }
    }

    /// What a request is refused with: status, code and field.
    async fn refused(&self, key: &str, method: &str, path: &str, body: Value) -> (u16, String, String) {
        let answer = self.ask(key, method, path, body).await;
        (answer.status.as_u16(), answer.code(), answer.field())
    }

    fn policy(&self) -> Arc<Policy> {
        self.gateway.policy.load_full()
    }
}

fn refusal(status: u16, code: &str, field: &str) -> (u16, String, String) {
    (status, code.to_owned(), field.to_owned())
}

#[tokio::test]
async fn every_role_may_call_what_is_its_own_and_nothing_else() {
    let api = Api::new();
    let new = api.good(ADMIN, "POST", "/keys", json!({"name": "of-red", "team": "red"})).await;
    let owner = new["key"].as_str().unwrap().to_owned();
    api.good(ADMIN, "POST", "/users", json!({"name": "ann", "team": "red"})).await;
    // a: admin, v: viewer, t: team_admin, k: the owner of a key.
    let table = [
        ("GET", "/organizations", "av"),
        ("POST", "/organizations", "a"),
        ("GET", "/organizations/acme", "av"),
        ("PATCH", "/organizations/acme", "a"),
        ("DELETE", "/organizations/acme", "a"),
        ("GET", "/teams", "avt"),
        ("POST", "/teams", "a"),
        ("GET", "/teams/red", "avt"),
        ("PATCH", "/teams/red", "a"),
        ("DELETE", "/teams/red", "a"),
        ("GET", "/users", "avt"),
        ("POST", "/users", "at"),
        ("GET", "/users/ann", "avt"),
        ("PATCH", "/users/ann", "at"),
        ("DELETE", "/users/none", "at"),
        ("GET", "/keys", "avt"),
        ("POST", "/keys", "at"),
        ("GET", "/keys/of-red", "avt"),
        ("PATCH", "/keys/of-red", "at"),
        ("DELETE", "/keys/none", "at"),
        ("POST", "/keys/of-red/block", "at"),
        ("POST", "/keys/of-red/unblock", "at"),
        ("POST", "/keys/none/rotate", "at"),
        ("GET", "/limits", "av"),
        ("POST", "/limits", "a"),
        ("GET", "/limits/none", "av"),
        ("PATCH", "/limits/none", "a"),
        ("DELETE", "/limits/none", "a"),
        ("DELETE", "/cache", "a"),
        ("POST", "/cache/feedback", "a"),
        ("GET", "/standings", "avt"),
        ("GET", "/spend", "avt"),
        ("GET", "/audit", "a"),
        ("GET", "/me", "avtk"),
        ("POST", "/me/rotate", "k"),
    ];
    let in_table = |route: &Route| {
        let pattern: Vec<&str> = route.path.split('/').collect();
        table.iter().any(|(method, path, _)| {
            let parts: Vec<&str> = path.split('/').collect();
            *method == route.method.as_str()
                && parts.len() == pattern.len()
                && pattern.iter().zip(&parts).all(|(pattern, part)| *pattern == "{name}" || pattern == part)
        })
    };
    assert!(routes::all().iter().all(in_table), "a route is not in the table");
    assert_eq!(routes::all().len(), table.len());
    for (method, path, roles) in table {
        for (letter, key) in [('a', ADMIN), ('v', VIEWER), ('t', RED), ('k', &*owner)] {
            let answer = api.ask(key, method, path, Value::Null).await;
            let refused = answer.status == StatusCode::FORBIDDEN;
            assert_eq!(refused, !roles.contains(letter), "{method} {path} as {letter}: {}", answer.text);
        }
        for nobody in ["", "a-key-that-nobody-knows"] {
            let answer = api.ask(nobody, method, path, Value::Null).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path}");
            assert_eq!(answer.headers["www-authenticate"], "Bearer realm=\"weirgate\"");
        }
    }
}

#[tokio::test]
async fn without_admins_only_the_owners_of_keys_are_answered() {
    let api = Api::with(
        "store: {folder: none}\nproviders: {p: {dialect: openai}}\nkeys: [{name: k, key: the-key-of-the-file}]",
    );
    assert_eq!(api.refused(FILE_KEY, "GET", "/keys", Value::Null).await, refusal(403, "no_admins", ""));
    assert_eq!(api.refused("", "GET", "/keys", Value::Null).await, refusal(403, "no_admins", ""));
    let me = api.good(FILE_KEY, "GET", "/me", Value::Null).await;
    assert_eq!((&me["role"], &me["name"]), (&json!("key_owner"), &json!("k")));
    assert_eq!(api.send("", "GET", "/usage", None, String::new()).await.status, 200);
}

#[tokio::test]
async fn with_admins_usage_is_for_those_who_read() {
    let api = Api::new();
    for (key, status) in [("", 401), (FILE_KEY, 403), (RED, 403), (VIEWER, 200), (ADMIN, 200)] {
        assert_eq!(api.send(key, "GET", "/usage", None, String::new()).await.status, status, "{key}");
    }
    assert_eq!(api.send("", "GET", "/healthz", None, String::new()).await.status, 200);
    assert_eq!(api.send("", "GET", "/metrics", None, String::new()).await.status, 200);
}

#[tokio::test]
async fn a_key_is_shown_once_and_kept_as_a_hash() {
    let api = Api::new();
    let new = api.good(ADMIN, "POST", "/keys", json!({"name": "k", "team": "red"})).await;
    let key = new["key"].as_str().unwrap();
    assert_eq!(weirgate_keys::verify(key, b"sixteen-characters-or-more"), weirgate_keys::Form::Genuine);
    let digest = crate::policy::identity::hex(&<sha2::Sha256 as sha2::Digest>::digest(key.as_bytes()));
    for path in ["/keys", "/keys/k", "/audit"] {
        let answer = api.ask(ADMIN, "GET", path, Value::Null).await;
        assert!(!answer.text.contains(key) && !answer.text.contains(&digest), "{path}: {}", answer.text);
        assert!(answer.text.contains(&key[..12]), "{path}: {}", answer.text);
    }
    let shown = api.good(ADMIN, "GET", "/keys/k", Value::Null).await;
    assert_eq!(shown["status"], "active");
    assert_eq!(shown["principal"], json!({"user": null, "team": "red", "organization": "acme"}));
    assert_eq!(api.good(key, "GET", "/me", Value::Null).await["key"]["name"], "k");
}

#[tokio::test]
async fn rotating_leaves_the_old_secret_for_a_while_and_only_the_new_one_may_rotate() {
    let api = Api::new();
    let first =
        api.good(ADMIN, "POST", "/keys", json!({"name": "k"})).await["key"].as_str().unwrap().to_owned();
    let second = api.good(&first, "POST", "/me/rotate", json!({"grace_seconds": 60})).await;
    let second = second["key"].as_str().unwrap().to_owned();
    assert_eq!(api.ask(&first, "GET", "/me", Value::Null).await.status, 200, "in its grace period");
    assert_eq!(api.refused(&first, "POST", "/me/rotate", Value::Null).await, refusal(403, "forbidden", ""));
    let secrets = api.good(ADMIN, "GET", "/keys/k", Value::Null).await["secrets"].clone();
    assert_eq!((&secrets[0]["prefix"], &secrets[1]["prefix"]), (&json!(second[..12]), &json!(first[..12])));
    assert!(secrets[0]["until"].is_null() && secrets[1]["until"].is_string());
    let third = api.good(ADMIN, "POST", "/keys/k/rotate", Value::Null).await;
    for old in [&first, &second] {
        assert_eq!(api.ask(old, "GET", "/me", Value::Null).await.status, 401, "without a grace period");
    }
    assert_eq!(third["secrets"].as_array().unwrap().len(), 1);
    let long = json!({"grace_seconds": 2_592_001});
    assert_eq!(
        api.refused(ADMIN, "POST", "/keys/k/rotate", long).await,
        refusal(400, "invalid_body", "grace_seconds")
    );
}

#[tokio::test]
async fn a_key_is_blocked_expires_and_is_deleted() {
    let api = Api::new();
    let new = api.good(ADMIN, "POST", "/keys", json!({"name": "k"})).await;
    let key = new["key"].as_str().unwrap().to_owned();
    assert_eq!(api.good(ADMIN, "POST", "/keys/k/block", Value::Null).await["status"], "blocked");
    assert_eq!(api.ask(&key, "GET", "/me", Value::Null).await.status, 403);
    assert_eq!(api.good(ADMIN, "POST", "/keys/k/unblock", Value::Null).await["status"], "active");
    let ended = api.good(ADMIN, "PATCH", "/keys/k", json!({"expires_at": "2020-01-01T01:00:00+01:00"})).await;
    assert_eq!((&ended["status"], &ended["expires_at"]), (&json!("expired"), &json!("2020-01-01T00:00:00Z")));
    assert_eq!(api.ask(&key, "GET", "/me", Value::Null).await.status, 401);
    let again = api.good(ADMIN, "PATCH", "/keys/k", json!({"expires_at": null})).await;
    assert_eq!((&again["status"], again.get("expires_at")), (&json!("active"), None));
    api.good(ADMIN, "DELETE", "/keys/k", Value::Null).await;
    assert_eq!(api.refused(ADMIN, "GET", "/keys/k", Value::Null).await, refusal(404, "not_found", ""));
    assert_eq!(api.ask(&key, "GET", "/me", Value::Null).await.status, 401);
}

#[tokio::test]
async fn a_key_of_a_network_is_used_from_there_alone() {
    let api = Api::new();
    let new = api.good(ADMIN, "POST", "/keys", json!({"name": "k", "networks": ["10.0.0.0/8"]})).await;
    // Tests have no address at all.
    assert_eq!(api.ask(new["key"].as_str().unwrap(), "GET", "/me", Value::Null).await.status, 403);
}

#[tokio::test]
async fn changes_are_in_force_when_they_are_answered() {
    let api = Api::new();
    let key = json!({"name": "k", "team": "red", "models": ["chat"], "limits": [{"name": "rpm", "measure": "requests", "amount": 5, "window": "minute"}]});
    api.good(ADMIN, "POST", "/keys", key).await;
    let policy = api.policy();
    assert_eq!(policy.directory().keys["k"].models, ["chat"]);
    assert!(policy.rules().all().iter().any(|rule| rule.id == "key:k/rpm@requests minute"));
    api.good(ADMIN, "PATCH", "/keys/k", json!({"limits": []})).await;
    assert!(!api.policy().rules().all().iter().any(|rule| rule.id.starts_with("key:k/rpm")));
}

#[tokio::test]
async fn a_merge_patch_changes_what_it_names() {
    let api = Api::new();
    let user = json!({"name": "ann", "team": "red", "metadata": {"mail": "ann@acme.example", "desk": "7"}});
    api.good(ADMIN, "POST", "/users", user).await;
    let patch = json!({"team": null, "metadata": {"desk": null, "floor": "2"}});
    let patched = api
        .send(ADMIN, "PATCH", "/admin/v1/users/ann", Some("application/merge-patch+json"), patch.to_string())
        .await;
    assert_eq!(
        patched.json(),
        json!({"name": "ann", "metadata": {"floor": "2", "mail": "ann@acme.example"}, "source": "api"})
    );
    for (patch, field) in
        [(json!({"name": "eve"}), "name"), (json!({"teem": "red"}), "teem"), (json!({"teem": null}), "teem")]
    {
        assert_eq!(
            api.refused(ADMIN, "PATCH", "/users/ann", patch).await,
            refusal(400, "invalid_body", field)
        );
    }
}

#[tokio::test]
async fn what_the_file_has_is_shown_and_cannot_be_changed() {
    let api = Api::new();
    assert_eq!(api.good(ADMIN, "GET", "/teams/red", Value::Null).await["source"], "file");
    assert_eq!(
        api.refused(ADMIN, "POST", "/teams", json!({"name": "red"})).await,
        refusal(409, "already_exists", "name")
    );
    assert_eq!(api.refused(ADMIN, "PATCH", "/teams/red", json!({})).await, refusal(409, "read_only", ""));
    for (method, path) in
        [("DELETE", "/keys/of-file"), ("POST", "/keys/of-file/block"), ("POST", "/keys/of-file/rotate")]
    {
        assert_eq!(
            api.refused(ADMIN, method, path, Value::Null).await,
            refusal(409, "read_only", ""),
            "{path}"
        );
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_by_its_field() {
    let api = Api::new();
    let limit = |rest: Value| {
        let mut limit = json!({"name": "l", "measure": "requests", "amount": 1, "window": "minute"});
        limit.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        json!({"name": "k", "limits": [limit]})
    };
    for (path, body, status, code, field) in [
        ("/keys", json!({"name": "k", "team": "green"}), 422, "unknown_reference", "team"),
        ("/keys", json!({"name": "k", "models": ["chat", "chatt"]}), 422, "unknown_reference", "models[1]"),
        ("/keys", json!({"name": "k", "providers": ["openia"]}), 422, "unknown_reference", "providers[0]"),
        ("/keys", json!({"name": "k", "operations": ["chats"]}), 422, "unknown_reference", "operations[0]"),
        ("/keys", json!({"name": "k", "networks": ["10.0.0.0/99"]}), 422, "invalid_value", "networks[0]"),
        ("/keys", json!({"name": "k", "networks": [10]}), 400, "invalid_body", "networks[0]"),
        ("/keys", json!({"name": "k", "expires_at": "soon"}), 422, "invalid_value", "expires_at"),
        ("/keys", json!({"name": "k", "tags": ["a b"]}), 422, "invalid_value", "tags[0]"),
        ("/keys", json!({"name": "k", "teem": "red"}), 400, "invalid_body", "teem"),
        ("/keys", json!({"name": "k", "blocked": true}), 400, "invalid_body", "blocked"),
        ("/keys", json!({"name": 7}), 400, "invalid_body", "name"),
        ("/keys", json!({"name": "a/b"}), 422, "invalid_value", "name"),
        ("/keys", json!({"name": ".."}), 422, "invalid_value", "name"),
        ("/keys", json!({"team": "red"}), 400, "invalid_body", ""),
        ("/keys", limit(json!({"window": "fortnight"})), 422, "invalid_value", "limits[0].window"),
        ("/keys", limit(json!({"window": 7})), 400, "invalid_body", "limits[0].window"),
        ("/keys", limit(json!({"burst": 9})), 422, "invalid_value", "limits[0].burst"),
        ("/keys", limit(json!({"only": {"teams": ["red"]}})), 422, "invalid_value", "limits[0].only.teams"),
        (
            "/keys",
            limit(json!({"only": {"models": ["cat"]}})),
            422,
            "unknown_reference",
            "limits[0].only.models[0]",
        ),
        ("/keys", json!({"name": "k", "models": vec!["chat"; 1_001]}), 422, "invalid_value", "models"),
        ("/keys", json!({"name": "k", "tags": vec!["t"; 65]}), 422, "invalid_value", "tags"),
        (
            "/keys",
            json!({"name": "k", "limits": vec![json!({"name": "l", "measure": "requests", "amount": 1}); 65]}),
            422,
            "invalid_value",
            "limits",
        ),
        ("/keys", limit(json!({"per": vec!["team"; 9]})), 422, "invalid_value", "limits[0].per"),
        ("/keys", limit(json!({"warn_at": vec![80; 65]})), 422, "invalid_value", "limits[0].warn_at"),
        (
            "/limits",
            json!({"name": "l", "measure": "requests", "amount": 1, "only": {"end_users": vec!["u"; 1_001]}}),
            422,
            "invalid_value",
            "only.end_users",
        ),
        (
            "/users",
            json!({"name": "u", "metadata": {"a": "x".repeat(1_025)}}),
            422,
            "invalid_value",
            "metadata",
        ),
        ("/keys", json!(["k", null]), 400, "invalid_body", ""),
        ("/keys", json!({"name": "k", "limits": [["l", "requests", 5]]}), 400, "invalid_body", "limits[0]"),
        ("/keys", limit(json!({"only": [[]]})), 400, "invalid_body", "limits[0].only"),
        ("/keys", limit(json!({"amount": -1})), 400, "invalid_body", "limits[0].amount"),
        (
            "/teams",
            json!({"name": "green", "organization": "none"}),
            422,
            "unknown_reference",
            "organization",
        ),
        ("/limits", json!({"name": "l", "measure": "apples", "amount": 1}), 400, "invalid_body", "measure"),
    ] {
        let refused = api.refused(ADMIN, "POST", path, body.clone()).await;
        assert_eq!(refused, refusal(status, code, field), "{path} {body}");
    }
    assert!(api.good(ADMIN, "GET", "/audit", Value::Null).await["items"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn a_number_without_a_fraction_is_whole_however_it_is_written() {
    let api = Api::new();
    let limit = json!({"name": "l", "measure": "requests", "amount": 5.0, "warn_at": [80.0]});
    assert_eq!(api.good(ADMIN, "POST", "/limits", limit).await["amount"], 5);
    let limit = json!({"name": "m", "measure": "requests", "amount": 5.5});
    assert_eq!(api.refused(ADMIN, "POST", "/limits", limit).await, refusal(400, "invalid_body", "amount"));
}

#[tokio::test]
async fn a_path_without_a_version_is_the_newest() {
    let api = Api::new();
    let get = |path| api.send(ADMIN, "GET", path, None, String::new());
    let (newest, versioned) = (get("/admin/keys").await, get("/admin/v1/keys").await);
    assert_eq!((newest.status.as_u16(), &newest.text), (200, &versioned.text));
    assert_eq!(get("/admin/nothing").await.code(), "not_found");
    assert_eq!(api.send("", "GET", "/admin/keys", None, String::new()).await.status, 401);
}

#[tokio::test]
async fn requests_that_cannot_be_read_are_refused_before_anything_is_done() {
    let api = Api::new();
    let kind = Some("application/json");
    let send = |method: &'static str, path: &'static str, kind, body: String| {
        api.send(ADMIN, method, path, kind, body)
    };
    assert_eq!(send("POST", "/admin/v1/keys", kind, "{".to_owned()).await.code(), "invalid_json");
    assert_eq!(send("POST", "/admin/v1/keys", kind, "{} {}".to_owned()).await.code(), "invalid_json");
    assert_eq!(send("POST", "/admin/v1/keys", kind, "[]".to_owned()).await.status, 400);
    assert_eq!(send("POST", "/admin/v1/keys", kind, String::new()).await.status, 400);
    assert_eq!(send("POST", "/admin/v1/keys", Some("text/plain"), "{}".to_owned()).await.status, 415);
    assert_eq!(send("POST", "/admin/v1/keys", None, "{}".to_owned()).await.status, 415);
    assert_eq!(send("POST", "/admin/v1/keys", kind, " ".repeat((1 << 20) + 1)).await.status, 413);
    let other = send("PUT", "/admin/v1/keys", None, String::new()).await;
    assert_eq!((other.status.as_u16(), other.code().as_str()), (405, "method_not_allowed"));
    assert!(other.headers["allow"].to_str().unwrap().contains("POST"));
    assert_eq!(send("GET", "/admin/v1/nothing", None, String::new()).await.code(), "not_found");
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=x", "limit"),
        ("limt=5", "limt"),
        ("limit=1&limit=2", "limit"),
        ("team=", "team"),
    ] {
        let answer = api.ask(ADMIN, "GET", &format!("/keys?{query}"), Value::Null).await;
        assert_eq!((answer.status.as_u16(), answer.field().as_str()), (400, field), "{query}");
    }
}

#[tokio::test]
async fn lists_come_in_pages_and_are_filtered() {
    let api = Api::new();
    for number in 0..5 {
        let team = if number % 2 == 0 { "red" } else { "blue" };
        api.good(ADMIN, "POST", "/keys", json!({"name": format!("k{number}"), "team": team})).await;
    }
    let names = |page: &Value| -> Vec<String> {
        page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let first = api.good(ADMIN, "GET", "/keys?limit=4", Value::Null).await;
    assert_eq!(names(&first), ["k0", "k1", "k2", "k3"]);
    let second = api
        .good(
            ADMIN,
            "GET",
            &format!("/keys?limit=4&cursor={}", first["next_cursor"].as_str().unwrap()),
            Value::Null,
        )
        .await;
    assert_eq!(names(&second), ["k4", "of-file"]);
    assert!(second["next_cursor"].is_null());
    assert_eq!(names(&api.good(ADMIN, "GET", "/keys?team=red", Value::Null).await), ["k0", "k2", "k4"]);
    let exact = api.good(ADMIN, "GET", "/keys?team=red&limit=3", Value::Null).await;
    assert!(exact["next_cursor"].is_null(), "no page follows the last");
}

#[tokio::test]
async fn names_in_paths_are_percent_decoded() {
    let api = Api::new();
    api.good(ADMIN, "POST", "/users", json!({"name": "ann@acme.example:1"})).await;
    let found = api.good(ADMIN, "GET", "/users/ann%40acme%2Eexample%3A1", Value::Null).await;
    assert_eq!(found["name"], "ann@acme.example:1");
    assert_eq!(api.ask(ADMIN, "GET", "/users/%FF", Value::Null).await.status, 404);
}

#[tokio::test]
async fn nobody_is_deleted_to_whom_others_refer() {
    let api = Api::new();
    api.good(ADMIN, "POST", "/teams", json!({"name": "green"})).await;
    api.good(ADMIN, "POST", "/users", json!({"name": "ann", "team": "green"})).await;
    api.good(ADMIN, "POST", "/keys", json!({"name": "k", "user": "ann"})).await;
    assert_eq!(api.refused(ADMIN, "DELETE", "/teams/green", Value::Null).await, refusal(409, "in_use", ""));
    assert_eq!(api.refused(ADMIN, "DELETE", "/users/ann", Value::Null).await, refusal(409, "in_use", ""));
    for path in ["/keys/k", "/users/ann", "/teams/green"] {
        api.good(ADMIN, "DELETE", path, Value::Null).await;
    }
}

#[tokio::test]
async fn a_teams_admin_sees_and_changes_the_teams_own() {
    let api = Api::new();
    api.good(ADMIN, "POST", "/keys", json!({"name": "of-blue", "team": "blue"})).await;
    api.good(RED, "POST", "/users", json!({"name": "ann", "team": "red"})).await;
    api.good(RED, "POST", "/keys", json!({"name": "laptop", "user": "ann"})).await;
    api.good(RED, "POST", "/keys", json!({"name": "batch", "team": "red", "user": "ann"})).await;
    let listed = api.good(RED, "GET", "/keys", Value::Null).await;
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
    assert_eq!(api.good(RED, "GET", "/teams", Value::Null).await["items"].as_array().unwrap().len(), 1);
    for (method, path) in [
        ("GET", "/keys/of-blue"),
        ("PATCH", "/keys/of-blue"),
        ("DELETE", "/keys/of-blue"),
        ("POST", "/keys/of-blue/rotate"),
        ("GET", "/users/bob"),
        ("GET", "/teams/blue"),
        ("DELETE", "/keys/of-file"),
    ] {
        let body = if method == "PATCH" { json!({}) } else { Value::Null };
        assert_eq!(
            api.refused(RED, method, path, body).await,
            refusal(404, "not_found", ""),
            "{method} {path}"
        );
    }
    for (method, path, body, field) in [
        ("POST", "/keys", json!({"name": "x", "team": "blue"}), "team"),
        ("POST", "/keys", json!({"name": "x"}), "team"),
        ("POST", "/keys", json!({"name": "x", "user": "bob"}), "team"),
        ("POST", "/keys", json!({"name": "x", "team": "red", "user": "bob"}), "user"),
        ("POST", "/keys", json!({"name": "x", "team": "red", "organization": "acme"}), "organization"),
        ("PATCH", "/keys/batch", json!({"team": "blue"}), "team"),
        ("PATCH", "/keys/laptop", json!({"user": null}), "team"),
        ("PATCH", "/users/ann", json!({"team": null}), "team"),
        ("POST", "/users", json!({"name": "zoe"}), "team"),
    ] {
        assert_eq!(
            api.refused(RED, method, path, body.clone()).await,
            refusal(403, "forbidden", field),
            "{path} {body}"
        );
    }
    // The admin's own settings stay through changes of others.
    api.good(ADMIN, "PATCH", "/keys/batch", json!({"organization": "acme"})).await;
    api.good(RED, "PATCH", "/keys/batch", json!({"tags": ["night"]})).await;
}

#[tokio::test]
async fn a_teams_admin_is_not_told_which_key_of_another_team_is_in_the_way() {
    let api = Api::new();
    api.good(ADMIN, "POST", "/users", json!({"name": "ann", "team": "red"})).await;
    api.good(ADMIN, "POST", "/keys", json!({"name": "of-blue", "user": "ann", "team": "blue"})).await;
    let answer = api.ask(RED, "DELETE", "/users/ann", Value::Null).await;
    let message = "the user \"ann\" cannot be deleted: a key of another team refers to it";
    assert_eq!((answer.code().as_str(), &answer.json()["error"]["message"]), ("in_use", &json!(message)));
    let answer = api.ask(ADMIN, "DELETE", "/users/ann", Value::Null).await;
    assert!(answer.text.contains("the key \\\"of-blue\\\" refers to it"), "{}", answer.text);
}

#[tokio::test]
async fn a_limit_that_would_not_do_what_it_says_is_refused() {
    let api = Api::new();
    let limit = |more: Value| {
        let mut limit = json!({"name": "l", "measure": "requests", "amount": 9});
        limit.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"name": "k", "models": ["chat"], "limits": [limit]})
    };
    let never = limit(json!({"window": "sliding 1h", "warn_at": [80]}));
    assert_eq!(
        api.refused(ADMIN, "POST", "/keys", never).await,
        refusal(422, "invalid_value", "limits[0].warn_at")
    );
    let beyond = limit(json!({"downgrade": {"at_percent": 80, "model": "small"}}));
    assert_eq!(
        api.refused(ADMIN, "POST", "/keys", beyond).await,
        refusal(422, "invalid_value", "limits[0].downgrade.model")
    );
}

#[tokio::test]
async fn a_teams_admin_learns_nothing_of_foreign_names() {
    let api = Api::new();
    for key in ["of-blue", "of-nobody"] {
        api.good(ADMIN, "POST", "/keys", json!({"name": key})).await;
    }
    api.good(ADMIN, "POST", "/keys", json!({"name": "of-red", "team": "red"})).await;
    let texts = |name: &'static str| api.ask(RED, "POST", "/keys", json!({"name": name, "team": "red"}));
    // Be it another team's, nobody's, the file's or their own, the answer is one.
    let first = texts("of-blue").await;
    assert_eq!(
        (first.status.as_u16(), first.code(), first.field()),
        refusal(409, "name_unavailable", "name")
    );
    for name in ["of-nobody", "of-file", "of-red"] {
        assert_eq!(texts(name).await.text, first.text, "{name}");
    }
    let told = api.refused(ADMIN, "POST", "/keys", json!({"name": "of-blue"})).await;
    assert_eq!(told, refusal(409, "already_exists", "name"), "whoever sees all is told");
    // What would not be made anyway is refused alike, whether its name is taken or free.
    for body in [json!({"team": "blue"}), json!({"team": "red", "models": ["chatt"]}), json!({"user": "bob"})]
    {
        let mut answers = Vec::new();
        for name in ["of-blue", "of-file", "free"] {
            let mut body = body.clone();
            body["name"] = json!(name);
            answers.push(api.ask(RED, "POST", "/keys", body).await.text);
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    }
    // A user of another team and one that nobody knows are the same.
    let user =
        |user: &'static str| api.ask(RED, "POST", "/keys", json!({"name": "k", "team": "red", "user": user}));
    assert_eq!(user("bob").await.text, user("nobody").await.text);
}

#[tokio::test]
async fn the_audit_log_has_every_change_with_before_and_after() {
    let api = Api::new();
    api.good(ADMIN, "POST", "/users", json!({"name": "ann", "team": "red"})).await;
    api.good(RED, "PATCH", "/users/ann", json!({"metadata": {"desk": "7"}})).await;
    let new = api.good(RED, "POST", "/keys", json!({"name": "k", "team": "red"})).await;
    api.good(new["key"].as_str().unwrap(), "POST", "/me/rotate", Value::Null).await;
    api.good(ADMIN, "DELETE", "/users/ann", Value::Null).await;
    let log = api.good(ADMIN, "GET", "/audit", Value::Null).await["items"].clone();
    let told: Vec<String> = log
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            let text = |name: &str| entry[name].as_str().unwrap().to_owned();
            format!("{} {} {} {} {}", text("role"), text("actor"), text("action"), text("kind"), text("name"))
        })
        .collect();
    assert_eq!(
        told,
        [
            "admin root delete user ann",
            "key_owner k rotate key k",
            "team_admin rea create key k",
            "team_admin rea update user ann",
            "admin root create user ann",
        ]
    );
    assert_eq!(log[3]["before"], json!({"name": "ann", "team": "red"}));
    assert_eq!(log[3]["after"], json!({"name": "ann", "team": "red", "metadata": {"desk": "7"}}));
    assert!(log[0]["after"].is_null() && log[4]["before"].is_null());
    let page = api.good(ADMIN, "GET", "/audit?limit=2&kind=user", Value::Null).await;
    let sequences = |page: &Value| -> Vec<u64> {
        page["items"].as_array().unwrap().iter().map(|entry| entry["sequence"].as_u64().unwrap()).collect()
    };
    assert_eq!(sequences(&page), [5, 2]);
    let rest = format!("/audit?limit=2&kind=user&cursor={}", page["next_cursor"].as_str().unwrap());
    assert_eq!(sequences(&api.good(ADMIN, "GET", &rest, Value::Null).await), [1]);
}

#[tokio::test]
async fn standings_name_every_counter_that_can_be_named() {
    let api = Api::new();
    let limit = |name: &str, rest: Value| {
        let mut limit = json!({"name": name, "measure": "requests", "amount": 5, "window": "day"});
        limit.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        limit
    };
    api.good(
        ADMIN,
        "POST",
        "/users",
        json!({"name": "ann", "team": "red", "limits": [limit("u", json!({}))]}),
    )
    .await;
    let budget = limit("b", json!({"measure": "micro_dollars", "amount": 7, "window": "month"}));
    let key =
        json!({"name": "k", "user": "ann", "limits": [budget, limit("c", json!({"measure": "concurrent"}))]});
    api.good(ADMIN, "POST", "/keys", key).await;
    api.good(ADMIN, "POST", "/limits", limit("each-team", json!({"per": ["team"]}))).await;
    api.good(ADMIN, "POST", "/limits", limit("each-model", json!({"per": ["model"]}))).await;
    api.good(ADMIN, "POST", "/limits", limit("all", json!({}))).await;
    let names = |page: &Value| -> Vec<String> {
        page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["counter"].as_str().unwrap().to_owned())
            .collect()
    };
    let all = api.good(ADMIN, "GET", "/standings", Value::Null).await;
    assert_eq!(
        names(&all),
        [
            "key:k/b@micro_dollars month",
            "key:k/c@concurrent",
            "limit:all@requests day",
            "limit:each-model@requests day|model=chat",
            "limit:each-model@requests day|model=small",
            "limit:each-team@requests day|team=blue",
            "limit:each-team@requests day|team=red",
            "user:ann/u@requests day",
        ]
    );
    let first = &all["items"][0];
    assert_eq!(first["owner"], json!({"kind": "key", "name": "k"}));
    assert_eq!(
        (&first["used"], &first["remaining"], &first["window"]),
        (&json!(0), &json!(7), &json!("month"))
    );
    assert!(all["items"][1]["window"].is_null());
    // The end of a window is told exactly, and not a second after it.
    let ends = |item: &Value| item["resets_at"].as_str().unwrap_or_default().ends_with("T00:00:00Z");
    assert!(ends(first) && ends(&all["items"][2]), "{all}");
    let of_red = [
        "key:k/b@micro_dollars month",
        "key:k/c@concurrent",
        "limit:each-team@requests day|team=red",
        "user:ann/u@requests day",
    ];
    assert_eq!(names(&api.good(RED, "GET", "/standings", Value::Null).await), of_red);
    assert_eq!(names(&api.good(ADMIN, "GET", "/standings?key=k", Value::Null).await).len(), 2);
    assert_eq!(names(&api.good(ADMIN, "GET", "/standings?name=all", Value::Null).await).len(), 1);
    assert_eq!(names(&api.good(ADMIN, "GET", "/standings?limit=3", Value::Null).await).len(), 3);
    let shown = api.good(ADMIN, "GET", "/keys/k", Value::Null).await;
    assert_eq!(shown["standings"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn spend_is_summed_and_a_teams_admin_sees_the_teams() {
    let api = Api::new();
    for (key, team, cost) in [("k", "red", 5), ("l", "blue", 70)] {
        let mut line = Line::nothing(UNIX_EPOCH + Duration::from_secs(86_400));
        line.whose.key = key.to_owned();
        line.whose.team = team.to_owned();
        line.cost_micros = cost;
        api.gateway.ledger.add(&[line]);
    }
    let all = api.good(VIEWER, "GET", "/spend?group_by=day,team", Value::Null).await;
    assert_eq!(all["rows"][0]["day"], "1970-01-02");
    assert_eq!((&all["rows"][0]["team"], &all["rows"][0]["cost_micros"]), (&json!("blue"), &json!(70)));
    let own = api.good(RED, "GET", "/spend", Value::Null).await;
    assert_eq!((own["rows"].as_array().unwrap().len(), &own["rows"][0]["cost_micros"]), (1, &json!(5)));
    assert_eq!(
        api.refused(RED, "GET", "/spend?team=blue", Value::Null).await,
        refusal(403, "forbidden", "team")
    );
    let csv = api
        .ask(ADMIN, "GET", "/spend?group_by=key&format=csv&from=1970-01-01&to=1970-01-31", Value::Null)
        .await;
    assert!(csv.headers["content-type"].to_str().unwrap().starts_with("text/csv"));
    assert_eq!(
        csv.text,
        "key,requests,failed,input_tokens,output_tokens,cached_tokens,cost_micros\r\nk,1,0,0,0,0,5\r\nl,1,0,0,0,0,70\r\n"
    );
    assert_eq!(
        api.refused(ADMIN, "GET", "/spend?group_by=tag,key", Value::Null).await,
        refusal(422, "not_summed", "key")
    );
    assert_eq!(
        api.refused(ADMIN, "GET", "/spend?group_by=day,day", Value::Null).await,
        refusal(400, "invalid_parameter", "group_by")
    );
    assert_eq!(
        api.refused(ADMIN, "GET", "/spend?from=yesterday", Value::Null).await,
        refusal(400, "invalid_parameter", "from")
    );
}

#[tokio::test]
async fn another_configuration_keeps_whom_the_api_has_made_known() {
    let api = Api::new();
    api.good(ADMIN, "POST", "/keys", json!({"name": "k", "team": "red"})).await;
    let config = read(&CONFIG.replace("name: red,", "name: red, models: [chat],"), &BTreeMap::new()).unwrap();
    api.gateway.managed.reconfigure(&api.gateway.policy, config).await;
    let policy = api.policy();
    assert!(policy.directory().keys.contains_key("k"));
    assert_eq!(policy.directory().teams["red"].models, ["chat"]);
}

#[tokio::test]
async fn the_document_bounds_every_list_and_text_that_is_written() {
    let document = openapi::document(&routes::all());
    let schemas = &document["components"]["schemas"];
    for name in ["Organization", "Team", "User", "Limit", "Only", "Downgrade", "Key"] {
        for (field, schema) in schemas[name]["properties"].as_object().unwrap() {
            let bounded = |schema: &Value| {
                let text = schema.to_string();
                let is =
                    |kind: &str| schema["type"] == kind || text.contains(&format!("[\"{kind}\",\"null\"]"));
                (!is("array") || schema["maxItems"].is_u64())
                    && (!is("string") || schema["maxLength"].is_u64())
            };
            assert!(bounded(schema) && bounded(&schema["items"]), "{name}.{field}: {schema}");
        }
    }
    let limit = &schemas["Limit"]["properties"];
    assert_eq!((&limit["per"]["maxItems"], &limit["warn_at"]["maxItems"]), (&json!(8), &json!(64)));
    assert_eq!(schemas["User"]["properties"]["metadata"]["maxProperties"], 64);
}

#[tokio::test]
async fn every_name_in_the_document_is_described_there() {
    let document = openapi::document(&routes::all());
    let text = document.to_string();
    for (at, _) in text.match_indices("#/components/schemas/") {
        let name = text[at + 21..].split('"').next().unwrap();
        assert!(document["components"]["schemas"][name].is_object(), "{name}");
    }
    let served = Api::new().send("", "GET", "/admin/v1/openapi.json", None, String::new()).await;
    assert_eq!(served.json()["openapi"], "3.1.0");
}
