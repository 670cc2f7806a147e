//! The command line of the mock provider.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use mock_provider::script::Rule;
use mock_provider::{Config, MockServer};

/// A model provider that answers by script.
#[derive(Debug, Parser)]
#[command(name = "mock-provider", version)]
struct Args {
    /// Address to listen on; may be repeated; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:9100")]
    listen: Vec<SocketAddr>,
    /// JSON file with steering rules, as `PUT /mock/script` takes them.
    #[arg(long)]
    script: Option<PathBuf>,
    /// File that receives the ports listened on, one a line, once all are open.
    #[arg(long)]
    port_file: Option<PathBuf>,
    /// Answer requests that carry no credentials.
    #[arg(long)]
    no_auth: bool,
    /// Worker threads; as many as cores if absent.
    #[arg(long)]
    workers: Option<usize>,
}

fn main() -> ExitCode {
    match run(Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mock-provider: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> Result<(), Box<dyn std::error::Error>> {
    let script = match &args.script {
        Some(path) => Rule::parse_list(&std::fs::read(path)?)?,
        None => Vec::new(),
    };
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(workers) = args.workers {
        builder.worker_threads(workers.max(1));
    }
    let runtime = builder.enable_all().build()?;
    runtime.block_on(async {
        let config = Config { listen: args.listen, no_auth: args.no_auth, script };
        let server = MockServer::start(config).await?;
        for address in server.addresses() {
            println!("listening on http://{address}");
        }
        if let Some(path) = &args.port_file {
            write_ports(path, server.addresses())?;
        }
        tokio::signal::ctrl_c().await?;
        Ok(())
    })
}

/// Writes the ports beside the file and renames it, so that a reader never sees half of it.
fn write_ports(path: &std::path::Path, addresses: &[SocketAddr]) -> std::io::Result<()> {
    let lines: String = addresses.iter().map(|address| format!("{}\n", address.port())).collect();
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    std::fs::write(&partial, lines)?;
    std::fs::rename(&partial, path)
}
