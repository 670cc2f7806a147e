//! The command line of the benchmarks.

mod scenario;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use clap::{Args, Parser, Subcommand};
use weirgate_bench::preset::Preset;
use weirgate_bench::{LoadConfig, LoadResult, Report, Row, load};

/// Load, CPU and memory figures of the gateway and of what stands beside it.
#[derive(Debug, Parser)]
#[command(name = "weirgate-bench", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start scenarios and measure each.
    Run(RunArgs),
    /// Send load to one address.
    Load(LoadArgs),
    /// Print a report as a table.
    Show {
        /// The report.
        file: PathBuf,
    },
}

/// Scenarios to run.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Rows, in order; without any, all of Weirgate's.
    #[arg(long, value_delimiter = ',')]
    rows: Vec<String>,
    /// Other gateways too.
    #[arg(long)]
    peers: bool,
    /// Where the report goes.
    #[arg(long, default_value = "target/bench/latest.json")]
    out: PathBuf,
    /// The mock provider's binary; beside this one if absent.
    #[arg(long)]
    mock: Option<PathBuf>,
    /// The gateway's binary; beside this one if absent.
    #[arg(long)]
    weirgate: Option<PathBuf>,
    /// Envoy's binary.
    #[arg(long, default_value = ".tools/bin/envoy")]
    envoy: PathBuf,
    /// The folder of the filters.
    #[arg(long, default_value = "target/filters")]
    filters: PathBuf,
    /// Connections of the rows that are not streamed.
    #[arg(long, short, default_value_t = 16)]
    connections: usize,
    /// Requests measured of each of those; slow gateways get fewer.
    #[arg(long, short = 'n', default_value_t = 20_000)]
    requests: u64,
    /// Bytes of the prompt.
    #[arg(long, default_value_t = 1_000)]
    prompt_bytes: usize,
    /// Questions that are kept where the stores of the semantic cache are measured.
    #[arg(long, default_value_t = 100_000)]
    entries: u64,
    /// Seconds an answer may take.
    #[arg(long, default_value_t = 30)]
    timeout: u64,
}

/// How much load.
#[derive(Debug, Clone, Args)]
pub(crate) struct Size {
    /// What is sent.
    #[arg(long, value_enum, default_value = "chat")]
    preset: Preset,
    /// Connections, each with one request at a time.
    #[arg(long, short, default_value_t = 16)]
    connections: usize,
    /// Requests measured.
    #[arg(long, short = 'n', default_value_t = 20_000)]
    requests: u64,
    /// Requests before.
    #[arg(long, default_value_t = 2_000)]
    warmup: u64,
    /// The model asked for.
    #[arg(long, default_value = "gpt-4o")]
    model: String,
    /// Bytes of the prompt.
    #[arg(long, default_value_t = 1_000)]
    prompt_bytes: usize,
    /// Request header as `name: value`; may be repeated.
    #[arg(long = "header", short = 'H', value_parser = parse_header)]
    headers: Vec<(String, String)>,
    /// Seconds an answer may take.
    #[arg(long, default_value_t = 30)]
    timeout: u64,
}

impl Size {
    /// The load against a server of the preset's API.
    pub(crate) fn load(&self, base_url: &str, key: &str) -> LoadConfig {
        let mut config = self.preset.load(base_url, key, &self.model, self.prompt_bytes);
        config.headers.extend(self.headers.iter().cloned());
        LoadConfig {
            connections: self.connections,
            requests: self.requests,
            warmup: self.warmup,
            timeout: Duration::from_secs(self.timeout),
            ..config
        }
    }
}

/// Load on one address.
#[derive(Debug, Args)]
struct LoadArgs {
    /// `http://host:port`; the preset's path is added if there is no other.
    #[arg(long)]
    url: String,
    /// The name of the row.
    #[arg(long, default_value = "load")]
    name: String,
    /// The key sent.
    #[arg(long, default_value = "bench-key")]
    key: String,
    /// File with the request body, in place of the preset's.
    #[arg(long)]
    body: Option<PathBuf>,
    /// Answers are streams; known of presets.
    #[arg(long)]
    stream: bool,
    /// Process whose CPU and memory are measured; may be repeated.
    #[arg(long = "pid")]
    pids: Vec<u32>,
    /// Report to add the row to.
    #[arg(long)]
    out: Option<PathBuf>,
    #[command(flatten)]
    size: Size,
}

fn parse_header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("a header is `name: value`")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("weirgate-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<(), Box<dyn Error>> {
    // One thread is plenty for the load and leaves the cores to what is measured.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match command {
        Command::Run(args) => runtime.block_on(run_scenarios(args)),
        Command::Load(args) => runtime.block_on(run_load(args)),
        Command::Show { file } => {
            print!("{}", Report::read(&file)?.table());
            Ok(())
        }
    }
}

async fn run_scenarios(args: RunArgs) -> Result<(), Box<dyn Error>> {
    let mut report = Report::new();
    let rows: Vec<&str> = if args.rows.is_empty() {
        scenario::names(args.peers).collect()
    } else {
        args.rows.iter().map(String::as_str).collect()
    };
    for name in rows {
        eprintln!("{name} ...");
        let rows = scenario::run(name, &args).await.map_err(|error| format!("{name}: {error}"))?;
        rows.into_iter().for_each(|row| report.put(row));
        // After every row, so that a later failure loses nothing.
        report.write(&args.out)?;
    }
    print!("{}", report.table());
    Ok(())
}

async fn run_load(args: LoadArgs) -> Result<(), Box<dyn Error>> {
    let mut config = args.size.load(&args.url, &args.key);
    let has_path = args.url.strip_prefix("http://").is_some_and(|rest| rest.contains('/'));
    if has_path {
        config.url.clone_from(&args.url);
    }
    if let Some(path) = &args.body {
        config.body = Bytes::from(std::fs::read(path)?);
    }
    config.streaming |= args.stream;
    config.pids = args.pids;
    let mut result = load::run(config).await?;
    print_errors(&args.name, &result);
    let row = Row::new(&args.name, args.size.connections, &mut result);
    let mut report = match &args.out {
        Some(path) if path.exists() => Report::read(path)?,
        _ => Report::new(),
    };
    report.put(row);
    if let Some(path) = &args.out {
        report.write(path)?;
    }
    print!("{}", report.table());
    Ok(())
}

fn print_errors(name: &str, result: &LoadResult) {
    for (what, count) in &result.errors {
        eprintln!("{name}: {count} x {what}");
    }
}

/// A binary that was built together with this one.
pub(crate) fn beside_this(name: &str) -> std::io::Result<PathBuf> {
    let own = std::env::current_exe()?;
    Ok(own.parent().unwrap_or(Path::new(".")).join(name))
}
