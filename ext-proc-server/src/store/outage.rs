//! What happens while a store cannot be used.
//!
//! Each claim says what one process may let pass by its own count meanwhile, or that nothing may pass ([`Claim::local`]). What passed
//! is counted in memory here, and is counted in the store when that is back, whether it fits or not: it has been used. Settlements
//! that the store did not take are kept and brought again. A process that ends before that loses what it owed; reservations that
//! the store holds are then charged as reserved when they expire.

use super::{
    Alternative, Amounts, Ask, Claim, Clock, Extended, Memory, Movement, Outcome, Settled, Standing, Store,
    StoreError, Used,
};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long the store has to take what is owed before it expires there.
const OWED_LIFETIME: Duration = Duration::from_secs(60);
/// What is owed at most; more is charged as reserved when it expires.
const OWED: usize = 1_000_000;

/// A store, and what stands in for it.
#[derive(Debug)]
pub struct Guarded {
    store: Arc<dyn Store>,
    local: Memory,
    /// The store did not answer, so it is not asked until it has answered a probe.
    down: AtomicBool,
    debts: Mutex<Debts>,
    /// What came of settlements that were brought again.
    late: Mutex<Vec<Movement>>,
}

#[derive(Debug, Default)]
struct Debts {
    /// Requests that passed here and are under way: what they took.
    local: HashMap<String, Ask>,
    /// Requests that passed here and have ended.
    used: Vec<(Ask, Used)>,
    /// Settlements that the store did not take.
    unsettled: Vec<(String, Used)>,
}

impl Guarded {
    /// Stands in for this store.
    pub fn new(store: Arc<dyn Store>, clock: Clock) -> Self {
        Self {
            store,
            local: Memory::new(clock),
            down: AtomicBool::new(false),
            debts: Mutex::default(),
            late: Mutex::default(),
        }
    }

    /// Whether the store is passed over at the moment.
    pub fn is_down(&self) -> bool {
        self.down.load(Ordering::Relaxed)
    }

    fn debts(&self) -> MutexGuard<'_, Debts> {
        self.debts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an answer of the store, or notes that there is none.
    fn heard<T>(&self, answer: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(error) = &answer
            && !self.down.swap(true, Ordering::Relaxed)
        {
            tracing::error!(%error, "the store cannot be used; limits hold as they say for this case");
        }
        answer
    }

    fn unavailable() -> StoreError {
        StoreError { reason: "it did not answer before".to_owned() }
    }

    /// Counts a request here, if all of its limits allow that.
    async fn reserve_here(&self, ask: Ask, error: StoreError) -> Result<Outcome, StoreError> {
        let here: Option<Vec<Alternative>> = ask.alternatives.iter().map(counted_here).collect();
        let Some(alternatives) = here else { return Err(error) };
        let local = Ask { alternatives, ..ask.clone() };
        let outcome = self.local.reserve(local).await?;
        if let Outcome::Granted { alternative, .. } = &outcome {
            let taken = ask.alternatives.get(*alternative).cloned().unwrap_or_default();
            self.debts().local.insert(ask.id.clone(), Ask { alternatives: vec![taken], ..ask });
        }
        Ok(outcome)
    }

    /// Brings the store what it has missed, once it answers again.
    async fn reconcile(&self) {
        if self.is_down() {
            if self.store.open_reservations().await.is_err() {
                return;
            }
            self.down.store(false, Ordering::Relaxed);
            tracing::warn!("the store can be used again");
        }
        let (used, unsettled) = {
            let mut debts = self.debts();
            (std::mem::take(&mut debts.used), std::mem::take(&mut debts.unsettled))
        };
        let mut unsettled = unsettled.into_iter();
        while let Some((id, used)) = unsettled.next() {
            match self.heard(self.store.settle(&id, used.clone()).await) {
                Ok(settled) => self.moved(settled),
                Err(_) => {
                    self.debts().unsettled.extend(std::iter::once((id, used)).chain(unsettled));
                    break;
                }
            }
        }
        let mut used = used.into_iter();
        while let Some((ask, spent)) = used.next() {
            if self.is_down() || self.charge(&ask, &spent).await.is_err() {
                self.debts().used.extend(std::iter::once((ask, spent)).chain(used));
                break;
            }
        }
    }

    /// Counts in the store what was used without it, whether it fits or not.
    async fn charge(&self, ask: &Ask, used: &Used) -> Result<(), StoreError> {
        let mut ask = Ask { lifetime: OWED_LIFETIME, ..ask.clone() };
        for claim in ask.alternatives.iter_mut().flat_map(|alternative| &mut alternative.claims) {
            (claim.ceiling, claim.admits) = (u64::MAX, None);
        }
        let id = ask.id.clone();
        self.heard(self.store.reserve(ask).await)?;
        let settled = self.heard(self.store.settle(&id, used.clone()).await)?;
        self.moved(settled);
        Ok(())
    }

    fn moved(&self, settled: Option<Settled>) {
        let movements = settled.into_iter().flat_map(|settled| settled.movements);
        self.late.lock().unwrap_or_else(PoisonError::into_inner).extend(movements);
    }
}

/// An alternative as one process may count it; `None`: it may not.
fn counted_here(alternative: &Alternative) -> Option<Alternative> {
    let claims = alternative.claims.iter().map(|claim| {
        let ceiling = if claim.ceiling == u64::MAX { u64::MAX } else { claim.ceiling.min(claim.local?) };
        Some(Claim { ceiling, ..claim.clone() })
    });
    Some(Alternative { claims: claims.collect::<Option<_>>()?, amounts: alternative.amounts })
}

#[tonic::async_trait]
impl Store for Guarded {
    async fn reserve(&self, ask: Ask) -> Result<Outcome, StoreError> {
        if self.is_down() {
            return self.reserve_here(ask, Self::unavailable()).await;
        }
        match self.heard(self.store.reserve(ask.clone()).await) {
            Ok(outcome) => Ok(outcome),
            Err(error) => self.reserve_here(ask, error).await,
        }
    }

    async fn extend(&self, id: &str, more: Amounts) -> Result<Option<Extended>, StoreError> {
        if let Some(extended) = self.local.extend(id, more).await? {
            return Ok(Some(extended));
        }
        if self.is_down() {
            return Err(Self::unavailable());
        }
        self.heard(self.store.extend(id, more).await)
    }

    async fn settle(&self, id: &str, used: Used) -> Result<Option<Settled>, StoreError> {
        if let Some(mut settled) = self.local.settle(id, used.clone()).await? {
            // They are told when the store has counted it.
            settled.movements.clear();
            let mut debts = self.debts();
            if let Some(ask) = debts.local.remove(id)
                && debts.used.len() < OWED
            {
                debts.used.push((ask, used));
            }
            return Ok(Some(settled));
        }
        let answer = match self.is_down() {
            true => Err(Self::unavailable()),
            false => self.heard(self.store.settle(id, used.clone()).await),
        };
        if answer.is_err() {
            let mut debts = self.debts();
            if debts.unsettled.len() < OWED {
                debts.unsettled.push((id.to_owned(), used));
            }
        }
        answer
    }

    async fn expire(&self) -> Result<Vec<Settled>, StoreError> {
        let mut expired = self.local.expire().await?;
        for settled in &mut expired {
            // They are told when the store has counted it.
            settled.movements.clear();
            let mut debts = self.debts();
            if let Some(ask) = debts.local.remove(&settled.id) {
                let used =
                    Used { amounts: Amounts::default(), at_least_reserved: true, provider: String::new() };
                debts.used.push((ask, used));
            }
        }
        self.reconcile().await;
        if !self.is_down() {
            match self.heard(self.store.expire().await) {
                Ok(more) => expired.extend(more),
                Err(error) if expired.is_empty() => return Err(error),
                // Of those that were charged here somebody has to be told.
                Err(_) => {}
            }
        }
        Ok(expired)
    }

    async fn close(&self) -> Result<Vec<Settled>, StoreError> {
        self.store.close().await
    }

    fn late(&self) -> Vec<Movement> {
        let mut late = self.store.late();
        late.append(&mut self.late.lock().unwrap_or_else(PoisonError::into_inner));
        late
    }

    async fn standings(&self, claims: &[Claim]) -> Result<Vec<Standing>, StoreError> {
        if self.is_down() {
            return Err(Self::unavailable());
        }
        self.heard(self.store.standings(claims).await)
    }

    async fn open_reservations(&self) -> Result<u64, StoreError> {
        if self.is_down() {
            return Err(Self::unavailable());
        }
        self.heard(self.store.open_reservations().await)
    }

    fn maintain(&self) -> std::io::Result<()> {
        self.store.maintain()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Measure;
    use std::sync::atomic::AtomicU64;

    /// A store that can be taken away.
    #[derive(Debug)]
    struct Removable {
        memory: Memory,
        away: AtomicBool,
    }

    impl Removable {
        fn there(&self) -> Result<&Memory, StoreError> {
            match self.away.load(Ordering::SeqCst) {
                false => Ok(&self.memory),
                true => Err(StoreError { reason: "away".to_owned() }),
            }
        }
    }

    #[tonic::async_trait]
    impl Store for Removable {
        async fn reserve(&self, ask: Ask) -> Result<Outcome, StoreError> {
            self.there()?.reserve(ask).await
        }
        async fn extend(&self, id: &str, more: Amounts) -> Result<Option<Extended>, StoreError> {
            self.there()?.extend(id, more).await
        }
        async fn settle(&self, id: &str, used: Used) -> Result<Option<Settled>, StoreError> {
            self.there()?.settle(id, used).await
        }
        async fn expire(&self) -> Result<Vec<Settled>, StoreError> {
            self.there()?.expire().await
        }
        async fn standings(&self, claims: &[Claim]) -> Result<Vec<Standing>, StoreError> {
            self.there()?.standings(claims).await
        }
        async fn open_reservations(&self) -> Result<u64, StoreError> {
            self.there()?.open_reservations().await
        }
    }

    fn guarded() -> (Arc<Removable>, Guarded) {
        let clock = Clock::Manual(Arc::new(AtomicU64::new(1_800_000_000_000_000)));
        let store = Arc::new(Removable { memory: Memory::new(clock.clone()), away: AtomicBool::new(false) });
        (store.clone(), Guarded::new(store, clock))
    }

    fn claim(measure: Measure, local: Option<u64>) -> Claim {
        Claim {
            counter: measure.as_str().to_owned(),
            measure,
            window: "month".parse().unwrap(),
            limit: 100,
            ceiling: 100,
            admits: None,
            amount: if measure == Measure::Requests { 1 } else { 40 },
            providers: Vec::new(),
            overruns: false,
            local,
        }
    }

    fn ask(id: &str, claims: Vec<Claim>) -> Ask {
        let alternatives = vec![Alternative { claims, amounts: Amounts::default() }];
        Ask { id: id.to_owned(), alternatives, subject: String::new(), lifetime: Duration::from_secs(100) }
    }

    fn used(micro_dollars: u64) -> Used {
        let amounts = Amounts { micro_dollars, requests: 1, ..Amounts::default() };
        Used { amounts, at_least_reserved: false, provider: String::new() }
    }

    fn granted(outcome: &Outcome) -> bool {
        matches!(outcome, Outcome::Granted { .. })
    }

    #[tokio::test]
    async fn money_is_refused_and_rates_pass_up_to_their_local_amount() {
        let (store, guarded) = guarded();
        store.away.store(true, Ordering::SeqCst);
        let rate = |id| ask(id, vec![claim(Measure::Requests, Some(2))]);
        let money = ask("m", vec![claim(Measure::Requests, Some(2)), claim(Measure::MicroDollars, None)]);
        assert!(guarded.reserve(money).await.is_err());
        assert!(granted(&guarded.reserve(rate("a")).await.unwrap()));
        assert!(granted(&guarded.reserve(rate("b")).await.unwrap()));
        assert!(!granted(&guarded.reserve(rate("c")).await.unwrap()));
    }

    #[tokio::test]
    async fn what_passed_meanwhile_is_counted_when_the_store_is_back() {
        let (store, guarded) = guarded();
        let money = |id| ask(id, vec![claim(Measure::MicroDollars, Some(100))]);
        guarded.reserve(money("before")).await.unwrap();
        store.away.store(true, Ordering::SeqCst);
        assert!(guarded.settle("before", used(30)).await.is_err());
        guarded.reserve(money("meanwhile")).await.unwrap();
        assert!(guarded.settle("meanwhile", used(35)).await.unwrap().is_some());
        guarded.expire().await.unwrap();
        store.away.store(false, Ordering::SeqCst);
        guarded.expire().await.unwrap();
        let standing = guarded.standings(&[claim(Measure::MicroDollars, None)]).await.unwrap()[0];
        assert_eq!((standing.used, standing.reserved), (65, 0));
        // Nobody was told of them when they were settled.
        let late: Vec<_> = guarded.late().iter().map(|moved| (moved.before, moved.after)).collect();
        assert_eq!(late, [(0, 30), (30, 65)]);
        assert!(guarded.late().is_empty());
        guarded.expire().await.unwrap();
        assert_eq!(guarded.standings(&[claim(Measure::MicroDollars, None)]).await.unwrap()[0].used, 65);
    }

    #[tokio::test]
    async fn a_store_that_did_not_answer_is_not_waited_for_again_until_it_does() {
        let (store, guarded) = guarded();
        store.away.store(true, Ordering::SeqCst);
        let rate = |id| ask(id, vec![claim(Measure::Requests, Some(100))]);
        guarded.reserve(rate("a")).await.unwrap();
        store.away.store(false, Ordering::SeqCst);
        guarded.reserve(rate("b")).await.unwrap();
        assert_eq!(store.memory.open_reservations().await.unwrap(), 0);
        guarded.expire().await.unwrap();
        guarded.reserve(rate("c")).await.unwrap();
        assert_eq!(store.memory.open_reservations().await.unwrap(), 1);
    }
}
