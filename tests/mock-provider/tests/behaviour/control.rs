//! The control API, and paths the mock does not know.

use mock_provider::{Config, MockServer};
use serde_json::json;

use crate::client::{chat, chat_request, control, messages, messages_request, send, start};

#[tokio::test]
async fn a_script_steers_models_apart() {
    let server = start().await;
    let rules = json!([
        {"match": {"model": "gpt-4o"}, "then": {"status": 503}, "times": 1},
        {"match": {"path": "/v1/messages", "key": "test-key"}, "then": {"text": "50% off; really", "cached": 2}},
    ]);
    assert_eq!(control(&server, "PUT", "/mock/script", &rules.to_string()).await.json()["rules"], 2);
    assert_eq!(chat(&server, "", &chat_request(json!({}))).await.status, 503);
    assert_eq!(chat(&server, "", &chat_request(json!({}))).await.status, 200);
    let answer = messages(&server, "", &messages_request(json!({}))).await.json();
    assert_eq!(answer["content"][0]["text"], "50% off; really");
    assert_eq!(control(&server, "GET", "/mock/script", "").await.json()[0]["used"], 1);
    assert_eq!(control(&server, "PUT", "/mock/script", r#"[{"then": {"oops": 1}}]"#).await.status, 400);
}

#[tokio::test]
async fn a_request_header_overrides_the_script() {
    let server = start().await;
    control(&server, "PUT", "/mock/script", r#"[{"then": {"tokens": 5}}]"#).await;
    let body = chat(&server, "tokens=6", &chat_request(json!({}))).await.json();
    assert_eq!(body["usage"]["completion_tokens"], 6);
}

#[tokio::test]
async fn requests_are_kept_as_they_came() {
    let server = start().await;
    let headers = [("x-extra", "one"), ("x-extra", "two")];
    send(&server, "PATCH", "/any/path?x=1", &headers, "raw body").await;
    let kept = control(&server, "GET", "/mock/requests?last=1", "").await.json();
    assert_eq!(kept[0]["method"], "PATCH");
    assert_eq!(kept[0]["path"], "/any/path?x=1");
    assert_eq!(kept[0]["headers"]["x-extra"], "one, two");
    assert_eq!(kept[0]["body"], "raw body");
}

#[tokio::test]
async fn unknown_paths_are_echoed() {
    let server = start().await;
    let echo = send(&server, "PUT", "/v1/files?purpose=x", &[("x-a", "b")], "12345").await.json();
    assert_eq!(echo["method"], "PUT");
    assert_eq!(echo["path"], "/v1/files?purpose=x");
    assert_eq!(echo["headers"]["x-a"], "b");
    assert_eq!(echo["body_length"], 5);
}

#[tokio::test]
async fn a_reset_forgets_everything() {
    let server = start().await;
    control(&server, "PUT", "/mock/script", r#"[{"then": {"status": 500}}]"#).await;
    chat(&server, "", &chat_request(json!({}))).await;
    let stats = control(&server, "GET", "/mock/stats?wait=1", "").await.json();
    assert_eq!((&stats["requests"], &stats["models"]["gpt-4o"]["errors"]), (&json!(1), &json!(1)));
    control(&server, "DELETE", "/mock", "").await;
    for path in ["/mock/ledger", "/mock/requests", "/mock/script"] {
        assert_eq!(control(&server, "GET", path, "").await.json(), json!([]), "{path}");
    }
    assert_eq!(control(&server, "GET", "/mock/stats", "").await.json()["requests"], 0);
    assert_eq!(control(&server, "GET", "/mock/nothing", "").await.status, 404);
}

#[tokio::test]
async fn rules_can_tell_ports_apart() {
    let listen = vec!["127.0.0.1:0".parse().unwrap(), "127.0.0.1:0".parse().unwrap()];
    let server = MockServer::start(Config { listen, no_auth: true, ..Config::default() }).await.unwrap();
    let [first, second] = [server.addresses()[0].port(), server.addresses()[1].port()];
    let rules = json!([
        {"match": {"port": second}, "then": {"status": 500}},
        {"match": {"port": first}, "then": {"status": 418}},
    ]);
    control(&server, "PUT", "/mock/script", &rules.to_string()).await;
    let body = chat_request(json!({})).to_string();
    assert_eq!(send(&server, "POST", "/v1/chat/completions", &[], &body).await.status, 418);
}
