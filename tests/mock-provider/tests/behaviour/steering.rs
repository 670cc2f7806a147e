//! Errors, delays and broken streams on request.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::client::{chat, chat_request, messages, messages_request, open_chat, start};

#[tokio::test]
async fn a_status_comes_in_the_envelope_of_the_dialect() {
    let server = start().await;
    let openai = chat(&server, "status=429; retry-after=7", &chat_request(json!({}))).await;
    assert_eq!(openai.status, 429);
    assert_eq!(openai.headers["retry-after"], "7");
    assert_eq!(openai.json()["error"]["code"], "rate_limit_exceeded");
    let anthropic = messages(&server, "status=529", &messages_request(json!({}))).await;
    assert_eq!(anthropic.status, 529);
    assert_eq!(anthropic.json()["error"]["type"], "overloaded_error");
    let page = chat(&server, "html-error; status=504", &chat_request(json!({}))).await;
    assert_eq!((page.status, &page.headers["content-type"].to_str().unwrap()), (504, &"text/html"));
}

#[tokio::test]
async fn headers_can_be_added() {
    let server = start().await;
    let answer = chat(&server, "header=x-limit: 5; finish=content_filter", &chat_request(json!({}))).await;
    assert_eq!(answer.headers["x-limit"], "5");
    assert_eq!(answer.json()["choices"][0]["finish_reason"], "content_filter");
}

#[tokio::test]
async fn a_typing_mistake_is_a_bad_request() {
    let server = start().await;
    assert_eq!(chat(&server, "statsu=503", &chat_request(json!({}))).await.status, 400);
}

#[tokio::test]
async fn single_bytes_make_the_same_stream() {
    let server = start().await;
    let request = messages_request(json!({"stream": true}));
    let whole = messages(&server, "text=gr%C3%BC%C3%9Fe dir", &request).await;
    let split = messages(&server, "text=gr%C3%BC%C3%9Fe dir; chunk-bytes=1", &request).await;
    assert!(split.pieces.len() > 10 * whole.pieces.len());
    let body = |text: &str| text.replace("msg_mock_1", "").replace("msg_mock_2", "");
    assert_eq!(body(&whole.text), body(&split.text));
    let unstreamed = chat(&server, "chunk-bytes=7", &chat_request(json!({}))).await;
    assert_eq!(unstreamed.headers["content-length"], unstreamed.text.len().to_string().as_str());
}

#[tokio::test]
async fn delays_are_kept() {
    let server = start().await;
    let started = Instant::now();
    let request = chat_request(json!({"stream": true}));
    let response = open_chat(&server, "latency-ms=40; chunk-delay-ms=10; tokens=3", &request).await.unwrap();
    assert!(started.elapsed() >= Duration::from_millis(40));
    let answer = crate::client::read(response).await;
    // Role, three words, finish and the end mark: five pauses.
    assert!(started.elapsed() >= Duration::from_millis(90), "{:?}", started.elapsed());
    assert_eq!(answer.events().len(), 6);
}

#[tokio::test]
async fn a_cut_stream_breaks_after_its_events() {
    let server = start().await;
    let request = chat_request(json!({"stream": true}));
    for count in [0, 1, 3] {
        let answer = chat(&server, &format!("cut-after={count}"), &request).await;
        assert_eq!(answer.status, 200);
        assert!(answer.broken);
        assert_eq!(answer.events().len(), count);
    }
    assert!(open_chat(&server, "cut", &request).await.is_none());
}

#[tokio::test]
async fn a_whole_answer_can_be_cut_in_its_middle() {
    let server = start().await;
    let answer = chat(&server, "chunk-bytes=10; cut-after=2", &chat_request(json!({}))).await;
    assert!(answer.broken);
    assert_eq!(answer.text.len(), 20);
}

#[tokio::test]
async fn a_stream_can_end_with_an_error_event() {
    let server = start().await;
    let anthropic = messages(&server, "error-after=4", &messages_request(json!({"stream": true}))).await;
    let (name, data) = anthropic.events().pop().unwrap();
    assert_eq!((name.as_str(), anthropic.events().len()), ("error", 5));
    assert!(data.contains("overloaded_error"));
    let openai = chat(&server, "error-after=2", &chat_request(json!({"stream": true}))).await;
    assert_eq!(openai.data().pop().unwrap()["error"]["type"], "server_error");
    assert!(!openai.broken && !openai.text.contains("[DONE]"));
}
