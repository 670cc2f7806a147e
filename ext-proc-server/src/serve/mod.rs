//! Runs the service: gRPC for Envoy, HTTP for operators.

use crate::cache::Cache;
use crate::config::Endpoint;
use crate::gateway::Gateway;
use crate::secrets::Secrets;
use crate::service::Services;
use crate::{admin, alerts, record};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Notify;
use workers::{Listener, Workers};

mod workers;

/// How often expired reservations are looked for.
const SWEEP: Duration = Duration::from_secs(1);

/// How often requests are settled that were answered from the cache; the others as often as Envoy logs them.
const HITS: Duration = Duration::from_millis(100);

/// How long calls that are under way may take to end once the service is to stop. Envoy's log stream has no end of its own.
const DRAIN: Duration = Duration::from_secs(3);

/// How often the price file is looked at.
const PRICE_FILE: Duration = Duration::from_secs(5);

/// A service whose sockets are open, so that nobody is refused once this exists.
#[derive(Debug)]
pub struct Service {
    gateway: Arc<Gateway>,
    grpc: Grpc,
    admin: TcpListener,
}

#[derive(Debug)]
enum Grpc {
    Unix(UnixListener),
    Tcp(TcpListener),
}

impl Service {
    /// Opens the sockets.
    ///
    /// # Errors
    /// An address that cannot be listened on, named.
    pub async fn bind(gateway: Arc<Gateway>, endpoint: &Endpoint, admin: SocketAddr) -> io::Result<Self> {
        let grpc = match endpoint {
            Endpoint::Unix(path) => {
                // A socket that a killed process left behind would be in the way.
                if path.exists() {
                    std::fs::remove_file(path).map_err(|error| named(error, path.display()))?;
                }
                Grpc::Unix(UnixListener::bind(path).map_err(|error| named(error, path.display()))?)
            }
            Endpoint::Tcp { host, port } => {
                let listener = TcpListener::bind((host.as_str(), *port)).await;
                Grpc::Tcp(listener.map_err(|error| named(error, format!("{host}:{port}")))?)
            }
        };
        let admin = TcpListener::bind(admin).await.map_err(|error| named(error, admin))?;
        Ok(Self { gateway, grpc, admin })
    }

    /// The address of the operators' HTTP.
    ///
    /// # Errors
    /// The socket is gone.
    pub fn admin_address(&self) -> io::Result<SocketAddr> {
        self.admin.local_addr()
    }

    /// Serves until `stop` is done.
    ///
    /// # Errors
    /// A server that failed.
    pub async fn run(self, stop: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        match self.grpc {
            Grpc::Unix(listener) => serve(self.gateway, listener, self.admin, stop).await,
            Grpc::Tcp(listener) => serve(self.gateway, listener, self.admin, stop).await,
        }
    }
}

async fn serve<L: Listener>(
    gateway: Arc<Gateway>,
    listener: L,
    admin: TcpListener,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    // Before the first request, for whose key may be known only there.
    refresh(&gateway).await;
    let sweeper = tokio::spawn(sweep(gateway.clone()));
    let hits = tokio::spawn(settle_hits(gateway.clone()));
    let prices = tokio::spawn(reload_prices(gateway.clone()));
    let alerts = tokio::spawn(alerts::deliver(gateway.clone()));
    let router = admin::router(gateway.clone()).into_make_service_with_connect_info::<SocketAddr>();
    let operators = axum::serve(admin, router);
    let operators = tokio::spawn(operators.into_future());
    let secrets = Secrets::open(gateway.policy.load().config());
    let services = Services::new(gateway.clone());
    let router = || services.clone().router().add_service(secrets.discovery().server());
    // They go on until all is settled: some of what that needs runs on them.
    let mut workers = Workers::start(listener, router)?;
    let secrets = tokio::spawn(secrets.follow());
    let stopped = Arc::new(Notify::new());
    let stop = {
        let stopped = stopped.clone();
        async move {
            stop.await;
            stopped.notify_one();
        }
    };
    let drained = async {
        stopped.notified().await;
        tokio::time::sleep(DRAIN).await;
    };
    let served = tokio::select! {
        served = workers.serve(stop) => served,
        () = drained => Ok(()),
    };
    sweeper.abort();
    hits.abort();
    prices.abort();
    alerts.abort();
    secrets.abort();
    operators.abort();
    record::close(&gateway, SystemTime::now()).await;
    maintain(&gateway);
    served
}

async fn sweep(gateway: Arc<Gateway>) {
    let mut ticks = tokio::time::interval(SWEEP);
    loop {
        ticks.tick().await;
        record::expire(&gateway, SystemTime::now()).await;
        refresh(&gateway).await;
        gateway.departed.sweep();
        gateway.recorded.sweep();
        maintain(&gateway);
    }
}

/// Settles what was answered from the cache.
async fn settle_hits(gateway: Arc<Gateway>) {
    let mut ticks = tokio::time::interval(HITS);
    loop {
        ticks.tick().await;
        record::settle_hits(&gateway).await;
    }
}

/// Follows the price file as it changes.
async fn reload_prices(gateway: Arc<Gateway>) {
    let mut ticks = tokio::time::interval(PRICE_FILE);
    loop {
        ticks.tick().await;
        let prices = gateway.policy.load().config().prices.clone();
        if prices.file().is_none() {
            continue;
        }
        // The file may be on a slow disk, and a large one takes a while to read.
        match tokio::task::spawn_blocking(move || prices.reload()).await {
            Ok(Ok(true)) => tracing::info!("the price file has changed and is in force"),
            Ok(Ok(false)) | Err(_) => {}
            Ok(Err(error)) => {
                tracing::error!(%error, "the price file cannot be used; prices stay as they were");
            }
        }
    }
}

/// Takes over what other processes have changed. While their log cannot be read, what is known stays in force.
async fn refresh(gateway: &Gateway) {
    if let Err(error) = gateway.managed.refresh(&gateway.policy).await {
        tracing::warn!(%error, "what other processes may have changed is not known");
    }
}

/// Brings what the store has written to the disk.
fn maintain(gateway: &Gateway) {
    if let Err(error) = gateway.store.maintain() {
        tracing::error!(%error, "the store's folder cannot be written");
    }
    if let Some(Err(error)) = gateway.cache.as_ref().map(Cache::maintain) {
        tracing::error!(%error, "cached answers cannot be written");
    }
    if let Err(error) = gateway.alerts.maintain() {
        tracing::error!(%error, "the outbox of alerts cannot be written");
    }
}

fn named(error: io::Error, what: impl std::fmt::Display) -> io::Error {
    io::Error::new(error.kind(), format!("cannot listen on {what}: {error}"))
}
