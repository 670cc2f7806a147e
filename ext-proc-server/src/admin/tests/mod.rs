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

mod access;
mod changes;
mod document;
mod keys;
mod reports;
mod requests;

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
