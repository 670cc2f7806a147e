use super::*;
use crate::store::Memory;

const START: u64 = 1_800_000_000 * SECOND_US;
const LIMIT: u64 = 100_000;

/// Two processes with one store.
struct Fixture {
    time: Arc<AtomicU64>,
    store: Arc<Memory>,
    processes: [Leased; 2],
}

impl Fixture {
    fn new() -> Self {
        let time = Arc::new(AtomicU64::new(START));
        let clock = Clock::Manual(time.clone());
        let store = Arc::new(Memory::new(clock.clone()));
        let processes = [(); 2].map(|()| Leased::new(store.clone(), 2, clock.clone()));
        Self { time, store, processes }
    }

    fn pass(&self, us: u64) {
        self.time.fetch_add(us, Ordering::SeqCst);
    }

    async fn standing(&self) -> Standing {
        self.store.standings(&[claim(0)]).await.unwrap()[0]
    }

    /// What the store has counted, and holds.
    async fn counted(&self) -> (u64, u64) {
        let standing = self.standing().await;
        (standing.used, standing.reserved)
    }
}

fn claim(amount: u64) -> Claim {
    Claim {
        counter: "budget".to_owned(),
        measure: Measure::MicroDollars,
        window: "hour".parse().unwrap(),
        limit: LIMIT,
        ceiling: LIMIT,
        admits: None,
        amount,
        providers: Vec::new(),
        overruns: false,
        local: None,
    }
}

fn ask(id: &str, amount: u64) -> Ask {
    let amounts = Amounts { micro_dollars: amount, requests: 1, ..Amounts::default() };
    Ask {
        id: id.to_owned(),
        alternatives: vec![Alternative { claims: vec![claim(amount)], amounts }],
        subject: format!("whose {id}"),
        lifetime: Duration::from_secs(100),
    }
}

fn used(micro_dollars: u64) -> Used {
    let amounts = Amounts { micro_dollars, requests: 1, ..Amounts::default() };
    Used { amounts, at_least_reserved: false, provider: String::new() }
}

fn granted(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Granted { .. })
}

/// Makes a group hot: the last of these requests has a lease.
async fn heat(process: &Leased, amount: u64) {
    for number in 0..HOT {
        let id = format!("heat {number}");
        assert!(granted(&process.reserve(ask(&id, amount)).await.unwrap()));
        process.settle(&id, used(0)).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_rarely_asked_for_asks_the_store() {
    let at = Fixture::new();
    for number in 0..10 {
        at.processes[0].reserve(ask(&number.to_string(), 10)).await.unwrap();
        at.pass(SECOND_US / 10);
    }
    assert_eq!(at.counted().await, (0, 100));
    assert_eq!(at.store.open_reservations().await.unwrap(), 10);
}

#[tokio::test]
async fn a_hot_group_takes_a_share_at_a_time() {
    let at = Fixture::new();
    heat(&at.processes[0], 10).await;
    // One lease of 128 requests, all of which have been shared out by it since.
    assert_eq!(at.counted().await, (0, 1_280));
    for number in 0..100 {
        assert!(granted(&at.processes[0].reserve(ask(&number.to_string(), 10)).await.unwrap()));
    }
    assert_eq!(at.counted().await, (0, 1_280));
    assert_eq!(at.store.open_reservations().await.unwrap(), 1);
    // No lease is larger than its share of the limit.
    heat(&at.processes[1], 500).await;
    assert_eq!(at.counted().await, (0, 1_280 + LIMIT / 100 * 2));
}

#[tokio::test]
async fn what_is_not_used_is_given_back_after_a_second() {
    let at = Fixture::new();
    heat(&at.processes[0], 10).await;
    at.processes[0].reserve(ask("a", 10)).await.unwrap();
    let settled = at.processes[0].settle("a", used(7)).await.unwrap().unwrap();
    assert_eq!((settled.subject.as_str(), settled.reserved.micro_dollars), ("whose a", 10));
    assert_eq!(at.processes[0].settle("a", used(7)).await.unwrap(), None);
    at.pass(SECOND_US);
    at.processes[0].expire().await.unwrap();
    assert_eq!(at.counted().await, (7, 0));
    let moved = at.processes[0].late();
    assert_eq!((moved[0].before, moved[0].after), (0, 7));
}

#[tokio::test]
async fn near_a_limit_every_request_asks_the_store() {
    let at = Fixture::new();
    let most = ask("most", LIMIT - 500);
    at.store.reserve(most).await.unwrap();
    for number in 0..50 {
        assert!(granted(&at.processes[0].reserve(ask(&number.to_string(), 10)).await.unwrap()));
    }
    assert!(!granted(&at.processes[0].reserve(ask("one more", 10)).await.unwrap()));
    assert_eq!(at.counted().await, (0, LIMIT));
}

#[tokio::test]
async fn a_request_of_the_next_window_is_counted_there() {
    let at = Fixture::new();
    let to_end = 3_600 * SECOND_US - START % (3_600 * SECOND_US);
    at.pass(to_end - SECOND_US / 2);
    heat(&at.processes[0], 10).await;
    at.processes[0].reserve(ask("before", 10)).await.unwrap();
    at.pass(SECOND_US / 2);
    at.processes[0].reserve(ask("after", 10)).await.unwrap();
    assert_eq!(at.counted().await.0, 0);
    at.processes[0].settle("before", used(9)).await.unwrap();
    at.processes[0].settle("after", used(8)).await.unwrap();
    at.pass(SECOND_US);
    at.processes[0].expire().await.unwrap();
    assert_eq!(at.counted().await, (8, 0));
}

#[tokio::test]
async fn what_nobody_settles_is_charged_as_reserved() {
    let at = Fixture::new();
    heat(&at.processes[0], 10).await;
    at.processes[0].reserve(ask("lost", 10)).await.unwrap();
    at.pass(100 * SECOND_US);
    let expired = at.processes[0].expire().await.unwrap();
    assert_eq!(expired.iter().map(|settled| settled.id.as_str()).collect::<Vec<_>>(), ["lost"]);
    assert_eq!(at.counted().await, (10, 0));
}

#[tokio::test]
async fn a_killed_process_leaves_its_lease_to_expire() {
    let at = Fixture::new();
    heat(&at.processes[0], 10).await;
    at.pass(200 * SECOND_US);
    let expired = at.processes[1].expire().await.unwrap();
    assert!(expired.iter().all(|settled| is_lease(&settled.subject)));
    assert_eq!(at.counted().await, (1_280, 0));
}

#[tokio::test]
async fn a_process_that_ends_gives_back_what_it_holds() {
    let at = Fixture::new();
    heat(&at.processes[0], 10).await;
    at.processes[0].reserve(ask("open", 10)).await.unwrap();
    let left = at.processes[0].close().await.unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(at.counted().await, (10, 0));
}

#[tokio::test]
async fn a_stream_takes_more_from_its_lease_and_then_from_the_store() {
    let at = Fixture::new();
    heat(&at.processes[0], 10).await;
    at.processes[0].reserve(ask("long", 10)).await.unwrap();
    let more = |micro_dollars| Amounts { micro_dollars, ..Amounts::default() };
    assert_eq!(at.processes[0].extend("long", more(1_000)).await.unwrap(), Some(Extended::Granted));
    assert_eq!(at.counted().await, (0, 1_280));
    assert_eq!(at.processes[0].extend("long", more(5_000)).await.unwrap(), Some(Extended::Granted));
    assert_eq!(at.counted().await, (0, 6_280));
    let refused = at.processes[0].extend("long", more(LIMIT)).await.unwrap();
    assert!(matches!(refused, Some(Extended::Refused { .. })), "{refused:?}");
    at.processes[0].settle("long", used(6_000)).await.unwrap();
    at.pass(SECOND_US);
    at.processes[0].expire().await.unwrap();
    assert_eq!(at.counted().await, (6_000, 0));
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

#[tokio::test]
async fn no_sequence_passes_the_limit_or_loses_what_was_used() {
    for seed in 0..200 {
        let mut random = Random(seed);
        let at = Fixture::new();
        let mut open: Vec<(usize, String, u64)> = Vec::new();
        let (mut spent, mut held, mut refused) = (0, 0, 0);
        for number in 0..2_000 {
            match random.below(10) {
                0..6 => {
                    let (which, amount) = (random.below(2) as usize, 1 + random.below(300));
                    let id = format!("{seed} {number}");
                    if granted(&at.processes[which].reserve(ask(&id, amount)).await.unwrap()) {
                        open.push((which, id, amount));
                        held += amount;
                    } else {
                        refused += 1;
                    }
                }
                6..9 if !open.is_empty() => {
                    let (which, id, amount) = open.swap_remove(random.below(open.len() as u64) as usize);
                    let actual = random.below(amount + 1);
                    at.processes[which].settle(&id, used(actual)).await.unwrap().unwrap();
                    spent += actual;
                    held -= amount;
                }
                9 => {
                    at.pass(random.below(SECOND_US / 20));
                    at.processes[random.below(2) as usize].expire().await.unwrap();
                }
                _ => {}
            }
            let (used, reserved) = at.counted().await;
            assert!(used + reserved <= LIMIT, "seed {seed}: {used} and {reserved}");
            assert!(
                spent + held <= used + reserved,
                "seed {seed}: {spent} and {held} of {used} and {reserved}"
            );
        }
        assert!(refused > 0, "seed {seed} never came near the limit");
        for (which, id, _) in open {
            at.processes[which].settle(&id, used(1)).await.unwrap();
            spent += 1;
        }
        at.pass(10 * SECOND_US);
        for process in &at.processes {
            process.expire().await.unwrap();
        }
        assert_eq!(at.counted().await, (spent, 0), "seed {seed}");
    }
}
