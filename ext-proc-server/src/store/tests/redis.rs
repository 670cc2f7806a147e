//! What is only to be seen of the Redis store: a server that fails, several processes, and its own clock.

use super::*;
use crate::store::window::{Window, to_us};
use crate::store::{Extended, StoreError};
use std::time::{Instant, SystemTime};

/// Long enough for any answer on a busy machine, and short enough to wait for.
const PATIENCE: Duration = Duration::from_millis(700);

fn by_server(server: &Server) -> Redis {
    server.client(Clock::System)
}

async fn standing(store: &Redis, claim: &Claim) -> Standing {
    store.standings(std::slice::from_ref(claim)).await.unwrap()[0]
}

/// Asks until the server answers again.
async fn until_it_answers(store: &Redis) {
    let began = Instant::now();
    let mut tick = tokio::time::interval(Duration::from_millis(10));
    while let Err(error) = store.ping().await {
        assert!(began.elapsed() < Duration::from_secs(20), "{error}");
        tick.tick().await;
    }
}

async fn quickly<T>(call: impl Future<Output = Result<T, StoreError>>) -> StoreError {
    let began = Instant::now();
    let Err(error) = call.await else { panic!("the server does not answer") };
    assert!(began.elapsed() < PATIENCE + Duration::from_secs(5), "{:?}", began.elapsed());
    error
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error_and_found_when_it_is() {
    let mut server = Server::start();
    let store = server.client_with(Clock::System, PATIENCE);
    server.kill();
    quickly(store.reserve(ask("a", vec![budget("month", 1)]))).await;
    quickly(store.settle("a", spent(1))).await;
    quickly(store.open_reservations()).await;
    server.run();
    until_it_answers(&store).await;
    assert!(granted(&store.reserve(ask("a", vec![budget("month", 1)])).await.unwrap()));
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_an_error_in_time() {
    let server = Server::start();
    let store = server.client_with(Clock::System, PATIENCE);
    assert!(granted(&store.reserve(ask("a", vec![budget("total", 40)])).await.unwrap()));
    server.signal("-STOP");
    let error = quickly(store.reserve(ask("b", vec![budget("total", 40)]))).await;
    assert!(error.reason.contains("700 ms"), "{error}");
    quickly(store.settle("a", spent(1))).await;
    quickly(store.expire()).await;
    server.signal("-CONT");
    until_it_answers(&store).await;
    // Whether it was carried out or not: asked again, it is held once.
    assert!(granted(&store.reserve(ask("b", vec![budget("total", 40)])).await.unwrap()));
    let standing = standing(&store, &budget("total", 0)).await;
    assert!([(0, 80), (1, 40)].contains(&(standing.used, standing.reserved)), "{standing:?}");
}

#[tokio::test]
async fn a_connection_that_was_cut_is_made_again() {
    let server = Server::start();
    let store = by_server(&server);
    store.ping().await.unwrap();
    for id in ["a", "b", "c"] {
        // The connection that asks is left alone.
        let cut: u64 = server.command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
        assert_eq!(cut, 1);
        assert!(granted(&store.reserve(ask(id, vec![budget("total", 10)])).await.unwrap()));
    }
    assert_eq!(standing(&store, &budget("total", 0)).await.reserved, 30);
}

#[tokio::test]
async fn a_server_that_has_lost_the_scripts_is_given_them_again() {
    let server = Server::start();
    let store = by_server(&server);
    store.reserve(ask("a", vec![budget("total", 10)])).await.unwrap();
    let _: String = server.command(&["SCRIPT", "FLUSH"]).await;
    assert!(store.settle("a", spent(7)).await.unwrap().is_some());
    assert_eq!(standing(&store, &budget("total", 0)).await.used, 7);
}

#[tokio::test]
async fn processes_count_together_and_settle_for_each_other() {
    let server = Server::start();
    let (one, other) = (by_server(&server), by_server(&server));
    let claims = || vec![budget("month", 60), claim("bucket", Measure::Requests, "bucket 1h", 5, 1)];
    assert!(granted(&one.reserve(ask("a", claims())).await.unwrap()));
    assert!(!granted(&other.reserve(ask("b", claims())).await.unwrap()));
    let more = Amounts { micro_dollars: 10, ..Amounts::default() };
    assert_eq!(other.extend("a", more).await.unwrap(), Some(Extended::Granted));
    let settled = other.settle("a", spent(20)).await.unwrap().unwrap();
    assert_eq!((settled.subject.as_str(), settled.movements[0].after), ("whose a", 20));
    assert!(one.settle("a", spent(20)).await.unwrap().is_none());
    // An id that was used up may come again, with other claims, elsewhere.
    other.reserve(ask("a", vec![budget("month", 30)])).await.unwrap();
    one.reserve(ask("c", claims()[1..].to_vec())).await.unwrap();
    assert!(one.settle("a", spent(30)).await.unwrap().is_some());
    assert_eq!(standing(&one, &budget("month", 0)).await.used, 50);
}

#[tokio::test]
async fn an_expired_reservation_is_charged_by_one_process() {
    let server = Server::start();
    let time = Arc::new(AtomicU64::new(START));
    let clock = || Clock::Manual(time.clone());
    let stores: Vec<_> = (0..4).map(|_| Arc::new(server.client(clock()))).collect();
    for id in 0..50 {
        stores[id % 4].reserve(ask(&id.to_string(), vec![budget("total", 1)])).await.unwrap();
    }
    time.fetch_add(100 * SECOND, Ordering::SeqCst);
    let tasks =
        stores.iter().cloned().map(|store| tokio::spawn(async move { store.expire().await.unwrap() }));
    let mut ids = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        ids.extend(task.await.unwrap().into_iter().map(|settled| settled.id));
    }
    ids.sort_unstable();
    let before = ids.len();
    ids.dedup();
    assert_eq!((ids.len(), before), (50, 50));
    assert_eq!(standing(&stores[0], &budget("total", 0)).await.used, 50);
}

#[tokio::test]
async fn the_server_tells_the_time() {
    let server = Server::start();
    let store = by_server(&server);
    let claims = ["minute", "month Europe/Berlin", "sliding 1h", "bucket 1h"];
    let claims = claims.map(|window| Claim { counter: window.to_owned(), ..budget(window, 50) });
    let before = to_us(SystemTime::now());
    let outcome = store.reserve(ask("a", claims.to_vec())).await.unwrap();
    let after = to_us(SystemTime::now());
    let Outcome::Granted { standings, .. } = outcome else { panic!("{outcome:?}") };
    for (claim, standing) in claims.iter().zip(standings).take(2) {
        let Window::Calendar(unit, zone) = &claim.window else { unreachable!() };
        let reset = |now| unit.bounds(zone, now).1 - now;
        // The window may end while we look.
        if unit.bounds(zone, before) == unit.bounds(zone, after) {
            let expected = reset(after)..=reset(before);
            assert!(expected.contains(&standing.reset_us.unwrap()), "{claim:?} {standing:?}");
        }
    }
}

#[tokio::test]
async fn a_clock_that_is_not_the_servers_is_corrected() {
    let server = Server::start();
    let right = by_server(&server);
    let wrong = by_server(&server);
    // More than the windows before and after now, either way.
    for (id, ahead) in [("a", 400_000_000_000i64), ("b", -400_000_000_000)] {
        wrong.set_ahead(ahead);
        assert!(granted(&wrong.reserve(ask(id, vec![budget("hour", 30)])).await.unwrap()));
        wrong.set_ahead(ahead);
        let (by_wrong, by_right) =
            (standing(&wrong, &budget("hour", 0)).await, standing(&right, &budget("hour", 0)).await);
        assert_eq!(by_wrong.reserved, by_right.reserved);
        wrong.set_ahead(ahead);
        let more = Amounts { micro_dollars: 10, ..Amounts::default() };
        assert_eq!(wrong.extend(id, more).await.unwrap(), Some(Extended::Granted));
    }
}

#[tokio::test]
async fn numbers_stop_where_doubles_are_exact() {
    let server = Server::start();
    let store = server.client(Clock::Manual(Arc::new(AtomicU64::new(START))));
    let most = (1u64 << 53) - 1;
    let unlimited = |amount| Claim { ceiling: u64::MAX, ..budget("total", amount) };
    store.reserve(ask("a", vec![unlimited(most - 5)])).await.unwrap();
    store.reserve(ask("b", vec![unlimited(u64::MAX)])).await.unwrap();
    assert_eq!(standing(&store, &budget("total", 0)).await.reserved, most);
    store.settle("a", spent(u64::MAX)).await.unwrap();
    store.settle("b", spent(7)).await.unwrap();
    let full = Claim { ceiling: most - 1, ..budget("total", 0) };
    assert_eq!(standing(&store, &full).await.used, most);
    assert!(!granted(&store.reserve(ask("c", vec![full])).await.unwrap()));
}

#[tokio::test]
async fn what_is_as_if_new_is_forgotten_and_all_keys_stay_together() {
    let server = Server::start();
    let store = by_server(&server);
    let windows = ["total", "minute", "sliding 1s", "bucket 1s"];
    let mut claims =
        windows.map(|window| Claim { counter: window.to_owned(), ..budget(window, 50) }).to_vec();
    claims.push(claim("open", Measure::Concurrent, "total", 5, 1));
    store.reserve(ask("a", claims)).await.unwrap();
    let mut keys: Vec<String> = server.command(&["KEYS", "*"]).await;
    keys.sort_unstable();
    assert_eq!(
        keys,
        [
            "{test}:bucket 1s:bucket 1s",
            "{test}:concurrent:open",
            "{test}:expiries",
            "{test}:minute:minute",
            "{test}:reservation:a",
            "{test}:sliding 1s:sliding 1s",
            "{test}:total:total",
        ]
    );
    let mut lives = Vec::new();
    for key in
        ["bucket 1s:bucket 1s", "minute:minute", "sliding 1s:sliding 1s", "total:total", "concurrent:open"]
    {
        let left: i64 = server.command(&["PTTL", &format!("{{test}}:{key}")]).await;
        lives.push(if left < 0 { left } else { (left - 1) / 60_000 });
    }
    // A minute, and for the minute's counter what is left of its own.
    assert_eq!(lives, [1, 1, 1, -1, -1]);
    store.settle("a", spent(1)).await.unwrap();
    let left: Vec<String> = server.command(&["KEYS", "{test}:[cre]*"]).await;
    assert_eq!(left, Vec::<String>::new());
}

#[tokio::test]
async fn a_cluster_says_where_the_keys_are() {
    let nodes = [(); 2]
        .map(|()| Server::start_with(&["--cluster-enabled", "yes", "--cluster-require-full-coverage", "no"]));
    // The first node has no slot, and knows by the other that it has them all.
    let _: String = nodes[1].command(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]).await;
    let _: String = nodes[0].command(&["CLUSTER", "MEET", "127.0.0.1", &nodes[1].port().to_string()]).await;
    let began = Instant::now();
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    for node in &nodes {
        loop {
            let info: String = node.command(&["CLUSTER", "INFO"]).await;
            if info.contains("cluster_state:ok") && info.contains("cluster_slots_ok:16384") {
                break;
            }
            assert!(began.elapsed() < Duration::from_secs(30), "{info}");
            tick.tick().await;
        }
    }
    let store = by_server(&nodes[0]);
    assert!(granted(&store.reserve(ask("a", vec![budget("total", 10)])).await.unwrap()));
    assert!(store.settle("a", spent(7)).await.unwrap().is_some());
    assert_eq!(standing(&store, &budget("total", 0)).await.used, 7);
    let keys: u64 = nodes[1].command(&["DBSIZE"]).await;
    assert_eq!(keys, 1);
}

#[test]
fn an_address_that_is_none_is_refused() {
    for (url, prefix) in
        [("http://127.0.0.1", "a"), ("redis://127.0.0.1:port", "a"), ("redis://127.0.0.1", "")]
    {
        let settings = Settings {
            url: url.to_owned(),
            prefix: prefix.to_owned(),
            timeout: Settings::TIMEOUT,
            clock: Clock::System,
        };
        assert!(Redis::connect(settings).is_err(), "{url}");
    }
}
