//! Virtual keys.

use super::*;

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
