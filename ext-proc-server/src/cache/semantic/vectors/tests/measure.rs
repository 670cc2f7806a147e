//! How fast the stores are: `cargo test --release -p ext-proc-server measures_ -- --ignored --nocapture`.

use super::*;
use crate::store::redis::Settings;
use crate::store::{Clock, Redis};
use futures_util::{StreamExt as _, stream};
use std::sync::Arc;

/// As the smallest of the usual embedders gives them.
const LARGE: usize = 384;
const SEARCHES: u64 = 300;

fn points() -> u64 {
    std::env::var("WEIRGATE_POINTS").ok().and_then(|count| count.parse().ok()).unwrap_or(100_000)
}

/// Vectors as embedders give them: in clouds, a few hundred of each.
fn clouded(seed: u64) -> Vec<f32> {
    let cloud = vector(seed % 300, LARGE);
    let own = vector(1 << 32 | seed, LARGE);
    unit(cloud.iter().zip(own).map(|(cloud, own)| cloud + 0.7 * own).collect())
}

async fn measure(name: &str, store: &dyn Vectors) {
    let count = points();
    let began = Instant::now();
    // A thousandth part is in a group of its own.
    let group = |seed: u64| if seed.is_multiple_of(1_000) { "small" } else { "large" };
    stream::iter(0..count)
        .for_each_concurrent(32, |seed| async move {
            store.put(point(group(seed), &seed.to_string(), clouded(seed))).await.unwrap();
        })
        .await;
    let seconds = began.elapsed().as_secs_f64();
    println!("{name}: {count} points of {LARGE} dimensions kept in {seconds:.0} s");
    let kept: Vec<Vec<f32>> = (0..count).map(clouded).collect();
    for group_wanted in ["large", "small"] {
        let mut times = Vec::new();
        let (mut right, mut all) = (0, 0);
        for search in 0..SEARCHES {
            let wanted = clouded((1 << 40) + search);
            let began = Instant::now();
            let found = store.nearest(&hex(group_wanted), &wanted, 5).await.unwrap();
            times.push(began.elapsed());
            if search < 100 {
                let mut nearest: Vec<(f32, u64)> = (0..count)
                    .filter(|seed| group(*seed) == group_wanted)
                    .map(|seed| (cosine(&wanted, &kept[seed as usize]), seed))
                    .collect();
                nearest.sort_by(|one, other| other.0.total_cmp(&one.0));
                for (_, seed) in nearest.iter().take(5) {
                    right += usize::from(found.iter().any(|found| found.key == hex(&seed.to_string())));
                    all += 1;
                }
            }
        }
        times.sort();
        let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1e3;
        println!(
            "{name}: the nearest 5 of the {group_wanted} group: p50 {:.2} ms, p99 {:.2} ms, recall {:.3}",
            at(50),
            at(99),
            right as f64 / all as f64
        );
    }
    let began = Instant::now();
    stream::iter(0..1_000)
        .for_each_concurrent(16, |search| async move {
            store.nearest(&hex("large"), &clouded((1 << 41) + search), 5).await.unwrap();
        })
        .await;
    println!("{name}: {:.0} searches a second, 16 at a time", 1_000.0 / began.elapsed().as_secs_f64());
}

#[tokio::test]
#[ignore = "measures, for minutes; run by hand, 2026-11-21"]
async fn measures_redis() {
    let server = Server::start(Of::Redis);
    let settings =
        Settings { url: server.url(), prefix: "test".to_owned(), timeout: PATIENCE, clock: Clock::System };
    let redis = Arc::new(Redis::connect(settings).unwrap());
    measure("redis", &Shared::new(redis, "one", HOUR)).await;
    let client = ::redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let names: Vec<String> = ::redis::cmd("FT._LIST").query_async(&mut connection).await.unwrap();
    let info: Vec<::redis::Value> =
        ::redis::cmd("FT.INFO").arg(&names[0]).query_async(&mut connection).await.unwrap();
    println!("{info:?}");
    let memory: String = ::redis::cmd("INFO").arg("memory").query_async(&mut connection).await.unwrap();
    println!("{}", memory.lines().find(|line| line.starts_with("used_memory_human")).unwrap());
}

#[tokio::test]
#[ignore = "measures, for minutes; run by hand, 2026-11-21"]
async fn measures_postgres() {
    let server = Server::start(Of::Postgres);
    let settings =
        PostgresSettings { url: server.url(), kind: "one".to_owned(), lifetime: HOUR, timeout: PATIENCE };
    let store = Postgres::new(&settings).unwrap();
    measure("postgres", &store).await;
    let (client, connection) = tokio_postgres::connect(&server.url(), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let sizes = "SELECT relname::text, pg_size_pretty(pg_total_relation_size(oid)) FROM pg_class \
        WHERE relname LIKE 'weirgate%'";
    for row in client.query(sizes, &[]).await.unwrap() {
        println!("{}: {}", row.get::<_, String>(0), row.get::<_, String>(1));
    }
}
