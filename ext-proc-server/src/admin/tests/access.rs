//! Who may do what.

use super::*;

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
