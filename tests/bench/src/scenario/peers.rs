//! Other gateways, each from its package (`tests/bench/peers.sh`), in their plainest set-up: proxying, nothing else.

use std::error::Error;
use std::path::Path;

use weirgate_bench::process::Process;

use super::stack::{Started, free_port};

/// Where `peers.sh` puts them.
const FOLDER: &str = ".tools/peers";

pub(super) async fn litellm(started: &mut Started, mock: &str, folder: &Path) -> Result<(), Box<dyn Error>> {
    let port = free_port()?;
    let config = format!(
        "model_list:
  - model_name: gpt-4o
    litellm_params: {{model: openai/gpt-4o, api_base: {mock}/v1, api_key: mock}}
general_settings: {{master_key: sk-{key}}}
",
        key = started.key,
    );
    let file = folder.join("litellm.yaml");
    std::fs::write(&file, config)?;
    started.key = format!("sk-{}", started.key);
    let arguments =
        ["--config".to_owned(), file.display().to_string(), "--port".to_owned(), port.to_string()];
    let program = Path::new(FOLDER).join("litellm/bin/litellm");
    let process = Process::start(&program, arguments, &folder.join("litellm.log"))?;
    started.measure(process, port).await
}

pub(super) async fn portkey(started: &mut Started, mock: &str, folder: &Path) -> Result<(), Box<dyn Error>> {
    let port = free_port()?;
    let script = Path::new(FOLDER).join("portkey/node_modules/@portkey-ai/gateway/build/start-server.js");
    let arguments = [script.display().to_string(), "--headless".to_owned(), format!("--port={port}")];
    let process = Process::start(Path::new("node"), arguments, &folder.join("portkey.log"))?;
    started.headers.push(("x-portkey-provider".to_owned(), "openai".to_owned()));
    started.headers.push(("x-portkey-custom-host".to_owned(), format!("{mock}/v1")));
    started.measure(process, port).await
}

pub(super) async fn noveum(started: &mut Started, mock: &str, folder: &Path) -> Result<(), Box<dyn Error>> {
    let port = free_port()?;
    let arguments = [
        format!("PORT={port}"),
        "HOST=127.0.0.1".to_owned(),
        "RUST_LOG=error".to_owned(),
        format!("OPENAI_BASE_URL={mock}"),
        Path::new(FOLDER).join("noveum/bin/noveum-ai-gateway").display().to_string(),
    ];
    let process = Process::start(Path::new("env"), arguments, &folder.join("noveum.log"))?;
    started.headers.push(("x-provider".to_owned(), "openai".to_owned()));
    started.measure(process, port).await
}
