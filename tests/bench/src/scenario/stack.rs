//! What stands between the load and the mock provider.

use std::error::Error;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use weirgate_bench::process::{Mock, Process};

use super::peers;
use crate::{RunArgs, beside_this};

/// How long anything may take to start.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);
const KEY: &str = "weirgate-bench-key";

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stack {
    /// The mock provider alone: what every other row contains.
    Direct,
    /// Envoy without a filter of ours.
    BareEnvoy,
    /// Envoy with the three filters, and no service.
    Filters,
    /// The whole gateway: key, limits, budget, exact count, guard, routing, ledger.
    Gateway,
    /// The same with a cache, which answers all but the first request.
    Cached,
    /// LiteLLM's proxy, proxying only.
    LiteLlm,
    /// Portkey's gateway, proxying only.
    Portkey,
    /// Noveum's gateway, proxying only.
    Noveum,
}

impl Stack {
    /// Whether this is another gateway.
    pub(super) fn is_peer(self) -> bool {
        matches!(self, Self::LiteLlm | Self::Portkey | Self::Noveum)
    }

    /// By how much fewer requests are enough for a figure that repeats.
    pub(super) fn slowness(self) -> u64 {
        match self {
            Self::LiteLlm => 20,
            Self::Portkey => 4,
            _ => 1,
        }
    }
}

/// What was started for one row.
pub(super) struct Started {
    pub(super) url: String,
    pub(super) key: String,
    pub(super) headers: Vec<(String, String)>,
    mock: Mock,
    /// What is measured; without one the mock itself is.
    measured: Option<Process>,
}

impl Started {
    /// The processes whose CPU and memory count: the one that was started and its children.
    pub(super) fn pids(&self) -> std::io::Result<Vec<u32>> {
        match &self.measured {
            Some(measured) => measured.family(),
            None => Ok(vec![self.mock.process.pid()]),
        }
    }

    pub(super) async fn stop(self) -> std::io::Result<()> {
        if let Some(measured) = self.measured {
            measured.stop().await?;
        }
        self.mock.process.stop().await?;
        Ok(())
    }
}

/// Starts the mock provider and what stands before it.
pub(super) async fn start(stack: Stack, args: &RunArgs) -> Result<Started, Box<dyn Error>> {
    let folder = args.out.with_extension("logs");
    std::fs::create_dir_all(&folder)?;
    // One of an earlier run would be taken for the new one's.
    let _ = std::fs::remove_file(folder.join("mock.port"));
    let program = args.mock.clone().map_or_else(|| beside_this("mock-provider"), Ok)?;
    // provider-select takes the credentials away, and without the service nobody puts others in.
    let mock = Mock::start(&program, &folder, &["--no-auth"]).await?;
    let mut started =
        Started { url: mock.url.clone(), key: KEY.to_owned(), headers: Vec::new(), mock, measured: None };
    let mock_url = started.mock.url.clone();
    match stack {
        Stack::Direct => {}
        Stack::BareEnvoy => envoy(&mut started, args, &folder, Vec::new()).await?,
        Stack::Filters => {
            let filters = ["provider-select", "prompt-guard", "token-counter"];
            let filters = filters.iter().map(|name| wasm(name, &args.filters)).collect();
            envoy(&mut started, args, &folder, filters).await?;
        }
        Stack::Gateway => gateway(&mut started, args, &folder, "").await?,
        Stack::Cached => gateway(&mut started, args, &folder, "cache: {any_temperature: true}").await?,
        Stack::LiteLlm => peers::litellm(&mut started, &mock_url, &folder).await?,
        Stack::Portkey => peers::portkey(&mut started, &mock_url, &folder).await?,
        Stack::Noveum => peers::noveum(&mut started, &mock_url, &folder).await?,
    }
    Ok(started)
}

impl Started {
    /// Waits until a port takes connections, and makes that process the one that is measured.
    pub(super) async fn measure(&mut self, mut process: Process, port: u16) -> Result<(), Box<dyn Error>> {
        let connect = async || tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok();
        process.until(PATIENCE, connect).await?;
        self.url = format!("http://127.0.0.1:{port}");
        self.measured = Some(process);
        Ok(())
    }
}

/// A port that nobody uses now.
pub(super) fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

async fn envoy(
    started: &mut Started,
    args: &RunArgs,
    folder: &Path,
    mut filters: Vec<Value>,
) -> Result<(), Box<dyn Error>> {
    let port = free_port()?;
    filters.push(json!({
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
    }));
    let address = |port: u16| json!({"socket_address": {"address": "127.0.0.1", "port_value": port}});
    let mock_port: u16 = started.mock.url.rsplit(':').next().unwrap_or_default().parse()?;
    let config = json!({"static_resources": {
        "listeners": [{"address": address(port), "filter_chains": [{"filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                "stat_prefix": "bench",
                "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
                    {"match": {"prefix": "/"}, "route": {"cluster": "mock", "timeout": "0s"}},
                ]}]},
                "http_filters": filters,
            },
        }]}]}],
        "clusters": [{"name": "mock", "type": "STATIC", "load_assignment": {
            "cluster_name": "mock",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(mock_port)}}]}],
        }}],
    }});
    let file = folder.join("envoy.json");
    std::fs::write(&file, config.to_string())?;
    let file = file.display().to_string();
    let arguments = ["--disable-hot-restart", "--log-level", "warn", "-c", &file];
    let process = Process::start(&args.envoy, arguments, &folder.join("envoy.log"))?;
    started.measure(process, port).await
}

fn wasm(name: &str, folder: &Path) -> Value {
    let file = folder.canonicalize().unwrap_or_else(|_| folder.to_owned()).join(format!("{name}.wasm"));
    json!({
        "name": name,
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
            "config": {
                "name": name,
                "root_id": name,
                "vm_config": {
                    "vm_id": name, "runtime": "envoy.wasm.runtime.v8", "code": {"local": {"filename": file}},
                },
                "configuration": {
                    "@type": "type.googleapis.com/google.protobuf.StringValue",
                    "value": if name == "prompt-guard" { GUARD } else { "{}" },
                },
                "failure_policy": "FAIL_RELOAD",
                "allow_on_headers_stop_iteration": true,
            },
        },
    })
}

/// A rule, so that the guard reads every prompt.
const GUARD: &str = r#"{"rules":[{"name":"project","action":"deny","pattern":"(?i)project[ -]x"}]}"#;

async fn gateway(
    started: &mut Started,
    args: &RunArgs,
    folder: &Path,
    more: &str,
) -> Result<(), Box<dyn Error>> {
    let (port, admin) = (free_port()?, free_port()?);
    let mock = &started.mock.url;
    let ledger = folder.join("ledger.jsonl");
    let _ = std::fs::remove_file(&ledger);
    let config = format!(
        "listen: 127.0.0.1:{port}
admin: 127.0.0.1:{admin}
providers:
  openai: {{dialect: openai, base_url: {mock}/v1, api_key: mock}}
  anthropic: {{dialect: anthropic, base_url: {mock}/v1, api_key: mock}}
models:
  - {{name: gpt-4o, deployments: [{{provider: openai, model: gpt-4o}}]}}
  - {{name: claude-sonnet-4-5, deployments: [{{provider: anthropic, model: claude-sonnet-4-5}}]}}
keys:
  - name: bench
    key: {KEY}
    limits: {{requests_per_minute: 1000000000, tokens_per_minute: 1000000000000, budget: {{usd: 1000000, period: total}}}}
guard:
  rules: [{{name: project, action: deny, pattern: '(?i)project[ -]x'}}]
ledger: {ledger}
{more}
",
        ledger = ledger.display(),
    );
    let file = folder.join("weirgate.yaml");
    std::fs::write(&file, config)?;
    let weirgate = args.weirgate.clone().map_or_else(|| beside_this("weirgate"), Ok)?;
    let text = |path: &PathBuf| path.display().to_string();
    let arguments = [
        "up".to_owned(),
        "-c".to_owned(),
        text(&file),
        "--envoy".to_owned(),
        text(&args.envoy),
        "--filters".to_owned(),
        text(&args.filters),
    ];
    let log = folder.join("weirgate.log");
    let mut process = Process::start(&weirgate, arguments, &log)?;
    let ready = async || std::fs::read_to_string(&log).ok().filter(|text| text.contains("weirgate is ready"));
    process.until(PATIENCE, ready).await?;
    started.measure(process, port).await
}
