//! The document of the API.

use super::*;

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
