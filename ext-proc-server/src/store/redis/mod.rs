//! The store for more than one process: counters and reservations in a Redis server, or one that speaks its language (Valkey).
//!
//! What it promises:
//!
//! * The counting of the other stores: every phase is one script in the server, which runs alone, by the server's clock. So the
//!   requests of all processes are counted together and cannot pass a limit together.
//! * An answer or an error within the timeout. A call that ran into it may have been carried out: [`Store::reserve`] can be
//!   asked again with the same id and takes nothing more, a [`Store::settle`] that comes again finds nothing to settle, and what
//!   is left over is charged as reserved by [`Store::expire`], by one process only. The connection comes back by itself.
//! * Exact numbers up to 2^53-1: amounts, sums and times stop there (nine thousand million dollars; the year 2255). A bucket's
//!   limit is at most [`super::window::BUCKET_AMOUNT`].
//! * A counter is kept for a minute longer than it matters, and one of all time for ever. A clock that is set back by more than
//!   that minute opens windows again that had ended.
//!
//! What is lost when the server fails depends on how it is set up:
//!
//! * `appendonly yes` and `appendfsync always`: nothing that was answered. `appendfsync everysec`, the usual setting: a machine
//!   that loses power loses about a second, a server that is killed only what it could not write while the disk was busy, two
//!   seconds at most.
//! * Snapshots only (`save`): all since the last one. Neither: everything. What was lost has not been counted, so budgets let that
//!   much more pass, and settlements of lost reservations find nothing.
//! * A failover loses what the replica had not yet received: Redis answers before it replicates.
//! * `maxmemory-policy` must be `noeviction`: a counter that is evicted begins at zero. With that policy a full server refuses
//!   to write, and [`Store::reserve`] fails.
//!
//! All keys have the prefix in braces, so a cluster keeps them in one slot: it makes the store available, not faster, for one
//! node does all the work. Two gateways with different prefixes count apart, and may be on different nodes. All keys that a
//! script uses are named to it. The node to which the configured one points (`MOVED`) is asked from then on.
//! Elsewhere the address must lead to the primary: a node that says it is a replica is left, and the address looked up again.

mod link;
mod list;
mod values;
mod wire;

use super::{
    Amounts, Ask, Claim, Clock, Extended, Movement, Outcome, Refused, Settled, Standing, Store, StoreError,
    Used,
};
use link::{Call, Link, Repeat};
use redis::{FromRedisValue, ParsingError, Script, ScriptInvocation, Value};
use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use wire::{Calendars, Keys, known};

/// How many reservations are looked up at a time when they have expired.
const BATCH: usize = 256;
/// How often a script is told the windows of another time, until the server's clock is in one of them.
const CLOCKS: usize = 3;

/// Where the server is and how it is used.
#[derive(Clone)]
pub struct Settings {
    /// The address: `redis://[user:password@]host[:port][/database]`, `rediss://` with TLS, or `unix:///path`. With TLS the
    /// system's authorities are trusted, or those in the file that the environment variable `SSL_CERT_FILE` names.
    pub url: String,
    /// What all keys begin with: gateways with the same prefix count together. Not empty, and without braces.
    pub prefix: String,
    /// How long a call may take.
    pub timeout: Duration,
    /// [`Clock::System`] for the server's clock.
    pub clock: Clock,
}

impl Settings {
    /// How long a call may take, if nobody says otherwise.
    pub const TIMEOUT: Duration = Duration::from_millis(250);
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The address may hold a password.
        f.debug_struct("Settings")
            .field("prefix", &self.prefix)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// The store.
#[derive(Debug)]
pub struct Redis {
    link: Link,
    keys: Keys,
    clock: Clock,
    /// How far the server's clock is ahead of this one's, in microseconds, as far as it has mattered.
    ahead: AtomicI64,
    calendars: Calendars,
    scripts: Scripts,
    /// The claims of reservations that were made here. Of others they are asked for.
    made: Mutex<HashMap<String, Made>>,
}

#[derive(Debug)]
struct Made {
    claims: Arc<[Claim]>,
    /// When it has expired; `None`: never.
    until: Option<Instant>,
}

#[derive(Debug)]
struct Scripts {
    reserve: Script,
    extend: Script,
    settle: Script,
    expired: Script,
    standings: Script,
}

macro_rules! script {
    ($file:literal) => {
        Script::new(concat!(include_str!("scripts/counting.lua"), include_str!(concat!("scripts/", $file))))
    };
}

impl Scripts {
    fn new() -> Self {
        Self {
            reserve: script!("reserve.lua"),
            extend: script!("extend.lua"),
            settle: script!("settle.lua"),
            expired: script!("expired.lua"),
            standings: script!("standings.lua"),
        }
    }
}

impl Redis {
    /// A store in this server, which need not be there yet: it is connected to when it is needed.
    ///
    /// # Errors
    /// The address or the prefix cannot be used.
    pub fn connect(settings: Settings) -> Result<Self, StoreError> {
        Ok(Self {
            link: Link::new(&settings.url, settings.timeout)?,
            keys: Keys::new(&settings.prefix)?,
            clock: settings.clock,
            ahead: AtomicI64::new(0),
            calendars: Calendars::default(),
            scripts: Scripts::new(),
            made: Mutex::new(HashMap::new()),
        })
    }

    /// Whether the server answers.
    ///
    /// # Errors
    /// It does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.link.send(Call::Command(&redis::cmd("PING")), Repeat::Safe, self.link.deadline()).await
    }

    /// About the server's time: what the windows are chosen by that are offered to a script.
    fn now_us(&self) -> u64 {
        self.clock.now_us().saturating_add_signed(self.ahead.load(Ordering::Relaxed))
    }

    /// The time that a script is given; empty: it takes the server's.
    fn given_time(&self) -> String {
        match &self.clock {
            Clock::System => String::new(),
            Clock::Manual(_) => self.clock.now_us().to_string(),
        }
    }

    /// Takes note of the server's time.
    fn set_clock(&self, server_us: u64) {
        self.ahead.store(server_us.wrapping_sub(self.clock.now_us()).cast_signed(), Ordering::Relaxed);
    }

    /// Makes this process take the server's clock for so much later than its own.
    #[cfg(test)]
    pub(super) fn set_ahead(&self, ahead_us: i64) {
        self.ahead.store(ahead_us, Ordering::Relaxed);
    }

    fn made(&self) -> MutexGuard<'_, HashMap<String, Made>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn claims_of(&self, id: &str) -> Arc<[Claim]> {
        self.made().get(id).map(|made| made.claims.clone()).unwrap_or_default()
    }

    async fn run(
        &self,
        script: &ScriptInvocation<'_>,
        repeat: Repeat,
        deadline: Instant,
    ) -> Result<Reply, StoreError> {
        self.link.send(Call::Script(script), repeat, deadline).await
    }

    async fn standings_by(&self, claims: &[Claim], deadline: Instant) -> Result<Vec<Standing>, StoreError> {
        if claims.is_empty() {
            return Ok(Vec::new());
        }
        let written = wire::claims(claims)?;
        for _ in 0..CLOCKS {
            let mut script = self.scripts.standings.prepare_invoke();
            for claim in claims {
                script.key(self.keys.counter(claim));
            }
            script.arg(self.given_time()).arg(&written).arg(self.calendars.around(claims, self.now_us()));
            let reply = self.run(&script, Repeat::Safe, deadline).await?;
            match reply.kind() {
                "standings" => return reply.standings(1),
                "clock" => self.set_clock(reply.number(1)?),
                _ => return Err(reply.unexpected()),
            }
        }
        Err(unsteady())
    }

    /// Ends a reservation, and says which one it was.
    async fn end(
        &self,
        id: &str,
        charge: &str,
        used: &Used,
        deadline: Instant,
    ) -> Result<Option<Settled>, StoreError> {
        let mut claims = self.claims_of(id);
        let mut asked = false;
        loop {
            let mut script = self.scripts.settle.prepare_invoke();
            script.key(self.keys.reservation(id)).key(self.keys.expiries());
            for claim in claims.iter() {
                script.key(self.keys.counter(claim));
            }
            script.arg(self.given_time()).arg(&self.keys.prefix).arg(id).arg(charge).arg(&used.provider);
            for part in wire::parts(&used.amounts) {
                script.arg(part);
            }
            let reply = self.run(&script, Repeat::Never, deadline).await?;
            match reply.kind() {
                "none" if charge == "expired" => return Ok(None),
                "none" => {
                    self.made().remove(id);
                    return Ok(None);
                }
                "settled" => {
                    self.made().remove(id);
                    return reply.settled(id, &claims).map(Some);
                }
                "claims" if !asked => {
                    claims = wire::read_claims(reply.text(1)?)?.into();
                    asked = true;
                }
                _ => return Err(reply.unexpected()),
            }
        }
    }
}

#[tonic::async_trait]
impl Store for Redis {
    async fn reserve(&self, mut ask: Ask) -> Result<Outcome, StoreError> {
        let deadline = self.link.deadline();
        let written: Result<Vec<String>, _> =
            ask.alternatives.iter().map(|way| wire::claims(&way.claims)).collect();
        let written = written?;
        for _ in 0..CLOCKS {
            let now = self.now_us();
            let mut script = self.scripts.reserve.prepare_invoke();
            script.key(self.keys.reservation(&ask.id)).key(self.keys.expiries());
            for claim in ask.alternatives.iter().flat_map(|way| &way.claims) {
                script.key(self.keys.counter(claim));
            }
            let lifetime = wire::number(super::window::length_us(ask.lifetime));
            script.arg(self.given_time()).arg(&ask.id).arg(&ask.subject).arg(lifetime);
            for (way, claims) in ask.alternatives.iter().zip(&written) {
                script
                    .arg(claims)
                    .arg(self.calendars.around(&way.claims, now))
                    .arg(wire::amounts(&way.amounts));
            }
            let reply = self.run(&script, Repeat::Safe, deadline).await?;
            match reply.kind() {
                "granted" => {
                    let alternative = reply.index(1)?;
                    let claims =
                        ask.alternatives.get_mut(alternative).map(|way| std::mem::take(&mut way.claims));
                    let until = Instant::now().checked_add(ask.lifetime);
                    self.made().insert(ask.id, Made { claims: claims.unwrap_or_default().into(), until });
                    return Ok(Outcome::Granted { alternative, standings: reply.standings(2)? });
                }
                "refused" => {
                    let (claim, wait_us) = (reply.index(1)?, known(reply.integer(2)?));
                    return Ok(Outcome::Refused(Refused { claim, wait_us, standings: reply.standings(3)? }));
                }
                "held" => {
                    let alternative = reply.index(1)?;
                    let claims = wire::read_claims(reply.text(2)?)?;
                    let standings = self.standings_by(&claims, deadline).await?;
                    return Ok(Outcome::Granted { alternative, standings });
                }
                "clock" => self.set_clock(reply.number(1)?),
                _ => return Err(reply.unexpected()),
            }
        }
        Err(unsteady())
    }

    async fn extend(&self, id: &str, more: Amounts) -> Result<Option<Extended>, StoreError> {
        let deadline = self.link.deadline();
        let mut claims = self.claims_of(id);
        // Once more if the claims are to be asked for.
        for _ in 0..=CLOCKS {
            let mut script = self.scripts.extend.prepare_invoke();
            script.key(self.keys.reservation(id));
            for claim in claims.iter() {
                script.key(self.keys.counter(claim));
            }
            script
                .arg(self.given_time())
                .arg(&self.keys.prefix)
                .arg(self.calendars.around(&claims, self.now_us()));
            for part in wire::parts(&more) {
                script.arg(part);
            }
            let reply = self.run(&script, Repeat::Never, deadline).await?;
            match reply.kind() {
                "none" => return Ok(None),
                "granted" => return Ok(Some(Extended::Granted)),
                "refused" => {
                    let claim = claims.get(reply.index(1)?).ok_or_else(|| reply.unexpected())?;
                    return Ok(Some(Extended::Refused {
                        counter: claim.counter.clone(),
                        limit: claim.limit,
                    }));
                }
                "claims" => claims = wire::read_claims(reply.text(1)?)?.into(),
                "clock" => self.set_clock(reply.number(1)?),
                _ => return Err(reply.unexpected()),
            }
        }
        Err(unsteady())
    }

    async fn settle(&self, id: &str, used: Used) -> Result<Option<Settled>, StoreError> {
        let charge = if used.at_least_reserved { "at_least_reserved" } else { "used" };
        self.end(id, charge, &used, self.link.deadline()).await
    }

    async fn expire(&self) -> Result<Vec<Settled>, StoreError> {
        let as_reserved =
            Used { amounts: Amounts::default(), at_least_reserved: true, provider: String::new() };
        let mut all = Vec::new();
        loop {
            let mut script = self.scripts.expired.prepare_invoke();
            script.key(self.keys.expiries()).arg(self.given_time()).arg(BATCH);
            let due = self.link.send(Call::Script(&script), Repeat::Safe, self.link.deadline()).await;
            let mut ids: Vec<String> = match due {
                Ok(ids) => ids,
                Err(error) => return charged(all, error),
            };
            let last = ids.len() < BATCH;
            ids.sort();
            for id in ids {
                match self.end(&id, "expired", &as_reserved, self.link.deadline()).await {
                    Ok(settled) => all.extend(settled),
                    Err(error) => return charged(all, error),
                }
            }
            if last {
                break;
            }
        }
        let now = Instant::now();
        self.made().retain(|_, made| made.until.is_none_or(|until| now < until));
        Ok(all)
    }

    async fn standings(&self, claims: &[Claim]) -> Result<Vec<Standing>, StoreError> {
        self.standings_by(claims, self.link.deadline()).await
    }

    async fn open_reservations(&self) -> Result<u64, StoreError> {
        let mut command = redis::cmd("ZCARD");
        command.arg(self.keys.expiries());
        self.link.send(Call::Command(&command), Repeat::Safe, self.link.deadline()).await
    }
}

/// What was charged is told, whatever happened then: it is not charged again.
fn charged(all: Vec<Settled>, error: StoreError) -> Result<Vec<Settled>, StoreError> {
    if all.is_empty() {
        return Err(error);
    }
    tracing::warn!(%error, "not all expired reservations could be charged");
    Ok(all)
}

fn unsteady() -> StoreError {
    StoreError { reason: "the server's clock does not stay in any window".to_owned() }
}

/// What a script answered: a word and what belongs to it.
#[derive(Debug)]
struct Reply(Vec<Value>);

impl FromRedisValue for Reply {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        Vec::from_redis_value(value).map(Self)
    }
}

impl Reply {
    fn kind(&self) -> &str {
        self.text(0).unwrap_or("")
    }

    fn text(&self, index: usize) -> Result<&str, StoreError> {
        match self.0.get(index) {
            Some(Value::BulkString(bytes)) => str::from_utf8(bytes).map_err(|_| self.unexpected()),
            Some(Value::SimpleString(text)) => Ok(text),
            _ => Err(self.unexpected()),
        }
    }

    fn integer(&self, index: usize) -> Result<i64, StoreError> {
        match self.0.get(index) {
            Some(Value::Int(integer)) => Ok(*integer),
            _ => Err(self.unexpected()),
        }
    }

    fn number(&self, index: usize) -> Result<u64, StoreError> {
        u64::try_from(self.integer(index)?).map_err(|_| self.unexpected())
    }

    fn index(&self, index: usize) -> Result<usize, StoreError> {
        usize::try_from(self.integer(index)?).map_err(|_| self.unexpected())
    }

    /// The standings from here on, three numbers each.
    fn standings(&self, from: usize) -> Result<Vec<Standing>, StoreError> {
        (from..self.0.len())
            .step_by(3)
            .map(|at| {
                let (used, reserved) = (self.number(at)?, self.number(at + 1)?);
                Ok(Standing { used, reserved, reset_us: known(self.integer(at + 2)?) })
            })
            .collect()
    }

    fn settled(&self, id: &str, claims: &[Claim]) -> Result<Settled, StoreError> {
        let movement = |at: usize| {
            let claim = claims.get(self.index(at)?).ok_or_else(|| self.unexpected())?;
            Ok(Movement {
                counter: claim.counter.clone(),
                limit: claim.limit,
                before: self.number(at + 1)?,
                after: self.number(at + 2)?,
                window_us: self.number(at + 3)?,
            })
        };
        let movements: Result<Vec<Movement>, StoreError> =
            (3..self.0.len()).step_by(4).map(movement).collect();
        Ok(Settled {
            id: id.to_owned(),
            subject: self.text(1)?.to_owned(),
            reserved: wire::read_amounts(self.text(2)?),
            movements: movements?,
        })
    }

    fn unexpected(&self) -> StoreError {
        StoreError { reason: "the server's answer cannot be read".to_owned() }
    }
}
