//! The ledger against what a client saw.

use http_body_util::BodyExt;
use serde_json::json;

use crate::client::{chat, chat_request, messages, messages_request, open, open_chat, start};

#[tokio::test]
async fn complete_answers_are_booked_in_full() {
    let server = start().await;
    chat(&server, "tokens=20; cached=3", &chat_request(json!({}))).await;
    chat(&server, "tokens=30; reasoning=4", &chat_request(json!({"stream": true}))).await;
    messages(&server, "tokens=40; reasoning=5", &messages_request(json!({"stream": true}))).await;
    messages(&server, "tokens=50", &messages_request(json!({}))).await;
    chat(&server, "status=500", &chat_request(json!({}))).await;
    server.ledger().wait_for(5).await;
    let entries = server.ledger().entries(usize::MAX);
    let booked: Vec<_> = entries.iter().map(|entry| (entry.status, entry.output_tokens)).collect();
    assert_eq!(booked, [(200, 20), (200, 34), (200, 45), (200, 50), (500, 0)]);
    assert!(entries.iter().all(|entry| entry.completed));
    assert_eq!((entries[0].input_tokens, entries[0].cached_tokens), (7, 3));
    assert_eq!(entries[4].input_tokens, 0);
    assert_eq!(server.ledger().totals().output_tokens, 149);
}

#[tokio::test]
async fn an_abandoned_stream_is_booked_as_far_as_it_was_written() {
    let server = start().await;
    let request = chat_request(json!({"stream": true}));
    let mut response = open_chat(&server, "tokens=100; stall-after=6", &request).await.unwrap();
    let mut seen = String::new();
    while seen.matches("data: ").count() < 6 {
        let frame = response.body_mut().frame().await.unwrap().unwrap();
        seen.push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap());
    }
    drop(response);
    server.ledger().wait_for(1).await;
    let entry = server.ledger().entries(1).remove(0);
    // The first event only names the role.
    assert_eq!((entry.output_tokens, entry.completed, entry.status), (5, false, 200));
}

#[tokio::test]
async fn a_client_that_stops_reading_is_not_booked_for_what_waits() {
    let server = start().await;
    let request = chat_request(json!({"stream": true}));
    let mut response = open_chat(&server, "tokens=200000", &request).await.unwrap();
    response.body_mut().frame().await.unwrap().unwrap();
    drop(response);
    server.ledger().wait_for(1).await;
    let entry = server.ledger().entries(1).remove(0);
    assert!(!entry.completed);
    assert!(entry.output_tokens < 200_000, "{}", entry.output_tokens);
}

#[tokio::test]
async fn cut_and_stalled_requests_are_booked_as_incomplete() {
    let server = start().await;
    chat(&server, "cut-after=3", &chat_request(json!({"stream": true}))).await;
    let body = chat_request(json!({}));
    let stalled =
        tokio::time::timeout(std::time::Duration::from_secs(60), open_chat(&server, "stall", &body));
    // The client goes once the mock has the request.
    tokio::select! {
        _ = stalled => panic!("a stalled request was answered"),
        () = server.ledger().wait_for_begun(2) => {}
    }
    server.ledger().wait_for(2).await;
    let entries = server.ledger().entries(2);
    assert_eq!((entries[0].status, entries[0].output_tokens, entries[0].completed), (200, 2, false));
    assert_eq!((entries[1].status, entries[1].output_tokens, entries[1].completed), (499, 0, false));
}

#[tokio::test]
async fn an_error_event_leaves_only_what_came_before_it() {
    let server = start().await;
    chat(&server, "error-after=3", &chat_request(json!({"stream": true}))).await;
    server.ledger().wait_for(1).await;
    assert_eq!(server.ledger().entries(1)[0].output_tokens, 2);
}

#[tokio::test]
async fn split_writes_book_the_same_tokens() {
    let server = start().await;
    let request = chat_request(json!({"stream": true}));
    chat(&server, "tokens=9; chunk-bytes=1", &request).await;
    chat(&server, "tokens=9; chunk-bytes=10000", &request).await;
    server.ledger().wait_for(2).await;
    assert!(server.ledger().entries(2).iter().all(|entry| entry.output_tokens == 9));
}

#[tokio::test]
async fn a_compressed_stream_books_the_same_tokens() {
    let server = start().await;
    let headers = [("authorization", "Bearer k"), ("x-mock", "gzip; tokens=9")];
    let body = chat_request(json!({"stream": true})).to_string();
    let response = open(&server, "POST", "/v1/chat/completions", &headers, &body).await.unwrap();
    assert_eq!(response.headers()["content-encoding"], "gzip");
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    assert!(bytes.starts_with(&[0x1f, 0x8b, 8]));
    server.ledger().wait_for(1).await;
    assert_eq!(server.ledger().entries(1)[0].output_tokens, 9);
}

#[tokio::test]
async fn the_key_is_booked_as_a_hash() {
    let server = start().await;
    chat(&server, "", &chat_request(json!({}))).await;
    server.ledger().wait_for(1).await;
    let hash = server.ledger().entries(1).remove(0).authorization_sha256.unwrap();
    assert_eq!(hash.len(), 64);
    assert!(!hash.contains("test-key"));
}
