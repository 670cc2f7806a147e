use super::*;
use crate::store::{Alternative, Measure};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

fn clock() -> (Arc<AtomicU64>, Clock) {
    let time = Arc::new(AtomicU64::new(1_800_000_000_000_000));
    (time.clone(), Clock::Manual(time))
}

fn budget(amount: u64) -> Claim {
    Claim {
        counter: "budget".to_owned(),
        measure: Measure::MicroDollars,
        window: "month".parse().unwrap(),
        limit: 100,
        ceiling: 100,
        admits: None,
        amount,
        providers: Vec::new(),
        overruns: false,
        local: None,
    }
}

fn ask(id: &str, amount: u64) -> Ask {
    let amounts = Amounts { micro_dollars: amount, ..Amounts::default() };
    Ask {
        id: id.to_owned(),
        alternatives: vec![Alternative { claims: vec![budget(amount)], amounts }],
        subject: "whose".to_owned(),
        lifetime: Duration::from_secs(100),
    }
}

fn used(micro_dollars: u64) -> Used {
    let amounts = Amounts { micro_dollars, ..Amounts::default() };
    Used { amounts, at_least_reserved: false, provider: String::new() }
}

async fn standing(store: &Memory) -> (u64, u64) {
    let standing = store.standings(&[budget(0)]).await.unwrap()[0];
    (standing.used, standing.reserved)
}

#[test]
fn concurrent_requests_cannot_pass_a_budget_together() {
    let (_, clock) = clock();
    let store = Memory::new(clock);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
    let granted: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|thread| {
                let (store, runtime) = (&store, &runtime);
                scope.spawn(move || {
                    let ids = (0..100).map(|number| format!("{thread}-{number}"));
                    let reserve = |id: String| runtime.block_on(store.reserve(ask(&id, 1))).unwrap();
                    ids.map(reserve).filter(|outcome| matches!(outcome, Outcome::Granted { .. })).count()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(granted, 100);
}

#[tokio::test]
async fn a_journal_with_a_torn_last_line_is_read_to_there() {
    let folder = tempfile::tempdir().unwrap();
    let (_, clock) = clock();
    let store = Memory::open(folder.path(), clock.clone()).unwrap();
    store.reserve(ask("a", 40)).await.unwrap();
    drop(store);
    let journal = folder.path().join("journal-1.jsonl");
    let mut text = std::fs::read_to_string(&journal).unwrap();
    text.push_str(r#"{"settle":{"now":18000000"#);
    std::fs::write(&journal, text).unwrap();
    let store = Memory::open(folder.path(), clock.clone()).unwrap();
    assert_eq!(standing(&store).await, (0, 40));
    store.settle("a", used(10)).await.unwrap();
    drop(store);
    assert_eq!(standing(&Memory::open(folder.path(), clock).unwrap()).await, (10, 0));
}

#[tokio::test]
async fn a_long_journal_is_followed_by_another_and_nothing_is_lost_between_them() {
    let folder = tempfile::tempdir().unwrap();
    let (_, clock) = clock();
    let store = Memory::open(folder.path(), clock.clone()).unwrap();
    store.reserve(ask("before", 10)).await.unwrap();
    let work = {
        let mut inner = store.inner();
        let Inner { state, journal } = &mut *inner;
        journal.as_mut().unwrap().begin_next(state).unwrap()
    };
    store.reserve(ask("between", 20)).await.unwrap();
    // The process may die before the snapshot is written, or after.
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    assert_eq!(standing(&Memory::open(copy.path(), clock.clone()).unwrap()).await, (0, 30));
    work.run().unwrap();
    store.reserve(ask("after", 40)).await.unwrap();
    drop(store);
    assert_eq!(standing(&Memory::open(folder.path(), clock).unwrap()).await, (0, 70));
}

#[test]
fn a_folder_belongs_to_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let (_, clock) = clock();
    let _first = Memory::open(folder.path(), clock.clone()).unwrap();
    let error = Memory::open(folder.path(), clock).unwrap_err();
    assert!(error.to_string().contains("another process uses"), "{error}");
}
