//! The connection to the database: one for all calls, which a task of its own keeps open.

use super::{Error, Statements};
use crate::home::Home;
use std::collections::HashMap;
use std::error::Error as _;
use std::fmt;
use std::str::FromStr as _;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, OnceCell, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio_postgres::{Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};

/// How long connecting may take; calls do not wait for it so long.
const CONNECTING: Duration = Duration::from_secs(5);
/// How long to wait before connecting again, at first and at most.
const FIRST: Duration = Duration::from_millis(100);
const LAST: Duration = Duration::from_secs(5);
/// A connection that was lost sooner than this is not made again at once.
const LASTING: Duration = Duration::from_secs(10);
/// After so long without a word the other side is asked whether it is there.
const SILENT: Duration = Duration::from_secs(30);
/// No call waits longer, whatever its timeout.
const LONGEST: Duration = Duration::from_secs(3_600);
/// The first version of the extension whose scans go on.
const ITERATES: (u32, u32) = (0, 8);

/// The connection.
pub(super) struct Link {
    way: Arc<Way>,
    home: Home,
    keeper: OnceLock<Keeper>,
}

/// What it takes to connect.
struct Way {
    config: Config,
    tls: MakeRustlsConnect,
    timeout: Duration,
}

/// The task that keeps the connection open.
struct Keeper {
    task: AbortHandle,
    state: watch::Receiver<State>,
}

/// How the connection stands.
#[derive(Clone)]
enum State {
    /// It is opened for the first time, which is worth to wait for.
    Opening,
    Open(Arc<Session>),
    /// There is none, for this reason.
    Away(Arc<str>),
}

/// An open connection.
pub(super) struct Session {
    pub(super) client: Client,
    /// The version of the extension.
    version: (u32, u32),
    statements: Mutex<HashMap<usize, Arc<OnceCell<Arc<Statements>>>>>,
    /// When the server last answered a call.
    answered: Mutex<Instant>,
    given_up: Notify,
}

impl Link {
    /// A connection to come.
    ///
    /// # Errors
    /// The address is none.
    pub(super) fn new(url: &str, timeout: Duration) -> Result<Self, Error> {
        // What the client calls `require` is what others call by these names: certificates are always verified.
        let url = ["verify-full", "verify-ca"]
            .iter()
            .fold(url.to_owned(), |url, mode| url.replace(&format!("sslmode={mode}"), "sslmode=require"));
        // The parser's own words may repeat a part of the password.
        let unreadable = || Error {
            reason: "the address is not of the form postgres://user:password@host:port/database".to_owned(),
        };
        let mut config = Config::from_str(&url).map_err(|_| unreadable())?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(unreadable());
        }
        if config.get_application_name().is_none() {
            config.application_name("weirgate");
        }
        config.connect_timeout(CONNECTING).keepalives_idle(SILENT).tcp_user_timeout(SILENT);
        let way = Way { config, tls: tls()?, timeout: timeout.clamp(Duration::from_millis(1), LONGEST) };
        Ok(Self { way: Arc::new(way), home: Home::here(), keeper: OnceLock::new() })
    }

    /// Does something by the connection, if it is open, within the timeout.
    ///
    /// # Errors
    /// There is no connection, the server gave an error, or did not answer in time: then it may have done it.
    pub(super) async fn call<T>(
        &self,
        work: impl AsyncFnOnce(Arc<Session>) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, Error> {
        let began = Instant::now();
        let mut used = None;
        let answer = tokio::time::timeout(self.way.timeout, async {
            let session = self.session().await?;
            used = Some(session.clone());
            let answer = work(session.clone()).await;
            *session.answered.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
            answer.map_err(|error| said(&error))
        });
        if let Ok(answer) = answer.await {
            return answer;
        }
        if let Some(session) = used {
            session.give_up(began);
        }
        Err(Error { reason: format!("no answer within {} ms", self.way.timeout.as_millis()) })
    }

    async fn session(&self) -> Result<Arc<Session>, Error> {
        let keeper = self.keeper.get_or_init(|| {
            let (sender, state) = watch::channel(State::Opening);
            let task = self.home.spawn(keep(self.way.clone(), sender)).abort_handle();
            Keeper { task, state }
        });
        let mut state = keeper.state.clone();
        loop {
            let now = state.borrow_and_update().clone();
            match now {
                State::Open(session) => return Ok(session),
                State::Away(reason) => return Err(Error { reason: reason.to_string() }),
                State::Opening => {}
            }
            let ended = |_| Error { reason: "the task of the connection has ended".to_owned() };
            state.changed().await.map_err(ended)?;
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some(keeper) = self.keeper.get() {
            keeper.task.abort();
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address may hold a password.
        f.debug_struct("Link").field("timeout", &self.way.timeout).finish_non_exhaustive()
    }
}

/// Opens the connection, and again whenever it is lost, less and less often while that fails.
async fn keep(way: Arc<Way>, state: watch::Sender<State>) {
    let mut pause = FIRST;
    loop {
        let mut driver = JoinSet::new();
        let opened = tokio::time::timeout(CONNECTING, way.open(&mut driver)).await;
        let reason = match opened {
            Ok(Ok(session)) => {
                let began = Instant::now();
                let session = Arc::new(session);
                state.send_replace(State::Open(session.clone()));
                let reason = tokio::select! {
                    ended = driver.join_next() => ended.and_then(Result::ok).unwrap_or_else(|| "it has ended".to_owned()),
                    () = session.given_up.notified() => "it gave no answer".to_owned(),
                };
                if began.elapsed() > LASTING {
                    pause = FIRST;
                }
                format!("the connection to the database was lost: {reason}")
            }
            Ok(Err(reason)) => format!("the database cannot be used: {reason}"),
            Err(_) => format!("the database cannot be reached: no answer within {} s", CONNECTING.as_secs()),
        };
        state.send_replace(State::Away(reason.into()));
        drop(driver);
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LAST);
    }
}

impl Way {
    /// Opens a connection, which lives as long as its driver, and makes it ready.
    async fn open(&self, driver: &mut JoinSet<String>) -> Result<Session, String> {
        let connected = self.config.connect(self.tls.clone()).await;
        let (client, connection) = connected.map_err(|error| said(&error).reason)?;
        driver.spawn(async move {
            match connection.await {
                Ok(()) => "it was closed".to_owned(),
                Err(error) => said(&error).reason,
            }
        });
        let version = extension(&client).await?;
        self.set(&client, version).await.map_err(|error| said(&error).reason)?;
        Ok(Session {
            client,
            version,
            statements: Mutex::default(),
            answered: Mutex::new(Instant::now()),
            given_up: Notify::new(),
        })
    }

    /// What holds for all statements of a connection.
    async fn set(&self, client: &Client, version: (u32, u32)) -> Result<(), tokio_postgres::Error> {
        // A graph is searched first, and only what it finds is looked at for its group and its age. So it may find the nearest of
        // all, of which few or none are of the group. From version 0.8 on it goes on in order of distance until enough are of the
        // group. Before, all that can be done is to let it find more at once.
        let scan = if version >= ITERATES {
            "SET hnsw.ef_search = 150; SET hnsw.iterative_scan = strict_order; SET hnsw.max_scan_tuples = 100000"
        } else {
            "SET hnsw.ef_search = 800"
        };
        // Every statement has one way that is right, by an index. Compiling it, or starting others to help, takes longer than it does.
        let plans = "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_bitmapscan = off; \
            SET jit = off; SET max_parallel_workers_per_gather = 0";
        // A value of the extension's type loads it, or its settings would not be known.
        let settings = format!(
            "SET statement_timeout = {}; {plans}; SELECT '[1]'::vector; {scan}",
            self.timeout.as_millis()
        );
        client.batch_execute(&settings).await
    }
}

/// The version of the extension, which is made if it is missing.
async fn extension(client: &Client) -> Result<(u32, u32), String> {
    let found = async || {
        let found =
            client.query_typed("SELECT extversion FROM pg_extension WHERE extname = 'vector'", &[]).await;
        let rows = found.map_err(|error| said(&error).reason)?;
        let version = rows.first().map(|row| row.try_get::<_, String>(0)).transpose();
        version.map_err(|error| said(&error).reason)
    };
    if let Some(version) = found().await? {
        return Ok(numbers(&version));
    }
    let create =
        format!("SELECT pg_advisory_xact_lock({}); CREATE EXTENSION IF NOT EXISTS vector", super::LOCK);
    client.batch_execute(&create).await.map_err(|error| {
        format!("it lacks the extension vector (pgvector), which cannot be made: {}", said(&error).reason)
    })?;
    Ok(found().await?.as_deref().map(numbers).unwrap_or_default())
}

/// The first two numbers of a version.
fn numbers(version: &str) -> (u32, u32) {
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

impl Session {
    /// The statements for so many dimensions, prepared once.
    pub(super) async fn statements(
        &self,
        tables: &str,
        dimensions: usize,
    ) -> Result<Arc<Statements>, tokio_postgres::Error> {
        let cell = self.prepared().entry(dimensions).or_default().clone();
        let prepare =
            async || Statements::new(&self.client, tables, dimensions, self.version).await.map(Arc::new);
        cell.get_or_try_init(prepare).await.cloned()
    }

    /// Lets the statements for so many dimensions be prepared again.
    pub(super) fn forget_statements(&self, dimensions: usize) {
        self.prepared().remove(&dimensions);
    }

    fn prepared(&self) -> std::sync::MutexGuard<'_, HashMap<usize, Arc<OnceCell<Arc<Statements>>>>> {
        self.statements.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the connection up on which a call had no answer, if no other had one since: a network that swallows packets would
    /// otherwise be believed in for a long time.
    fn give_up(&self, since: Instant) {
        if *self.answered.lock().unwrap_or_else(PoisonError::into_inner) < since {
            self.given_up.notify_one();
        }
    }
}

/// What an error says, without the values that the statement had.
pub(super) fn said(error: &tokio_postgres::Error) -> Error {
    if let Some(told) = error.as_db_error() {
        return Error { reason: format!("{} ({})", told.message(), told.code().code()) };
    }
    let mut reason = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        reason = format!("{reason}: {cause}");
        source = cause.source();
    }
    Error { reason }
}

/// The authorities are the system's, or those in the file that the environment variable `SSL_CERT_FILE` names.
fn tls() -> Result<MakeRustlsConnect, Error> {
    let mut roots = RootCertStore::empty();
    // With none no certificate is good, which is said when it is asked for.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let settings = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error { reason: error.to_string() })?;
    Ok(MakeRustlsConnect::new(settings.with_root_certificates(roots).with_no_client_auth()))
}
