//! alerts: tells owners by webhook that shares of their limits are used, and that limits refuse.
//!
//! That a share is crossed is read from the movements that the store returns with each settlement. It returns each once, to one process,
//! so services that share a store tell of it once. An event is written to the outbox for each target that wants it, and sent from there
//! by a task that nobody waits for.

mod client;
mod event;
mod outbox;
pub(crate) mod target;

pub use event::Kind;
pub use target::{Address, Only, SigningKey, Target};

use crate::gateway::Gateway;
use crate::policy::Policy;
use crate::policy::limit::{Limit, Mode, Rule};
use crate::policy::rules::only_counts_spend;
use crate::store::window::{Window, length_us, to_us};
use crate::store::{Measure, Movement, Standing};
use client::{Attempt, Client};
use event::Event;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use outbox::{Message, Outbox};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// The outbox's file in the store's folder.
const OUTBOX: &str = "alerts.jsonl";
/// How many deliveries are under way at a time, each to another target.
const AT_ONCE: usize = 4;
/// How long a delivery is tried.
const PATIENCE: Duration = Duration::from_secs(3 * 86_400);
/// The longest time between two attempts.
const LONGEST: Duration = Duration::from_secs(3_600);
/// The times between attempts, as multiples of the first.
const MULTIPLES: [u32; 5] = [1, 6, 24, 120, 720];
/// How many counters are remembered that have refused. Of more than these nobody is told.
const REFUSING: usize = 10_000;
/// How long a limit of requests under way is not told of again.
const CONCURRENT_QUIET: Duration = Duration::from_secs(3_600);

/// Who is told of what, and what is still to be sent.
#[derive(Debug)]
pub struct Alerts {
    targets: Vec<Target>,
    outbox: Arc<Outbox>,
    refusing: Mutex<Refusing>,
    counts: Counts,
}

impl Alerts {
    /// Opens the outbox in a folder; without one it is forgotten when the process ends.
    ///
    /// # Errors
    /// It cannot be read or written.
    pub fn open(targets: Vec<Target>, folder: Option<&Path>) -> std::io::Result<Self> {
        let path = folder.filter(|_| !targets.is_empty()).map(|folder| folder.join(OUTBOX));
        let known = targets.iter().map(|target| target.address.digest()).collect();
        let outbox = Arc::new(Outbox::open(path.as_deref(), &known)?);
        Ok(Self { targets, outbox, refusing: Mutex::default(), counts: Counts::new() })
    }

    /// Tells of the shares that were crossed by settlements, and counts those that soft and shadow limits let pass. What is told is written down when this returns.
    pub(crate) async fn moved(&self, policy: &Policy, movements: &[Movement]) {
        for movement in movements {
            let rule = policy.rules().of_counter(&movement.counter);
            let passed = |limit: &Limit| limit.mode != Mode::Hard && !only_counts_spend(limit);
            if let Some(rule) = rule.filter(|rule| passed(&rule.limit) && movement.after > rule.limit.amount)
            {
                self.counts.refusal(&rule.limit);
            }
        }
        if self.targets.is_empty() {
            return;
        }
        let now_ms = to_us(SystemTime::now()) / 1_000;
        let events = movements.iter().flat_map(|movement| event::of_movement(policy, movement, now_ms));
        let messages: Vec<Message> = events.flat_map(|event| self.messages(event, now_ms)).collect();
        if messages.is_empty() {
            return;
        }
        let outbox = self.outbox.clone();
        if let Err(error) = tokio::task::spawn_blocking(move || outbox.add(messages)).await {
            tracing::error!(%error, "alerts could not be written down");
        }
    }

    /// Tells that a limit has refused a request or ended a stream, if that is the first in its window. `counter`: the one that
    /// stands in the way. Nobody waits for anything.
    pub(crate) fn refused(&self, policy: &Policy, rule: &Rule, counter: &str, standing: &Standing) {
        self.counts.refusal(&rule.limit);
        if !self.targets.iter().any(|target| target.wants_kind(Kind::Refused)) {
            return;
        }
        let now_us = to_us(SystemTime::now());
        let Some(start_us) = self.refusing().begins(counter, now_us, || quiet(rule, now_us)) else {
            return;
        };
        let event = event::of_refusal(policy, rule, counter, standing, start_us, now_us);
        let messages: Vec<Message> = self.messages(event, now_us / 1_000).collect();
        if !messages.is_empty() {
            let outbox = self.outbox.clone();
            tokio::task::spawn_blocking(move || outbox.add(messages));
        }
    }

    /// The deliveries of an event: one for each target that wants it.
    fn messages(&self, event: Event, time_ms: u64) -> impl Iterator<Item = Message> {
        let Event { id, kind, body, belongs } = event;
        let wanted = self.targets.iter().filter(move |target| target.wants(kind, &belongs));
        wanted.map(move |target| Message {
            number: 0,
            id: id.clone(),
            to: target.address.digest(),
            time_ms,
            body: body.clone(),
        })
    }

    /// Brings to the disk what has been written down.
    pub(crate) fn maintain(&self) -> std::io::Result<()> {
        self.outbox.sync()
    }

    /// Metrics as OpenMetrics text, without the line that ends it.
    pub(crate) fn metrics(&self) -> String {
        let mut text = String::new();
        // Writing to a text never fails.
        let _ = encode_registry(&mut text, &self.counts.of_limits);
        if !self.targets.is_empty() {
            self.counts.waiting.set(i64::try_from(self.outbox.waiting()).unwrap_or(i64::MAX));
            let _ = encode_registry(&mut text, &self.counts.registry);
        }
        text
    }

    /// Notes what came of an attempt, and says whether the message is done with; if not, when it is tried again.
    fn judge(&self, target: &Target, message: &Message, attempts: u32, attempt: Attempt) -> Option<Duration> {
        let (url, id) = (&target.address, &message.id);
        let (reason, wait) = match attempt {
            Attempt::Delivered => {
                self.counts.of("delivered").inc();
                return None;
            }
            Attempt::Refused { reason } => {
                self.counts.of("failed").inc();
                tracing::error!(%url, id, reason, "an alert was refused and is not sent again");
                return None;
            }
            Attempt::Again { reason, wait } => (reason, wait),
        };
        let age = (to_us(SystemTime::now()) / 1_000).saturating_sub(message.time_ms);
        if Duration::from_millis(age) >= PATIENCE {
            self.counts.of("failed").inc();
            tracing::error!(%url, id, reason, "an alert could not be delivered and is given up");
            return None;
        }
        self.counts.of("retried").inc();
        let pause = pause(target.retry_after, attempts).max(wait.unwrap_or_default().min(LONGEST));
        tracing::warn!(%url, id, reason, seconds = pause.as_secs(), "an alert is sent again later");
        Some(with_jitter(pause))
    }

    fn refusing(&self) -> std::sync::MutexGuard<'_, Refusing> {
        self.refusing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends what the outbox holds, for as long as it is let.
pub(crate) async fn deliver(gateway: Arc<Gateway>) {
    let Alerts { targets, outbox, .. } = &gateway.alerts;
    let alerts = &gateway.alerts;
    let client = Client::default();
    let addressed: Vec<(String, &Target)> =
        targets.iter().map(|target| (target.address.digest(), target)).collect();
    let mut under_way = FuturesUnordered::new();
    let mut busy = HashSet::new();
    // Targets take turns, so that one that does not answer takes no more than one of the places.
    let mut turn = 0;
    loop {
        for _ in 0..addressed.len() {
            turn = (turn + 1) % addressed.len();
            let Some((to, target)) = addressed.get(turn) else { continue };
            if under_way.len() >= AT_ONCE || busy.contains(to) {
                continue;
            }
            if let Some((message, attempts)) = outbox.take(to, Instant::now()) {
                busy.insert(to.clone());
                let client = &client;
                under_way.push(async move {
                    let attempt = client.deliver(target, &message).await;
                    let again = alerts.judge(target, &message, attempts, attempt);
                    match again {
                        Some(pause) => outbox.again(message.number, Instant::now() + pause),
                        None => {
                            let (outbox, number) = (outbox.clone(), message.number);
                            let done = tokio::task::spawn_blocking(move || outbox.done(number));
                            done.await.unwrap_or_default();
                        }
                    }
                    to
                });
            }
        }
        // Only a place that is free can be taken by what is due.
        let due = if under_way.len() < AT_ONCE { outbox.next_due(|to| busy.contains(to)) } else { None };
        let wait = async {
            match due {
                Some(due) => tokio::time::sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(to) = under_way.next() => { busy.remove(to); }
            () = outbox.added.notified() => {}
            () = wait => {}
        }
    }
}

/// The time after an attempt, before jitter. `attempts`: how many there were before it.
fn pause(first: Duration, attempts: u32) -> Duration {
    let step = usize::try_from(attempts).unwrap_or(usize::MAX).min(MULTIPLES.len() - 1);
    first.saturating_mul(MULTIPLES.get(step).copied().unwrap_or(1)).min(LONGEST)
}

/// Up to a quarter longer, so that what failed together does not come again together.
fn with_jitter(pause: Duration) -> Duration {
    let random = getrandom::u32().unwrap_or(0) % 1_024;
    pause + pause / 4 * random / 1_024
}

/// From when to when a refusal stands for all of its counter.
fn quiet(rule: &Rule, now_us: u64) -> (u64, u64) {
    let after = |length| (now_us, now_us.saturating_add(length_us(length)));
    match &rule.limit.window {
        _ if rule.limit.measure == Measure::Concurrent => after(CONCURRENT_QUIET),
        Window::Calendar(unit, zone) => unit.bounds(zone, now_us),
        Window::Sliding(length) | Window::Bucket(length) => after(*length),
    }
}

/// Counters that have refused, and until when that is known.
#[derive(Debug, Default)]
struct Refusing {
    until_us: HashMap<String, u64>,
    cleared_us: u64,
}

impl Refusing {
    /// When the time begins for which a refusal is the first; `None`: it is not.
    fn begins(&mut self, counter: &str, now_us: u64, quiet: impl FnOnce() -> (u64, u64)) -> Option<u64> {
        if self.until_us.get(counter).is_some_and(|until| now_us < *until) {
            return None;
        }
        // Looked through at most once a second, however many refusals there are.
        if self.until_us.len() >= REFUSING && now_us.saturating_sub(self.cleared_us) >= 1_000_000 {
            self.cleared_us = now_us;
            self.until_us.retain(|_, until| now_us < *until);
        }
        if self.until_us.len() >= REFUSING && !self.until_us.contains_key(counter) {
            return None;
        }
        let (start, end) = quiet();
        self.until_us.insert(counter.to_owned(), end);
        Some(start)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// The limit's name, which is of the configuration or the admin API: clients cannot make any.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfLimit {
    limit: String,
    mode: &'static str,
}

#[derive(Debug)]
struct Counts {
    of_limits: Registry,
    refusals: Family<OfLimit, Counter>,
    registry: Registry,
    deliveries: Family<Outcome, Counter>,
    waiting: Gauge,
}

impl Counts {
    fn new() -> Self {
        let (mut of_limits, refusals) =
            (Registry::with_prefix("weirgate"), Family::<OfLimit, Counter>::default());
        let help = "Requests that a limit refused, or would have refused if it were hard";
        of_limits.register("limit_refusals", help, refusals.clone());
        let (mut registry, deliveries) =
            (Registry::with_prefix("weirgate"), Family::<Outcome, Counter>::default());
        let help = "Attempts to deliver alerts, by what came of them";
        registry.register("alert_deliveries", help, deliveries.clone());
        let waiting = Gauge::default();
        registry.register("alerts_waiting", "Alerts that are still to be delivered", waiting.clone());
        Self { of_limits, refusals, registry, deliveries, waiting }
    }

    fn refusal(&self, limit: &Limit) {
        let labels = OfLimit { limit: limit.name.clone(), mode: limit.mode.as_str() };
        self.refusals.get_or_create(&labels).inc();
    }

    fn of(&self, outcome: &'static str) -> impl std::ops::Deref<Target = Counter> {
        self.deliveries.get_or_create(&Outcome { outcome })
    }
}

#[cfg(test)]
mod tests;
