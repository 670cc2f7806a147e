//! Runs the service and Envoy together, as one command.

use crate::config::{Config, Endpoint};
use crate::envoy::{Filter, Paths, render};
use crate::gateway::Gateway;
use crate::serve::Service;
use std::collections::VecDeque;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

/// How long both may take to become ready.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);
/// How long Envoy may take to end before it is killed.
const GRACE: Duration = Duration::from_secs(5);
/// The last lines of Envoy's log that are shown when it does not start.
const LAST_LINES: usize = 20;

/// Options of one run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Envoy's binary.
    pub envoy: PathBuf,
    /// The folder of the filters.
    pub filters: PathBuf,
}

/// Runs until a signal comes or one of the two ends.
///
/// # Errors
/// Text for the operator: what did not start, or which of the two ended.
pub async fn run(config: Config, options: &Options) -> Result<(), String> {
    if let Some(missing) = config.missing_file() {
        return Err(missing);
    }
    let filters = filters(&options.filters)?;
    let folder = tempfile::Builder::new().prefix("weirgate-").tempdir().map_err(text)?;
    let service = Endpoint::Unix(folder.path().join("service.sock"));
    let admin = match config.envoy.admin {
        Some(address) => Endpoint::Tcp { host: address.ip().to_string(), port: address.port() },
        None => Endpoint::Unix(folder.path().join("envoy-admin.sock")),
    };
    let paths = Paths { filters, service: service.clone(), admin };
    let file = folder.path().join("envoy.yaml");
    write_private(&file, &render(&config, &paths).yaml()).map_err(text)?;

    // Envoys share a port without a word; clients would then get the answers of either gateway.
    std::net::TcpListener::bind(config.listen)
        .map_err(|error| format!("cannot listen on {}: {error}", config.listen))?;
    let concurrency = config.envoy.concurrency;
    let banner = banner(&config);
    let admin_address = config.admin;
    let gateway = Arc::new(Gateway::open(config).map_err(text)?);
    let bound = Service::bind(gateway.clone(), &service, admin_address).await.map_err(text)?;
    let operators = bound.admin_address().map_err(text)?;
    let (stop, stopped) = oneshot::channel::<()>();
    let mut serving = tokio::spawn(bound.run(async {
        let _ = stopped.await;
    }));
    let log = Log::default();
    let mut envoy = start(&options.envoy, &file, concurrency, &log)?;

    let mut terminate = signal(SignalKind::terminate()).map_err(text)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(text)?;
    let outcome = tokio::select! {
        ready = ready(&gateway) => match ready {
            Ok(()) => {
                log.started();
                println!("{banner}\n  operators    http://{operators}/readyz /metrics /usage\n");
                let _ = io::stdout().flush();
                tokio::select! {
                    status = envoy.wait() => Err(log.ended(status)),
                    served = &mut serving => Err(format!("the service ended: {served:?}")),
                    _ = terminate.recv() => Ok(()),
                    _ = interrupt.recv() => Ok(()),
                }
            }
            Err(reason) => Err(format!("{reason}\n{}", log.last_lines())),
        },
        status = envoy.wait() => Err(log.ended(status)),
        served = &mut serving => Err(format!("the service ended: {served:?}")),
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    };
    // Envoy first: its last log entries must still find the service.
    end(&mut envoy).await;
    let _ = stop.send(());
    let _ = tokio::time::timeout(GRACE, serving).await;
    outcome
}

/// The whole path of the folder of the filters, in which all of them are.
fn filters(folder: &Path) -> Result<PathBuf, String> {
    let there = |filter: &Filter| folder.join(format!("{}.wasm", filter.name())).is_file();
    match folder.canonicalize() {
        Ok(folder) if Filter::ALL.iter().all(there) => Ok(folder),
        _ => Err(format!(
            "the filters are not in {}: build them with `make filters` in a clone of Weirgate, and name that clone's target/filters \
             with --filters, WEIRGATE_FILTERS or envoy.filters",
            folder.display()
        )),
    }
}

fn banner(config: &Config) -> String {
    let mut listen = config.listen;
    if listen.ip().is_unspecified() {
        listen.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    let model = config.models.first().map_or("MODEL", |model| model.name.as_str());
    format!(
        "weirgate is ready\n  clients      http://{listen}/v1\n\n  curl http://{listen}/v1/chat/completions \\\n    \
         -H \"Authorization: Bearer $WEIRGATE_KEY\" -H 'Content-Type: application/json' \\\n    \
         -d '{{\"model\": \"{model}\", \"messages\": [{{\"role\": \"user\", \"content\": \"Hello\"}}]}}'\n"
    )
}

/// Starts Envoy so that it ends with us, also when we are killed.
fn start(binary: &Path, file: &Path, concurrency: Option<u64>, log: &Log) -> Result<Child, String> {
    // What starts it would not say so as clearly.
    if binary.components().count() > 1 && !binary.exists() {
        return Err(format!("cannot start envoy ({}): there is no such file", binary.display()));
    }
    let mut command = if Path::new("/usr/bin/setpriv").exists() {
        let mut command = Command::new("/usr/bin/setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(binary);
        command
    } else {
        Command::new(binary)
    };
    // Without a hot restarter there is nothing to share, and several Envoys may run on one machine.
    command.arg("--disable-hot-restart").args(["--log-level", "warn", "-c"]).arg(file);
    if let Some(workers) = concurrency {
        command.arg("--concurrency").arg(workers.to_string());
    }
    command.stdin(Stdio::null()).stdout(Stdio::inherit()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child =
        command.spawn().map_err(|error| format!("cannot start envoy ({}): {error}", binary.display()))?;
    if let Some(stderr) = child.stderr.take() {
        let log = log.clone();
        tokio::spawn(async move {
            let mut lines = BufReader::new(stderr).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                log.line(line);
            }
        });
    }
    Ok(child)
}

async fn ready(gateway: &Gateway) -> Result<(), String> {
    let address = crate::admin::probe_address(gateway);
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        match gateway.probe.check(&address).await {
            Ok(()) => return Ok(()),
            Err(reason) if tokio::time::Instant::now() > deadline => {
                return Err(format!("not ready: {reason}"));
            }
            Err(_) => tokio::time::sleep(POLL).await,
        }
    }
}

async fn end(envoy: &mut Child) {
    if let Some(id) = envoy.id() {
        // The child may be gone already.
        let _ = Command::new("kill").args(["-TERM", &id.to_string()]).stderr(Stdio::null()).status().await;
    }
    if tokio::time::timeout(GRACE, envoy.wait()).await.is_err() {
        let _ = envoy.kill().await;
    }
}

/// Envoy's log: the last lines while it starts, and all lines, passed on, afterwards.
#[derive(Clone, Debug, Default)]
struct Log(Arc<Mutex<LogState>>);

#[derive(Debug, Default)]
struct LogState {
    last: VecDeque<String>,
    started: bool,
}

impl Log {
    fn state(&self) -> std::sync::MutexGuard<'_, LogState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn line(&self, line: String) {
        let mut state = self.state();
        if state.started {
            eprintln!("{line}");
            return;
        }
        if state.last.len() == LAST_LINES {
            state.last.pop_front();
        }
        state.last.push_back(line);
    }

    fn started(&self) {
        self.state().started = true;
    }

    fn last_lines(&self) -> String {
        Vec::from(self.state().last.clone()).join("\n")
    }

    fn ended(&self, status: io::Result<std::process::ExitStatus>) -> String {
        let how = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        format!("envoy ended ({how})\n{}", self.last_lines())
    }
}

/// A file that only its owner may read: it may hold a provider's key.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

fn text(error: io::Error) -> String {
    error.to_string()
}
