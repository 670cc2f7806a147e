//! Changes, and what is no valid one.

use super::*;

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
async fn another_configuration_keeps_whom_the_api_has_made_known() {
    let api = Api::new();
    api.good(ADMIN, "POST", "/keys", json!({"name": "k", "team": "red"})).await;
    let config = read(&CONFIG.replace("name: red,", "name: red, models: [chat],"), &BTreeMap::new()).unwrap();
    api.gateway.managed.reconfigure(&api.gateway.policy, config).await;
    let policy = api.policy();
    assert!(policy.directory().keys.contains_key("k"));
    assert_eq!(policy.directory().teams["red"].models, ["chat"]);
}
