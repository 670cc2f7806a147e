//! The rows of a run: what is started for each, and what is measured of it.

use std::error::Error;

use weirgate_bench::process::Mock;
use weirgate_bench::{LoadResult, load};

use crate::{RunArgs, beside_this};

/// Starts what a row needs, loads it, and ends it again.
pub(crate) async fn run(name: &str, args: &RunArgs) -> Result<LoadResult, Box<dyn Error>> {
    match name {
        "direct" => direct(args).await,
        unknown => Err(format!("no such row: {unknown}").into()),
    }
}

/// The mock provider alone: what every other row contains.
async fn direct(args: &RunArgs) -> Result<LoadResult, Box<dyn Error>> {
    let program = match &args.mock {
        Some(path) => path.clone(),
        None => beside_this("mock-provider")?,
    };
    let folder = args.out.with_extension("logs");
    std::fs::create_dir_all(&folder)?;
    // One of an earlier run would be taken for the new one's.
    let _ = std::fs::remove_file(folder.join("mock.port"));
    let mock = Mock::start(&program, &folder).await?;
    let mut config = args.size.load(&mock.url, "bench-key");
    config.pids = vec![mock.process.pid()];
    let result = load::run(config).await?;
    mock.process.stop().await?;
    Ok(result)
}
