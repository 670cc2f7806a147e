//! Listening, and the in-process handle for tests.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use crate::ledger::Ledger;
use crate::recorder::Recorder;
use crate::respond::{Connection, State, respond};
use crate::script::{Rule, Script};
use crate::wire::{FlushMark, MarkedStream};

/// How to start a mock.
#[derive(Debug, Clone)]
pub struct Config {
    /// Addresses to listen on; port 0 takes a free one.
    pub listen: Vec<SocketAddr>,
    /// Answer requests without credentials.
    pub no_auth: bool,
    /// The first rules.
    pub script: Vec<Rule>,
}

impl Default for Config {
    /// One free port on the loopback address.
    fn default() -> Self {
        Self { listen: vec![SocketAddr::from(([127, 0, 0, 1], 0))], no_auth: false, script: Vec::new() }
    }
}

/// A running mock; dropping it closes its listeners and connections.
#[derive(Debug)]
pub struct MockServer {
    addresses: Vec<SocketAddr>,
    state: Arc<State>,
    accepting: Vec<AbortHandle>,
}

impl MockServer {
    /// Opens all listeners and starts to answer, on the current tokio runtime.
    pub async fn start(config: Config) -> io::Result<Self> {
        let state = Arc::new(State { no_auth: config.no_auth, ..State::default() });
        state.script.replace(config.script);
        let mut server = Self { addresses: Vec::new(), state, accepting: Vec::new() };
        for address in config.listen {
            let listener = TcpListener::bind(address).await?;
            let address = listener.local_addr()?;
            server.addresses.push(address);
            let accepting = accept(listener, address.port(), Arc::clone(&server.state));
            server.accepting.push(tokio::spawn(accepting).abort_handle());
        }
        Ok(server)
    }

    /// The addresses listened on, in the order of the configuration.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The first address as `http://host:port`; empty if there is none.
    pub fn url(&self) -> String {
        self.addresses.first().map(|address| format!("http://{address}")).unwrap_or_default()
    }

    /// The account.
    pub fn ledger(&self) -> &Ledger {
        &self.state.ledger
    }

    /// The last raw requests.
    pub fn recorder(&self) -> &Recorder {
        &self.state.recorder
    }

    /// The rules in force.
    pub fn script(&self) -> &Script {
        &self.state.script
    }

    /// Forgets ledger, requests and rules.
    pub fn reset(&self) {
        self.state.reset();
    }
}

impl Drop for MockServer {
    fn drop(&mut self) {
        for task in &self.accepting {
            task.abort();
        }
    }
}

async fn accept(listener: TcpListener, port: u16, state: Arc<State>) {
    // Connections end with this task, since a join set aborts what it holds.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, port, Arc::clone(&state)));
                }
                // Out of descriptors, mostly: some connection must end before the next is accepted.
                Err(_) => tokio::task::yield_now().await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, port: u16, state: Arc<State>) {
    // Without it small events wait for acknowledgements.
    let _ = stream.set_nodelay(true);
    let mark = Arc::new(FlushMark::default());
    let connection = Connection { state, port, mark: Arc::clone(&mark) };
    let service = service_fn(move |request| respond(connection.clone(), request));
    // The error is the client's leaving or a cut that a test wished for; the ledger knows both.
    let connection = http1::Builder::new().serve_connection(MarkedStream::new(stream, mark), service);
    let _ = connection.with_upgrades().await;
}
