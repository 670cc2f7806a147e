//! How requests are read.

use super::*;

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
