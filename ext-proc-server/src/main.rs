//! The `weirgate` command.

mod cli;

use clap::{Parser, Subcommand};
use cli::manage;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use weirgate::config::{Config, Endpoint, environment, load};
use weirgate::envoy::{Filter, Paths, render, render_filter};
use weirgate::gateway::Gateway;
use weirgate::serve::Service;
use weirgate::up;

/// A request makes some two hundred small allocations, many of which another thread frees. The system's allocator took a tenth of all
/// time for them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// An AI gateway for Envoy.
#[derive(Debug, Parser)]
#[command(name = "weirgate", version)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Checks a configuration file and lists everything that is wrong with it.
    Check(File),
    /// Writes Envoy's configuration to the standard output.
    Render {
        #[command(flatten)]
        file: File,
        #[command(flatten)]
        filters: Filters,
        /// Writes a small configuration with this one filter, to be copied from: provider-select, prompt-guard or
        /// token-counter.
        #[arg(long, value_name = "FILTER", value_parser = filter)]
        only: Option<Filter>,
    },
    /// Shows prices, and makes tables of them.
    #[command(subcommand)]
    Prices(cli::prices::Verb),
    /// Manages organisations, over the admin API.
    #[command(subcommand)]
    Organizations(manage::Verb),
    /// Manages teams, over the admin API.
    #[command(subcommand)]
    Teams(manage::Verb),
    /// Manages users, over the admin API.
    #[command(subcommand)]
    Users(manage::Verb),
    /// Manages virtual keys, over the admin API.
    #[command(subcommand)]
    Keys(manage::KeyVerb),
    /// Manages limits of nobody in particular, over the admin API.
    #[command(subcommand)]
    Limits(manage::Verb),
    /// Shows what was used and spent, over the admin API.
    Spend(manage::Spend),
    /// Shows who changed what, over the admin API.
    Audit(manage::Audit),
    /// Runs the service that Envoy calls.
    Serve(File),
    /// Runs the service and Envoy together.
    Up {
        #[command(flatten)]
        file: File,
        #[command(flatten)]
        filters: Filters,
        /// Envoy's binary.
        #[arg(long, env = "WEIRGATE_ENVOY", default_value = "envoy")]
        envoy: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
struct File {
    /// The configuration file.
    #[arg(short, long, env = "WEIRGATE_CONFIG", default_value = "weirgate.yaml")]
    config: PathBuf,
}

#[derive(Debug, clap::Args)]
struct Filters {
    /// The folder of the filters; by default the one that the configuration names, or target/filters.
    #[arg(long, env = "WEIRGATE_FILTERS")]
    filters: Option<PathBuf>,
}

impl Filters {
    fn folder(self, config: &Config) -> PathBuf {
        self.filters
            .or_else(|| config.envoy.filters.clone())
            .unwrap_or_else(|| PathBuf::from("target/filters"))
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("WEIRGATE_LOG")
                .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn")),
        )
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    match run(Arguments::parse().verb).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("weirgate: {message}");
            ExitCode::FAILURE
        }
    }
}

async fn run(verb: Verb) -> Result<(), String> {
    match verb {
        Verb::Check(file) => {
            let path = file.config.display();
            let config = read(&file.config)?;
            if let Some(missing) = config.missing_file() {
                return Err(format!("the configuration is not valid\n{path}: {missing}"));
            }
            for warning in config.warnings() {
                eprintln!("weirgate: warning: {path}: {warning}");
            }
            println!("{path} is valid");
            Ok(())
        }
        Verb::Render { file, filters, only } => {
            let config = read(&file.config)?;
            if let Some(filter) = only {
                return cli::print(render_filter(filter, &config, &filters.folder(&config)).yaml());
            }
            let admin = config
                .envoy
                .admin
                .map_or(Endpoint::Tcp { host: "127.0.0.1".to_owned(), port: 9902 }, |address| {
                    Endpoint::Tcp { host: address.ip().to_string(), port: address.port() }
                });
            let service = config.service_address.clone().unwrap_or_else(|| config.service.clone());
            let paths = Paths { filters: filters.folder(&config), service, admin };
            cli::print(render(&config, &paths).yaml())
        }
        Verb::Prices(verb) => cli::prices::run(verb),
        Verb::Organizations(verb) => manage::run(manage::ORGANIZATIONS, verb).await,
        Verb::Teams(verb) => manage::run(manage::TEAMS, verb).await,
        Verb::Users(verb) => manage::run(manage::USERS, verb).await,
        Verb::Keys(verb) => manage::keys(verb).await,
        Verb::Limits(verb) => manage::run(manage::LIMITS, verb).await,
        Verb::Spend(spend) => manage::spend(spend).await,
        Verb::Audit(audit) => manage::audit(audit).await,
        Verb::Serve(file) => serve(read(&file.config)?).await,
        Verb::Up { file, filters, envoy } => {
            let config = read(&file.config)?;
            let options = up::Options { envoy, filters: filters.folder(&config) };
            up::run(config, &options).await
        }
    }
}

async fn serve(config: Config) -> Result<(), String> {
    let (endpoint, admin) = (config.service.clone(), config.admin);
    let gateway = Arc::new(Gateway::open(config).map_err(|error| error.to_string())?);
    let service = Service::bind(gateway, &endpoint, admin).await.map_err(|error| error.to_string())?;
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        .map_err(|error| error.to_string())?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    };
    service.run(stop).await.map_err(|error| error.to_string())
}

fn filter(name: &str) -> Result<Filter, String> {
    Filter::ALL.into_iter().find(|filter| filter.name() == name).ok_or_else(|| {
        let names: Vec<&str> = Filter::ALL.iter().map(|filter| filter.name()).collect();
        format!("the filters are {}", names.join(", "))
    })
}

fn read(path: &Path) -> Result<Config, String> {
    load(path, &environment::Process).map_err(|problems| {
        let lines: Vec<String> =
            problems.iter().map(|problem| format!("{}: {problem}", path.display())).collect();
        format!("the configuration is not valid\n{}", lines.join("\n"))
    })
}
