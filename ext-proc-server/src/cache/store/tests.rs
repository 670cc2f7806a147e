//! What every store does.

use super::*;
use crate::store::Clock;
use crate::store::tests::Server;
use std::time::Duration;

fn entry(key: &str) -> Entry {
    Entry {
        id: format!("id of {key}"),
        key: key.to_owned(),
        scope: "key:k".to_owned(),
        dialect: weirgate_dialect::Dialect::OpenAi,
        model: "m".to_owned(),
        tags: vec!["t".to_owned()],
        created_ms: crate::cache::now_ms(),
        cost_micros: 7,
        answer: "{\"a\":\"Grüß\\n\"}".to_owned(),
    }
}

async fn holds_what_it_was_given(store: &dyn Entries) {
    assert_eq!(store.get("a").await.unwrap(), None);
    store.put(Arc::new(entry("a"))).await.unwrap();
    assert_eq!(*store.get("a").await.unwrap().unwrap(), entry_like(store, "a").await);
    store.put(Arc::new(Entry { answer: "2".to_owned(), ..entry("a") })).await.unwrap();
    assert_eq!(store.get("a").await.unwrap().unwrap().answer, "2");
}

/// The entry with the time of what is kept.
async fn entry_like(store: &dyn Entries, key: &str) -> Entry {
    let created_ms = store.get(key).await.unwrap().unwrap().created_ms;
    Entry { created_ms, ..entry(key) }
}

async fn forgets_what_matches_all_that_is_given(store: &dyn Entries) {
    let fill = async || {
        store.purge(&Which::default()).await.unwrap();
        store.put(Arc::new(entry("a"))).await.unwrap();
        store.put(Arc::new(Entry { model: "n".to_owned(), ..entry("b*[x]") })).await.unwrap();
    };
    let some = |text: &str| Some(text.to_owned());
    for (which, count) in [
        (Which { entry: some("id of a"), ..Which::default() }, 1),
        (Which { model: some("n"), ..Which::default() }, 1),
        (Which { tag: some("t"), ..Which::default() }, 2),
        (Which { scope: some("key:other"), ..Which::default() }, 0),
        (Which { scope: some("key:k"), model: some("m"), ..Which::default() }, 1),
        (Which::default(), 2),
    ] {
        fill().await;
        assert_eq!(store.purge(&which).await.unwrap(), count, "{which:?}");
        let left = usize::from(store.get("a").await.unwrap().is_some())
            + usize::from(store.get("b*[x]").await.unwrap().is_some());
        assert_eq!(left as u64, 2 - count, "{which:?}");
    }
}

async fn all(store: &dyn Entries) {
    holds_what_it_was_given(store).await;
    forgets_what_matches_all_that_is_given(store).await;
}

#[tokio::test]
async fn the_memory_store_does_what_every_store_does() {
    all(&Memory::open(1 << 20, Duration::from_secs(60), None).unwrap()).await;
}

#[tokio::test]
async fn the_redis_store_does_what_every_store_does() {
    let server = Server::start();
    let redis = Arc::new(server.client(Clock::System));
    all(&Shared::new(redis.clone(), Duration::from_secs(60))).await;
    // What is too old is gone.
    let brief = Shared::new(redis, Duration::from_millis(1));
    brief.put(Arc::new(entry("brief"))).await.unwrap();
    while brief.get("brief").await.unwrap().is_some() {
        tokio::task::yield_now().await;
    }
}
