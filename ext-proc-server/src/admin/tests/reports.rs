//! What was changed, what is used and what was spent.

use super::*;

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
