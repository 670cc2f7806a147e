//! The connection to the server: one for all calls, made again when it is lost.

use crate::home::Home;
use crate::store::StoreError;
use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, FromRedisValue, IntoConnectionInfo,
    RedisError, RedisResult, ScriptInvocation, ServerErrorKind,
};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

/// A connection that has been silent for this long is tried before it is relied on.
const SILENT: Duration = Duration::from_secs(1);
/// How long connecting may take; calls do not wait for it so long.
const CONNECTING: Duration = Duration::from_secs(5);
/// No call waits longer, whatever its timeout.
const LONGEST: Duration = Duration::from_secs(3_600);
/// How many calls may wait to be written.
const WAITING: usize = 1024;
/// How often a call is sent at most.
const ATTEMPTS: usize = 4;

/// Whether a call may be sent again when nobody knows whether it was carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    /// Carried out twice it does what it does once, and says the same.
    Safe,
    /// It may be sent again only if it was certainly not carried out.
    Never,
}

/// What is asked of the server.
#[derive(Clone, Copy, Debug)]
pub(super) enum Call<'a> {
    Script(&'a ScriptInvocation<'a>),
    Command(&'a Cmd),
}

/// The connection.
pub(super) struct Link {
    info: ConnectionInfo,
    timeout: Duration,
    home: Home,
    line: Mutex<Line>,
}

/// How the connection stands.
struct Line {
    state: State,
    /// The number of the connection, counted from the first.
    number: u64,
    used: Instant,
    /// The node of a cluster to which the one that is configured has pointed.
    moved: Option<(String, u16)>,
}

enum State {
    Closed,
    /// It goes on when the call that began it has given up.
    Opening(JoinHandle<RedisResult<MultiplexedConnection>>),
    Open(MultiplexedConnection),
}

impl Link {
    /// A connection to come.
    ///
    /// # Errors
    /// The address is none.
    pub(super) fn new(url: &str, timeout: Duration) -> Result<Self, StoreError> {
        let info = url.into_connection_info().map_err(failed)?;
        // A call is one small packet, which is not to wait for another.
        let info = info.set_tcp_settings(TcpSettings::default().set_nodelay(true));
        #[cfg(feature = "redis-tls")]
        if matches!(info.addr(), ConnectionAddr::TcpTls { .. }) {
            // Fails if the process has chosen one before, which is as good.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        // What is wrong with the address is to be known at once, and not at the first call.
        Client::open(info.clone()).map_err(failed)?;
        let line = Line { state: State::Closed, number: 0, used: Instant::now(), moved: None };
        Ok(Self { info, timeout, home: Home::here(), line: Mutex::new(line) })
    }

    /// When a call that begins now must have its answer.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.timeout.min(LONGEST)
    }

    /// Gets the answer to a call before the deadline.
    ///
    /// # Errors
    /// The server could not be reached, gave an error, or did not answer in time: then it may have done it.
    pub(super) async fn send<T: FromRedisValue>(
        &self,
        call: Call<'_>,
        repeat: Repeat,
        deadline: Instant,
    ) -> Result<T, StoreError> {
        let number = AtomicU64::new(0);
        match tokio::time::timeout_at(deadline.into(), self.attempts(call, repeat, &number)).await {
            Ok(answer) => answer.map_err(failed),
            Err(_) => {
                // A network that swallows packets would otherwise be believed in for many minutes.
                self.give_up(number.load(Ordering::Relaxed));
                Err(StoreError { reason: format!("no answer within {} ms", self.timeout.as_millis()) })
            }
        }
    }

    async fn attempts<T: FromRedisValue>(
        &self,
        call: Call<'_>,
        repeat: Repeat,
        number: &AtomicU64,
    ) -> RedisResult<T> {
        let mut attempt = 1;
        loop {
            let (mut connection, current) = self.connection(number).await?;
            let answer = match call {
                Call::Script(script) => script.invoke_async(&mut connection).await,
                Call::Command(command) => command.query_async(&mut connection).await,
            };
            let error = match answer {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let again = self.learn(&error, current, repeat).await;
            if !again || attempt == ATTEMPTS {
                return Err(error);
            }
            attempt += 1;
        }
    }

    /// What an error says about the connection; whether to try again.
    async fn learn(&self, error: &RedisError, number: u64, repeat: Repeat) -> bool {
        let mut line = self.line.lock().await;
        let current = line.number == number;
        if error.kind() == redis::ErrorKind::Server(ServerErrorKind::Moved) {
            // The node has done nothing but say who keeps these keys.
            let Some((host, port)) = error.redirect_node().and_then(|(node, _)| node.rsplit_once(':')) else {
                return false;
            };
            let Ok(port) = port.parse() else { return false };
            if current {
                line.moved = Some((host.to_owned(), port));
                line.state = State::Closed;
            }
            return true;
        }
        let read_only = error.kind() == redis::ErrorKind::Server(ServerErrorKind::ReadOnly);
        if !(read_only || error.is_io_error() || error.is_unrecoverable_error()) {
            return false;
        }
        if current {
            line.close();
        }
        // A replica does nothing of a script that writes.
        read_only || repeat == Repeat::Safe
    }

    /// The connection, opened if need be, and its number.
    async fn connection(&self, number: &AtomicU64) -> RedisResult<(MultiplexedConnection, u64)> {
        let mut line = self.line.lock().await;
        loop {
            number.store(line.number, Ordering::Relaxed);
            match &mut line.state {
                State::Closed => {
                    let opening = self.home.spawn(open(self.address(line.moved.as_ref())));
                    line.number += 1;
                    line.state = State::Opening(opening);
                }
                State::Opening(opening) => {
                    let opened =
                        opening.await.map_err(|error| std::io::Error::other(error.to_string()).into());
                    match opened.and_then(|opened| opened) {
                        Ok(connection) => line.state = State::Open(connection),
                        Err(error) => {
                            line.close();
                            return Err(error);
                        }
                    }
                    line.used = Instant::now();
                }
                State::Open(connection) => {
                    let mut connection = connection.clone();
                    if line.used.elapsed() > SILENT
                        && redis::cmd("PING").exec_async(&mut connection).await.is_err()
                    {
                        line.close();
                        continue;
                    }
                    line.used = Instant::now();
                    return Ok((connection, line.number));
                }
            }
        }
    }

    fn address(&self, moved: Option<&(String, u16)>) -> ConnectionInfo {
        let Some((moved_host, moved_port)) = moved else { return self.info.clone() };
        let address = match self.info.addr().clone() {
            // A node that leaves its name out is the same by another port.
            ConnectionAddr::Tcp(host, _) if moved_host.is_empty() => ConnectionAddr::Tcp(host, *moved_port),
            ConnectionAddr::Tcp(..) => ConnectionAddr::Tcp(moved_host.clone(), *moved_port),
            ConnectionAddr::TcpTls { host, insecure, tls_params, .. } => {
                let host = if moved_host.is_empty() { host } else { moved_host.clone() };
                ConnectionAddr::TcpTls { host, port: *moved_port, insecure, tls_params }
            }
            other => other,
        };
        self.info.clone().set_addr(address)
    }

    /// Gives a connection up on which an answer did not come. Calls that wait on it go on waiting.
    fn give_up(&self, number: u64) {
        // Whoever has the lock is opening a connection or trying this one.
        if let Ok(mut line) = self.line.try_lock()
            && line.number == number
            && matches!(line.state, State::Open(_))
        {
            line.close();
        }
    }
}

impl Line {
    fn close(&mut self) {
        self.state = State::Closed;
        self.moved = None;
    }
}

async fn open(info: ConnectionInfo) -> RedisResult<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECTING))
        .set_response_timeout(None)
        .set_pipeline_buffer_size(WAITING);
    Client::open(info)?.get_multiplexed_async_connection_with_config(&config).await
}

fn failed(error: RedisError) -> StoreError {
    StoreError { reason: error.to_string() }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address may hold a password.
        f.debug_struct("Link").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}
