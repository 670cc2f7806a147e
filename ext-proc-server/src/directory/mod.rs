//! Those whom the admin API has made known: organisations, teams, users, virtual keys and limits.
//!
//! The audit log is the source of truth: what is in force is what replaying its `after` gives, besides what `weirgate.yaml` says,
//! which goes first and is read-only here. A change is judged by everything that is known, written to the log, and only then in
//! force and answered; so no change that was answered is lost, and none is in force that the log does not have. Changes
//! happen one after the other. Readers never wait for them: they see the [`Policy`] in force.

pub(crate) mod bounds;
mod builder;
mod check;
mod file;
pub mod forms;
pub mod log;
pub mod refusal;
mod shared;

pub use check::World;
pub use file::FileLog;
pub use shared::SharedLog;

use crate::config::Config;
use crate::policy::Policy;
use crate::policy::identity::{Directory, Key, Organization, Team, User};
use crate::policy::limit::Limit;
use arc_swap::ArcSwap;
use builder::Builder;
use log::{Action, Actor, AppendError, AuditLog, Entry, Kind};
use refusal::Refusal;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::Mutex;

/// How many entries are read at once when another process has been faster.
const CATCH_UP: usize = 1_000;
/// How often a change is tried again when another process is faster.
const TRIES: u64 = 16;
/// The longest wait before the second try; before later ones that many times more. How long it is, is left to chance, or two
/// processes would go on getting in each other's way.
const PAUSE_MS: u64 = 4;

/// Something that the admin API manages.
pub trait Resource: Clone + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// What it is.
    const KIND: Kind;

    /// Its name.
    fn name(&self) -> &str;

    /// All of its kind.
    fn all(directory: &Directory) -> &BTreeMap<String, Self>;

    /// All of its kind, to be changed.
    fn all_mut(directory: &mut Directory) -> &mut BTreeMap<String, Self>;

    /// Whether it makes sense beside everything else.
    ///
    /// # Errors
    /// What does not, by its field.
    fn check(&self, world: &World<'_>) -> Result<(), Refusal>;

    /// Somebody who refers to it and would be left with a name that nobody knows.
    fn referrer(_directory: &Directory, _name: &str) -> Option<(Kind, String)> {
        None
    }
}

/// Everything that the admin API has made known.
#[derive(Debug)]
pub struct Managed {
    log: Arc<dyn AuditLog>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    config: Arc<Config>,
    directory: Arc<Directory>,
    sequence: u64,
    /// The last entry that is in force. Whoever asks for a change may leave before it is.
    published: u64,
    /// The log could not be read when it was read last.
    unreadable: bool,
    builder: Builder,
}

/// A change that was made.
#[derive(Clone, Debug)]
pub struct Changed<R> {
    /// What there is now; `None`: it was deleted.
    pub after: Option<R>,
    /// The policy in which it is in force.
    pub policy: Arc<Policy>,
}

impl Managed {
    /// Goes on with a directory that was restored from a log.
    pub fn new(log: Arc<dyn AuditLog>, restored: Restored, config: Arc<Config>) -> Self {
        let Restored { directory, sequence } = restored;
        let directory = Arc::new(directory);
        Self {
            log,
            state: Mutex::new(State {
                config,
                directory,
                sequence,
                published: sequence,
                unreadable: false,
                builder: Builder::new(),
            }),
        }
    }

    /// The log.
    pub fn log(&self) -> &dyn AuditLog {
        self.log.as_ref()
    }

    /// Puts another configuration in force, with everybody who is known besides it.
    pub async fn reconfigure(&self, policy: &ArcSwap<Policy>, config: Config) {
        let mut state = self.state.lock().await;
        state.config = Arc::new(config);
        state.publish(policy).await;
    }

    /// Brings in force what other processes have changed, and what was written down for somebody who has left since.
    ///
    /// # Errors
    /// The log cannot be read. That is said once, until it can be read again.
    pub async fn refresh(&self, policy: &ArcSwap<Policy>) -> io::Result<()> {
        let mut state = self.state.lock().await;
        let read = state.catch_up(self.log.as_ref()).await;
        let before = std::mem::replace(&mut state.unreadable, read.is_err());
        match read {
            Err(_) if before => return Ok(()),
            Err(error) => return Err(error),
            Ok(()) if before => tracing::warn!("what other processes have changed is known again"),
            Ok(()) => {}
        }
        if state.published != state.sequence {
            state.publish(policy).await;
        }
        Ok(())
    }

    /// Makes one change. `decide` is given what is known and what has the name now (for a creation nothing), and says what is to have
    /// it; it is asked again where another process was faster.
    ///
    /// # Errors
    /// Why not, said by `decide`, by the check of the result, or by the log.
    pub async fn change<R: Resource>(
        &self,
        policy: &ArcSwap<Policy>,
        actor: &Actor,
        action: Action,
        name: &str,
        decide: impl Fn(&World<'_>, Option<&R>) -> Result<Option<R>, Refusal>,
    ) -> Result<Changed<R>, Refusal> {
        let mut state = self.state.lock().await;
        for attempt in 0..TRIES {
            if attempt > 0 {
                let chance = uuid::Uuid::new_v4().as_u64_pair().0;
                tokio::time::sleep(Duration::from_millis(chance % (PAUSE_MS * attempt))).await;
            }
            let current = policy.load_full();
            let world = World { directory: current.directory(), config: &state.config };
            let in_file = R::all(&state.config.directory).contains_key(name);
            let before = R::all(&state.directory).get(name);
            let creates = action == Action::Create;
            if in_file && !creates {
                return Err(Refusal::read_only(R::KIND, name));
            }
            let after = decide(&world, before.filter(|_| !creates))?;
            match &after {
                Some(after) => after.check(&world)?,
                None => {
                    if let Some((kind, referrer)) = R::referrer(world.directory, name) {
                        let referrer = format!("the {kind} \"{referrer}\"");
                        return Err(Refusal::in_use(R::KIND, name, &referrer));
                    }
                }
            }
            // Said last, so that names cannot be tried out with what would not be made anyway.
            if creates && (in_file || before.is_some()) {
                return Err(Refusal::exists(R::KIND, name));
            }
            let entry = Entry {
                sequence: state.sequence + 1,
                time_ms: now_ms(),
                actor: actor.name.clone(),
                role: actor.role.clone(),
                action,
                kind: R::KIND,
                name: name.to_owned(),
                before: before.map(value).transpose()?,
                after: after.as_ref().map(value).transpose()?,
            };
            match self.log.append(&entry).await {
                Ok(()) => {
                    state.sequence = entry.sequence;
                    put(Arc::make_mut(&mut state.directory), name, after.clone());
                    return Ok(Changed { after, policy: state.publish(policy).await });
                }
                Err(AppendError::Behind) => {
                    state.catch_up(self.log.as_ref()).await.map_err(unwritable)?;
                    state.publish(policy).await;
                }
                Err(AppendError::Failed(error)) => return Err(unwritable(error)),
            }
        }
        Err(Refusal::busy())
    }
}

impl State {
    /// Puts what is known in force. With many keys that is work for a while, which is done where no request waits for it.
    async fn publish(&mut self, policy: &ArcSwap<Policy>) -> Arc<Policy> {
        let (config, directory) = (self.config.clone(), self.directory.clone());
        let next = self.builder.build(config, directory).await;
        let next = next.unwrap_or_else(|| Arc::new(Policy::new(self.config.clone(), &self.directory)));
        self.builder.retire(policy.swap(next.clone()));
        self.published = self.sequence;
        next
    }

    /// Takes over what is in the log and not known here.
    async fn catch_up(&mut self, log: &dyn AuditLog) -> io::Result<()> {
        loop {
            let entries = log.read(self.sequence + 1, CATCH_UP).await?;
            if entries.is_empty() {
                return Ok(());
            }
            for entry in entries {
                let sequence = entry.sequence;
                replay(Arc::make_mut(&mut self.directory), entry)?;
                self.sequence = sequence;
            }
        }
    }
}

/// What replaying a log has given.
#[derive(Debug, Default)]
pub struct Restored {
    /// Everybody whom it makes known.
    pub directory: Directory,
    /// The number of its last entry; 0 for an empty log.
    pub sequence: u64,
}

impl Restored {
    /// Takes the next entry.
    ///
    /// # Errors
    /// An entry that cannot be what a log of ours says.
    pub fn take(&mut self, entry: Entry) -> io::Result<()> {
        if entry.sequence != self.sequence + 1 {
            let reason = format!("entry {} comes after entry {}", entry.sequence, self.sequence);
            return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        }
        self.sequence = entry.sequence;
        replay(&mut self.directory, entry)
    }
}

fn replay(directory: &mut Directory, entry: Entry) -> io::Result<()> {
    fn one<R: Resource>(directory: &mut Directory, entry: Entry) -> io::Result<()> {
        let after = match entry.after {
            Some(after) => Some(serde_json::from_value::<R>(after).map_err(|error| {
                io::Error::new(io::ErrorKind::InvalidData, format!("entry {}: {error}", entry.sequence))
            })?),
            None => None,
        };
        put(directory, &entry.name, after);
        Ok(())
    }
    match entry.kind {
        Kind::Organization => one::<Organization>(directory, entry),
        Kind::Team => one::<Team>(directory, entry),
        Kind::User => one::<User>(directory, entry),
        Kind::Key => one::<Key>(directory, entry),
        Kind::Limit => one::<Limit>(directory, entry),
    }
}

fn put<R: Resource>(directory: &mut Directory, name: &str, after: Option<R>) {
    match after {
        Some(after) => R::all_mut(directory).insert(name.to_owned(), after),
        None => R::all_mut(directory).remove(name),
    };
}

fn value<R: Resource>(resource: &R) -> Result<serde_json::Value, Refusal> {
    serde_json::to_value(resource).map_err(|error| unwritable(io::Error::other(error)))
}

fn unwritable(error: io::Error) -> Refusal {
    tracing::error!(%error, "the audit log cannot be used; nothing was changed");
    Refusal::unavailable()
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
