//! What every store does: the same tests over all of them, and random operations against a simple model.
//!
//! The Redis server is the one that `tests/setup.sh` puts into `.tools`; `WEIRGATE_REDIS_SERVER` names another.

mod conformance;
mod model;
mod random;
mod redis;
mod server;

use super::memory::Memory;
use super::redis::{Redis, Settings};
use super::{Alternative, Amounts, Ask, Claim, Clock, Measure, Outcome, Standing, Store, Used};
pub(crate) use server::Server;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const SECOND: u64 = 1_000_000;
/// A minute of the clock begins here.
const START: u64 = 1_800_000_000 * SECOND;

/// A store and the time by which it counts.
struct Fixture {
    time: Arc<AtomicU64>,
    place: Place,
    store: Option<Arc<dyn Store>>,
}

/// Where a store keeps what it knows.
enum Place {
    Nowhere(Arc<Memory>),
    Folder(tempfile::TempDir),
    Server(Server),
}

impl Fixture {
    fn memory() -> Self {
        let time = Arc::new(AtomicU64::new(START));
        let memory = Arc::new(Memory::new(Clock::Manual(time.clone())));
        Self { time, store: Some(memory.clone()), place: Place::Nowhere(memory) }
    }

    fn folder() -> Self {
        Self::new(Place::Folder(tempfile::tempdir().unwrap()))
    }

    fn redis() -> Self {
        Self::new(Place::Server(Server::start()))
    }

    fn new(place: Place) -> Self {
        let mut fixture = Self { time: Arc::new(AtomicU64::new(START)), place, store: None };
        fixture.store = Some(fixture.open());
        fixture
    }

    fn open(&self) -> Arc<dyn Store> {
        let clock = Clock::Manual(self.time.clone());
        match &self.place {
            Place::Nowhere(memory) => memory.clone(),
            Place::Folder(folder) => Arc::new(Memory::open(folder.path(), clock).unwrap()),
            Place::Server(server) => Arc::new(server.client(clock)),
        }
    }

    fn store(&self) -> &dyn Store {
        self.store.as_deref().unwrap()
    }

    /// Ends the process that uses the store, and begins another. A store that is kept nowhere stays.
    fn reopen(&mut self) {
        // A folder belongs to one process at a time.
        self.store = None;
        self.store = Some(self.open());
    }

    /// The same, and kills the server too.
    fn crash(&mut self) {
        if let Place::Server(server) = &mut self.place {
            server.kill();
            server.run();
        }
        self.reopen();
    }

    /// Lets a store in memory forget what it need not know.
    fn maintain(&self) {
        if let Place::Nowhere(memory) = &self.place {
            memory.maintain().unwrap();
        }
    }

    fn now(&self) -> u64 {
        self.time.load(Ordering::SeqCst)
    }

    fn set_time(&self, now: u64) {
        self.time.store(now, Ordering::SeqCst);
    }

    fn pass(&self, seconds: u64) {
        self.time.fetch_add(seconds * SECOND, Ordering::SeqCst);
    }

    async fn reserve(&self, ask: Ask) -> Outcome {
        self.store().reserve(ask).await.unwrap()
    }

    async fn standing(&self, claim: &Claim) -> Standing {
        self.store().standings(std::slice::from_ref(claim)).await.unwrap()[0]
    }

    async fn used_and_reserved(&self, claim: &Claim) -> (u64, u64) {
        let standing = self.standing(claim).await;
        (standing.used, standing.reserved)
    }
}

fn claim(counter: &str, measure: Measure, window: &str, limit: u64, amount: u64) -> Claim {
    Claim {
        counter: counter.to_owned(),
        measure,
        window: window.parse().unwrap(),
        limit,
        ceiling: limit,
        admits: None,
        amount,
        providers: Vec::new(),
        overruns: false,
        local: None,
    }
}

/// A claim on a budget of 100 micro-dollars.
fn budget(window: &str, amount: u64) -> Claim {
    claim("budget", Measure::MicroDollars, window, 100, amount)
}

fn ask(id: &str, claims: Vec<Claim>) -> Ask {
    let of = |measure| claims.iter().filter(|claim| claim.measure == measure).map(|claim| claim.amount).sum();
    let amounts = Amounts { micro_dollars: of(Measure::MicroDollars), requests: 1, ..Amounts::default() };
    let alternatives = vec![Alternative { claims, amounts }];
    Ask {
        id: id.to_owned(),
        alternatives,
        subject: format!("whose {id}"),
        lifetime: Duration::from_secs(100),
    }
}

fn spent(micro_dollars: u64) -> Used {
    let amounts = Amounts { micro_dollars, requests: 1, ..Amounts::default() };
    Used { amounts, at_least_reserved: false, provider: String::new() }
}

fn granted(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Granted { .. })
}

fn wait(outcome: Outcome) -> Option<u64> {
    match outcome {
        Outcome::Refused(refused) => refused.wait_us,
        granted => panic!("{granted:?}"),
    }
}
