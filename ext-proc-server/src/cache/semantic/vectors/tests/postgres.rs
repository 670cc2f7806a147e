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
    // With a graph and without; from 431 on they are not kept in the row.
    for dimensions in [1, 430, 1_999, 3_072, 5_000] {
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

/// How many questions a small group has.
const SMALL: u64 = 30;

/// Keeps a group that is large and one that is small, in a table that the database is told not to look at.
async fn two_groups(server: &Server, client: &tokio_postgres::Client, large: u64) -> Postgres {
    let store = store(server, "one", HOUR);
    store.put(point("other", "other", vector(0, DIMENSIONS))).await.unwrap();
    let table = table(client).await;
    client.batch_execute(&format!("ALTER TABLE {table} SET (autovacuum_enabled = false)")).await.unwrap();
    let put = |group: &'static str, seed: u64| {
        store.put(point(group, &format!("{group} {seed}"), vector(seed, DIMENSIONS)))
    };
    futures_util::future::try_join_all((1..=large).map(|seed| put("large", seed))).await.unwrap();
    futures_util::future::try_join_all((1..=SMALL).map(|seed| put("small", seed))).await.unwrap();
    assert_eq!(one(client, "SELECT count(*) FROM pg_stats WHERE tablename ~ '^weirgate'").await, 0);
    store
}

/// Looks for what is kept, and for what is not. In a small group what is found is what comparing with all finds.
async fn both_groups_are_found(store: &Postgres, large: u64) {
    for seed in 1..=20 {
        let near = vector(seed * 7, DIMENSIONS);
        assert_eq!(texts(store, "large", &near, 1).await, [format!("text of large {}", seed * 7)]);
        let wanted = vector(large + seed, DIMENSIONS);
        let mut right: Vec<u64> = (1..=SMALL).collect();
        right.sort_by(|one, other| {
            let [one, other] = [one, other].map(|seed| cosine(&wanted, &vector(*seed, DIMENSIONS)));
            other.total_cmp(&one)
        });
        let right: Vec<String> = right.iter().take(8).map(|seed| format!("text of small {seed}")).collect();
        assert_eq!(texts(store, "small", &wanted, 8).await, right);
    }
}

/// How often indexes were searched whose names end so; the server counts a second late.
async fn searches(client: &tokio_postgres::Client, of: &str) -> i64 {
    let count = format!(
        "SELECT coalesce(sum(idx_scan), 0)::bigint FROM pg_stat_user_indexes WHERE indexrelname ~ '_{of}$'"
    );
    one(client, &count).await
}

#[tokio::test]
async fn a_group_is_searched_by_its_size_before_the_database_knows_anything_of_the_table() {
    let server = Server::start(Of::Postgres);
    let client = client(&server).await;
    let large = 2_000;
    let store = two_groups(&server, &client, large).await;
    // The graph is not asked for a small group: it would go through the large one.
    let near = vector(1, DIMENSIONS);
    let small = async || {
        assert_eq!(texts(&store, "small", &near, 8).await.len(), 8);
        searches(&client, "grp").await
    };
    until(small, |searches| *searches > 0).await;
    assert_eq!(searches(&client, "hnsw").await, 0);
    both_groups_are_found(&store, large).await;
    let before = searches(&client, "hnsw").await;
    let large = async || {
        texts(&store, "large", &near, 8).await;
        searches(&client, "hnsw").await
    };
    until(large, |searches| *searches > before).await;
    // Nor is a large one compared with, or all of the table.
    let rows = "SELECT coalesce(max(seq_tup_read), 0)::bigint FROM pg_stat_user_tables";
    assert_eq!(one(&client, rows).await, 0);
    let rows = "SELECT (max(idx_tup_read) / max(idx_scan))::bigint FROM pg_stat_user_indexes \
        WHERE indexrelname ~ '_grp$'";
    assert!(one(&client, rows).await < 300);
}

#[tokio::test]
async fn a_table_of_an_earlier_version_is_searched_by_its_graph_and_by_a_new_one_once_it_is_made() {
    let server = Server::start(Of::Postgres);
    let client = client(&server).await;
    let large = 1_000;
    drop(two_groups(&server, &client, large).await);
    let table = table(&client).await;
    let earlier = format!(
        "DROP INDEX {table}_hnsw; CREATE INDEX {table}_hnsw ON {table} USING hnsw (vector vector_cosine_ops)"
    );
    client.batch_execute(&earlier).await.unwrap();
    let searched = async |graph: &str| {
        let before = searches(&client, graph).await;
        // What is there is looked for when a connection is new.
        let store = store(&server, "one", HOUR);
        both_groups_are_found(&store, large).await;
        let near = vector(1, DIMENSIONS);
        until(
            async || {
                texts(&store, "large", &near, 8).await;
                searches(&client, graph).await
            },
            |searches| *searches > before,
        )
        .await;
    };
    searched("hnsw").await;
    // As docs/cache.md has it.
    let new = format!(
        "CREATE INDEX CONCURRENTLY {table}_half ON {table} \
         USING hnsw ((vector::halfvec({DIMENSIONS})) halfvec_cosine_ops)"
    );
    client.batch_execute(&new).await.unwrap();
    client.batch_execute(&format!("DROP INDEX {table}_hnsw")).await.unwrap();
    searched("half").await;
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
