//! What is only to be seen of PostgreSQL.

use super::*;
use tokio_postgres::NoTls;

fn store(server: &Server, kind: &str, lifetime: Duration) -> Postgres {
    store_at(server.url(), kind, lifetime)
}

fn store_at(url: String, kind: &str, lifetime: Duration) -> Postgres {
    Postgres::new(&PostgresSettings { url, kind: kind.to_owned(), lifetime, timeout: PATIENCE }).unwrap()
}

/// A connection of the test's own.
async fn client(server: &Server) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(&server.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn one(client: &tokio_postgres::Client, question: &str) -> i64 {
    client.query_one(question, &[]).await.unwrap().get(0)
}

/// What there is in the table of an embedder.
async fn table(client: &tokio_postgres::Client) -> String {
    let tables =
        client.query("SELECT relname::text FROM pg_class WHERE relname ~ '^weirgate.*_[0-9]+$'", &[]);
    tables.await.unwrap()[0].get(0)
}

#[tokio::test]
async fn the_postgres_store_does_what_every_store_does() {
    let server = Server::start(Of::Postgres);
    all(&store(&server, "one", HOUR)).await;
    what_is_too_old_is_gone(&store(&server, "brief", Duration::from_millis(1))).await;
}

#[tokio::test]
async fn embeddings_of_any_size_are_found_by_who_has_the_same_embedder() {
    let server = Server::start(Of::Postgres);
    let stores = ["Open AI's \"Large\"", "two"].map(|kind| store(&server, kind, HOUR));
    // With a graph, one of small numbers, and without.
    for dimensions in [1, 1_999, 3_072, 5_000] {
        let points: Vec<Point> = (0..20)
            .map(|seed| point("sizes", &format!("{dimensions} {seed}"), vector(seed, dimensions)))
            .collect();
        for point in &points {
            stores[0].put(point.clone()).await.unwrap();
        }
        let found = stores[0].nearest(&hex("sizes"), &points[7].vector, 3).await.unwrap();
        assert_eq!(found.len(), 3);
        assert!((found[0].similarity - 1.0).abs() < NEARLY);
        if dimensions > 1 {
            assert_eq!((&found[0].key, &found[0].vector), (&points[7].key, &points[7].vector));
        }
        assert_eq!(texts(&stores[1], "sizes", &points[7].vector, 3).await.len(), 0);
        stores[0].forget(&hex("sizes"), &points[7].key).await.unwrap();
        let found = stores[0].nearest(&hex("sizes"), &points[7].vector, 20).await.unwrap();
        assert_eq!(found.len(), 19);
    }
    for dimensions in [0, 16_001] {
        stores[0].nearest(&hex("sizes"), &vector(1, dimensions), 3).await.unwrap_err();
    }
}

#[tokio::test]
async fn tables_that_several_make_at_once_are_made_once_and_again_when_they_are_lost() {
    let server = Server::start(Of::Postgres);
    let stores: Vec<Postgres> = (0..8).map(|_| store(&server, "one", HOUR)).collect();
    let near = vector(1, DIMENSIONS);
    let put = |store: usize| stores[store].put(point("made", &store.to_string(), near.clone()));
    futures_util::future::try_join_all((0..8).map(put)).await.unwrap();
    assert_eq!(texts(&stores[0], "made", &near, 20).await.len(), 8);
    let client = client(&server).await;
    let table = table(&client).await;
    client.batch_execute(&format!("DROP TABLE {table}")).await.unwrap();
    assert_eq!(texts(&stores[0], "made", &near, 20).await.len(), 0);
    put(1).await.unwrap();
    assert_eq!(texts(&stores[0], "made", &near, 20).await.len(), 1);
}

#[tokio::test]
async fn what_is_too_old_is_deleted_when_something_is_kept() {
    let server = Server::start(Of::Postgres);
    let brief = store(&server, "one", Duration::from_millis(1));
    for seed in 0..20 {
        brief.put(point("swept", &seed.to_string(), vector(seed, DIMENSIONS))).await.unwrap();
    }
    let client = client(&server).await;
    let table = table(&client).await;
    let count = format!("SELECT count(*) FROM {table}");
    assert_eq!(one(&client, &count).await, 20);
    let lasting = store(&server, "one", HOUR);
    until(
        async || {
            lasting.sweep_now();
            lasting.put(point("swept", "lasting", vector(1, DIMENSIONS))).await.unwrap();
            one(&client, &count).await
        },
        |count| *count == 1,
    )
    .await;
}

#[tokio::test]
async fn a_database_that_is_away_is_an_error_at_once_and_found_when_it_is_back() {
    let mut server = Server::start(Of::Postgres);
    let store = store(&server, "one", HOUR);
    let near = vector(1, DIMENSIONS);
    store.put(point("back", "kept", near.clone())).await.unwrap();
    server.kill();
    errors_come_at_once(&store).await;
    // One that has never been there.
    errors_come_at_once(&self::store(&server, "one", HOUR)).await;
    server.run();
    until(async || store.put(point("back", "back", near.clone())).await, Result::is_ok).await;
    assert_eq!(texts(&store, "back", &near, 5).await.len(), 2);
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_an_error_in_time() {
    let server = Server::start(Of::Postgres);
    let near = vector(1, DIMENSIONS);
    store(&server, "one", HOUR).put(point("late", "late", near.clone())).await.unwrap();
    let timeout = Duration::from_millis(700);
    let settings = PostgresSettings { url: server.url(), kind: "one".to_owned(), lifetime: HOUR, timeout };
    let store = Postgres::new(&settings).unwrap();
    until(async || store.nearest(&hex("late"), &near, 5).await, Result::is_ok).await;
    let mut client = client(&server).await;
    let table = table(&client).await;
    let lock = client.transaction().await.unwrap();
    lock.batch_execute(&format!("LOCK TABLE {table}")).await.unwrap();
    let began = Instant::now();
    store.nearest(&hex("late"), &near, 5).await.unwrap_err();
    assert!(began.elapsed() < PATIENCE / 4, "{:?}", began.elapsed());
    lock.rollback().await.unwrap();
    until(async || store.nearest(&hex("late"), &near, 5).await, Result::is_ok).await;
}

#[tokio::test]
async fn a_user_who_may_not_make_what_is_missing_is_told_so() {
    let server = Server::start(Of::Postgres);
    let client = client(&server).await;
    client.batch_execute("CREATE USER poor PASSWORD 'poor'").await.unwrap();
    client.batch_execute("CREATE DATABASE poor").await.unwrap();
    let url = server.url().replace("weirgate:secret", "poor:poor").replace("/postgres", "/poor");
    let near = vector(1, DIMENSIONS);
    let error = store_at(url, "one", HOUR).nearest(&hex("a"), &near, 1).await.unwrap_err();
    assert!(error.reason.contains("lacks the extension vector"), "{error}");
    let wrong = store_at(server.url().replace("secret", "wr0ng"), "one", HOUR);
    let error = wrong.nearest(&hex("a"), &near, 1).await.unwrap_err();
    assert!(error.reason.contains("password authentication failed"), "{error}");
    assert!(!error.reason.contains("wr0ng"), "{error}");
    // What another has made may be used.
    store(&server, "one", HOUR).put(point("a", "a", near.clone())).await.unwrap();
    let table = table(&client).await;
    client.batch_execute(&format!("GRANT ALL ON {table} TO poor")).await.unwrap();
    let url = server.url().replace("weirgate:secret", "poor:poor");
    assert_eq!(texts(&store_at(url, "one", HOUR), "a", &near, 1).await.len(), 1);
}

#[test]
fn a_password_is_never_shown() {
    let settings = |url: &str| PostgresSettings {
        url: url.to_owned(),
        kind: "one".to_owned(),
        lifetime: HOUR,
        timeout: PATIENCE,
    };
    for url in [
        "postgres://user:hunter2@host:5432/db",
        "postgres://user:hunter2@host/db?sslmode=verify-full",
        "postgres://user:hunter2@host:port/db",
        "postgres://user:x/hunter2@host/db",
        "postgres://user:x?hunter2=1@host/db",
        "postgres://user@host/db?hunter2=1",
        "postgres://host=hunter2",
        "hunter2",
        "",
    ] {
        let settings = settings(url);
        assert!(!format!("{settings:?}").contains("hunter2"), "{settings:?}");
        let store = Postgres::new(&settings);
        assert!(!format!("{store:?}").contains("hunter2"), "{store:?}");
    }
    assert!(Postgres::new(&settings("postgres://user:hunter2@host/db?sslmode=verify-full")).is_ok());
    assert!(Postgres::new(&settings("postgres://user:hunter2@host:port/db")).is_err());
    assert!(Postgres::new(&settings("")).is_err());
}
