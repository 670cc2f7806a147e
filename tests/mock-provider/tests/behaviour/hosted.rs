//! Anthropic's messages as Bedrock and Vertex AI serve them.

use serde_json::{Value, json};

use crate::client::{Answer, messages_request, send, start};
use crate::converse::frames;
use mock_provider::MockServer;

const BEDROCK: &str = "/model/eu.anthropic.claude-sonnet-4-5%3A0";
const VERTEX: &str = "/v1/projects/p/locations/l/publishers/anthropic/models/claude-sonnet-4-5@20250929";

async fn ask(server: &MockServer, path: &str, mock: &str, extra: Value) -> Answer {
    let mut body = messages_request(extra);
    body.as_object_mut().unwrap().remove("model");
    let headers = [("authorization", "Bearer test-key"), ("x-mock", mock)];
    send(server, "POST", path, &headers, &body.to_string()).await
}

#[tokio::test]
async fn bedrock_wraps_the_events_of_a_stream() {
    let server = start().await;
    let version = json!({"anthropic_version": "bedrock-2023-05-31"});
    let answer = ask(&server, &format!("{BEDROCK}/invoke"), "", version.clone()).await;
    let text = "Hello from the mock invoke model eu.anthropic.claude-sonnet-4-5:0: you said 4 words.";
    assert_eq!(answer.json()["content"], json!([{"type": "text", "text": text}]));
    let path = format!("{BEDROCK}/invoke-with-response-stream");
    let answer = ask(&server, &path, "tokens=2", version.clone()).await;
    assert_eq!(answer.headers["content-type"], "application/vnd.amazon.eventstream");
    let frames = frames(&answer);
    assert!(frames.iter().all(|(kind, name, _)| (kind.as_str(), name.as_str()) == ("event", "chunk")));
    // `{"type":"message_st` in base64.
    let starts = "eyJ0eXBlIjoibWVzc2FnZV9zd";
    assert!(frames[0].2["bytes"].as_str().unwrap().starts_with(starts), "{:?}", frames[0]);
    let answer = ask(&server, &path, "error-after=2", version).await;
    assert_eq!(self::frames(&answer).pop().unwrap().0, "exception");
}

#[tokio::test]
async fn vertex_gives_events_as_anthropic_does() {
    let server = start().await;
    let asked = json!({"anthropic_version": "vertex-2023-10-16", "stream": true});
    let answer = ask(&server, &format!("{VERTEX}:streamRawPredict"), "tokens=2", asked.clone()).await;
    let events = answer.events();
    assert_eq!(events[0].0, "message_start");
    assert_eq!(events.last().unwrap().0, "message_stop");
    let answer = ask(&server, &format!("{VERTEX}:rawPredict"), "", asked).await;
    assert_eq!((answer.status, &answer.json()["error"]["status"]), (400, &json!("INVALID_ARGUMENT")));
}

#[tokio::test]
async fn each_refuses_what_is_not_of_its_form() {
    let server = start().await;
    for (extra, part) in [
        (json!({}), "anthropic_version"),
        (json!({"anthropic_version": "bedrock-2023-05-31", "stream": true}), "stream: Extra inputs"),
    ] {
        let answer = ask(&server, &format!("{BEDROCK}/invoke"), "", extra).await;
        let message = answer.json()["message"].as_str().unwrap().to_owned();
        assert!(answer.status == 400 && message.contains(part), "{message}");
        assert!(answer.headers["x-amzn-errortype"].to_str().unwrap().starts_with("ValidationException"));
    }
}
