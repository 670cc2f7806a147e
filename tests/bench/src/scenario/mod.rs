//! The rows of a run: what is started for each, and what is measured of it.

mod limits;
mod peers;
mod questions;
mod semantic;
mod stack;
mod translate;

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use weirgate_bench::preset::Preset;
use weirgate_bench::{LoadConfig, LoadResult, Row, load};

use crate::RunArgs;
use stack::Stack;

/// What one row is.
struct Scenario {
    name: &'static str,
    stack: Stack,
    preset: Preset,
    model: &'static str,
}

/// The model that providers of the client's dialect serve.
const NATIVE: &str = "gpt-4o";
/// The model whose provider speaks another dialect.
const TRANSLATED: &str = "claude-sonnet-4-5";

/// Streams have fifty tokens, one every five milliseconds.
const STREAM: (&str, &str) = ("x-mock", "tokens=50; chunk-delay-ms=5");
/// Streams at once, and the number of them.
const STREAMS: (usize, u64) = (20, 1_500);

const SCENARIOS: &[Scenario] = &[
    Scenario { name: "direct", stack: Stack::Direct, preset: Preset::Chat, model: NATIVE },
    Scenario { name: "bare-envoy", stack: Stack::BareEnvoy, preset: Preset::Chat, model: NATIVE },
    Scenario { name: "filters", stack: Stack::Filters, preset: Preset::Chat, model: NATIVE },
    Scenario { name: "governed", stack: Stack::Gateway, preset: Preset::Chat, model: NATIVE },
    Scenario { name: "cached", stack: Stack::Cached, preset: Preset::Chat, model: NATIVE },
    Scenario { name: "translated", stack: Stack::Gateway, preset: Preset::Chat, model: TRANSLATED },
    Scenario {
        name: "bare-envoy-streamed",
        stack: Stack::BareEnvoy,
        preset: Preset::ChatStream,
        model: NATIVE,
    },
    Scenario { name: "streamed", stack: Stack::Gateway, preset: Preset::ChatStream, model: NATIVE },
    Scenario {
        name: "streamed-translated",
        stack: Stack::Gateway,
        preset: Preset::ChatStream,
        model: TRANSLATED,
    },
    Scenario { name: "litellm", stack: Stack::LiteLlm, preset: Preset::Chat, model: NATIVE },
    Scenario { name: "portkey", stack: Stack::Portkey, preset: Preset::Chat, model: NATIVE },
    Scenario { name: "noveum", stack: Stack::Noveum, preset: Preset::Chat, model: NATIVE },
];

/// The rows of `make bench`, and those that `--peers` adds.
pub(crate) fn names(peers: bool) -> impl Iterator<Item = &'static str> {
    let loaded = SCENARIOS.iter().filter(move |scenario| peers || !scenario.stack.is_peer());
    let parts = limits::ROWS.iter().map(|(name, ..)| *name);
    let parts = parts.chain(semantic::ROWS.iter().map(|(name, _)| *name));
    let parts = parts.chain(translate::ROWS.iter().map(|(name, _)| *name));
    loaded.map(|scenario| scenario.name).chain(parts)
}

/// Starts what a row needs, loads it, and ends it again. A row that is not streamed is loaded twice: on all connections,
/// and on one, for its latency.
pub(crate) async fn run(name: &str, args: &RunArgs) -> Result<Vec<Row>, Box<dyn Error>> {
    if limits::ROWS.iter().any(|(row, ..)| *row == name) {
        let folder = args.out.parent().unwrap_or(Path::new("."));
        return limits::run(name, folder).await;
    }
    if semantic::ROWS.iter().any(|(row, _)| *row == name) {
        return semantic::run(name, args.entries).await;
    }
    if translate::ROWS.iter().any(|(row, _)| *row == name) {
        return translate::run(name);
    }
    let scenario = SCENARIOS
        .iter()
        .find(|scenario| scenario.name == name)
        .ok_or_else(|| format!("no such row: {name}"))?;
    let started = stack::start(scenario.stack, args).await?;
    let mut config = LoadConfig {
        timeout: Duration::from_secs(args.timeout),
        pids: started.pids()?,
        ..scenario.preset.load(&started.url, &started.key, scenario.model, args.prompt_bytes)
    };
    config.headers.extend(started.headers.iter().cloned());
    let mut rows = Vec::new();
    if scenario.preset.is_streaming() {
        config.headers.push((STREAM.0.to_owned(), STREAM.1.to_owned()));
        let (connections, requests) = STREAMS;
        rows.push(measure(name, LoadConfig { connections, requests, warmup: 40, ..config }).await?);
    } else {
        let requests = args.requests / scenario.stack.slowness();
        for (connections, requests) in [(args.connections, requests), (1, requests / 4)] {
            let config = LoadConfig { connections, requests, warmup: requests / 10, ..config.clone() };
            rows.push(measure(name, config).await?);
        }
    }
    started.stop().await?;
    Ok(rows)
}

async fn measure(name: &str, config: LoadConfig) -> Result<Row, Box<dyn Error>> {
    let connections = config.connections;
    let mut result: LoadResult = load::run(config).await?;
    for (what, count) in &result.errors {
        eprintln!("{name}: {count} x {what}");
    }
    Ok(Row::new(name, connections, &mut result))
}
