//! What is only to be seen of Redis.

use super::*;
use crate::store::redis::Settings;
use crate::store::{Clock, Redis};
use std::sync::Arc;

fn client(server: &Server, prefix: &str) -> Arc<Redis> {
    let settings =
        Settings { url: server.url(), prefix: prefix.to_owned(), timeout: PATIENCE, clock: Clock::System };
    Arc::new(Redis::connect(settings).unwrap())
}

fn store(server: &Server, kind: &str, lifetime: Duration) -> Shared {
    Shared::new(client(server, "test"), kind, lifetime)
}

async fn command(server: &Server, words: &[&str]) -> String {
    let client = ::redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut command = ::redis::Cmd::new();
    for word in words {
        command.arg(*word);
    }
    format!("{:?}", command.query_async::<::redis::Value>(&mut connection).await.unwrap())
}

#[tokio::test]
async fn the_redis_store_does_what_every_store_does() {
    let server = Server::start(Of::Redis);
    all(&store(&server, "one", HOUR)).await;
    what_is_too_old_is_gone(&store(&server, "one", Duration::from_millis(1))).await;
}

#[tokio::test]
async fn the_redis_store_does_it_by_either_protocol() {
    let server = Server::start(Of::Redis);
    let url = format!("{}?protocol=resp3", server.url());
    let settings = Settings { url, prefix: "test".to_owned(), timeout: PATIENCE, clock: Clock::System };
    let redis = Arc::new(Redis::connect(settings).unwrap());
    all(&Shared::new(redis.clone(), "one", HOUR)).await;
    what_is_too_old_is_gone(&Shared::new(redis, "one", Duration::from_millis(1))).await;
}

#[tokio::test]
async fn what_others_keep_is_found_by_who_has_the_same_prefix_embedder_and_dimensions() {
    let server = Server::start(Of::Redis);
    let near = vector(1, DIMENSIONS);
    store(&server, "one", HOUR).put(point("shared", "shared", near.clone())).await.unwrap();
    assert_eq!(texts(&store(&server, "one", HOUR), "shared", &near, 5).await.len(), 1);
    assert_eq!(texts(&store(&server, "two", HOUR), "shared", &near, 5).await.len(), 0);
    assert_eq!(texts(&store(&server, "one", HOUR), "shared", &vector(1, 3), 5).await.len(), 0);
    let elsewhere = Shared::new(client(&server, "other"), "one", HOUR);
    assert_eq!(texts(&elsewhere, "shared", &near, 5).await.len(), 0);
    // Forgotten by one who does not know its dimensions.
    store(&server, "one", HOUR).forget(&hex("shared"), &hex("shared")).await.unwrap();
    assert_eq!(texts(&store(&server, "one", HOUR), "shared", &near, 5).await.len(), 0);
}

#[tokio::test]
async fn a_server_that_was_emptied_is_used_again() {
    let server = Server::start(Of::Redis);
    let store = store(&server, "one", HOUR);
    let near = vector(1, DIMENSIONS);
    store.put(point("emptied", "before", near.clone())).await.unwrap();
    command(&server, &["FLUSHALL"]).await;
    assert_eq!(texts(&store, "emptied", &near, 5).await.len(), 0);
    store.put(point("emptied", "after", near.clone())).await.unwrap();
    assert_eq!(texts(&store, "emptied", &near, 5).await, ["text of after"]);
    // Also one who keeps something before he looks: the server finds it as soon as it has read what is there.
    command(&server, &["FLUSHALL"]).await;
    store.put(point("emptied", "at once", near.clone())).await.unwrap();
    until(async || texts(&store, "emptied", &near, 5).await, |found| *found == ["text of at once"]).await;
}

#[tokio::test]
async fn a_server_without_vector_search_is_an_error_once() {
    let server = crate::store::tests::Server::start();
    let store = Shared::new(Arc::new(server.client(Clock::System)), "one", HOUR);
    let error = store.nearest(&hex("a"), &vector(1, DIMENSIONS), 5).await.unwrap_err();
    assert!(error.reason.contains("has no vector search: it takes Redis 8"), "{error}");
    assert_eq!(store.nearest(&hex("a"), &vector(1, DIMENSIONS), 5).await.unwrap(), []);
    store.put(point("a", "a", vector(1, DIMENSIONS))).await.unwrap();
    store.forget(&hex("a"), &hex("a")).await.unwrap();
    let store = Shared::new(Arc::new(server.client(Clock::System)), "one", HOUR);
    let error = store.put(point("a", "a", vector(1, DIMENSIONS))).await.unwrap_err();
    assert_eq!(error.reason, Redis::NO_SEARCH);
}

#[tokio::test]
async fn a_redis_server_that_is_away_is_an_error_at_once_and_found_when_it_is_back() {
    let mut server = Server::start(Of::Redis);
    let store = store(&server, "one", HOUR);
    let near = vector(1, DIMENSIONS);
    store.put(point("back", "before", near.clone())).await.unwrap();
    server.kill();
    errors_come_at_once(&store).await;
    server.run();
    until(async || store.put(point("back", "back", near.clone())).await, Result::is_ok).await;
    until(async || texts(&store, "back", &near, 5).await, |found| *found == ["text of back"]).await;
}

#[tokio::test]
async fn a_group_that_would_change_the_question_is_refused() {
    let server = Server::start(Of::Redis);
    let store = store(&server, "one", HOUR);
    for group in ["", "a}|@group:{b", "a b", "ä", "*"] {
        store.nearest(group, &vector(1, DIMENSIONS), 5).await.unwrap_err();
        let point = Point { group: group.to_owned(), ..point("", "a", vector(1, DIMENSIONS)) };
        store.put(point).await.unwrap_err();
    }
}
