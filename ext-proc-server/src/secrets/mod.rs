//! Providers' keys that change: those in files, which others write anew, and tokens, which are got for a client's secret. Envoy is given
//! each key, and given it again when it changes.
//!
//! Envoy asks for secrets over its own protocol (<https://www.envoyproxy.io/docs/envoy/latest/configuration/security/secret>), on the
//! socket of the other services.

mod board;
mod discovery;
mod file;
mod text;
mod token;
mod token_server;

use crate::config::{Config, Credential};
use board::Board;
use file::Watched;
use std::time::Duration;
use token::Renewed;
use tokio::task::JoinSet;

pub(crate) use discovery::Discovery;

/// How often files are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// The name by which Envoy knows a provider's secret.
pub(crate) fn secret_name(provider: &str) -> String {
    format!("provider:{provider}")
}

/// Where keys come from, and who is told of them.
#[derive(Debug)]
pub(crate) struct Secrets {
    board: Board,
    files: Vec<Watched>,
    tokens: Vec<Renewed>,
}

impl Secrets {
    /// What the configuration names. Files are read for the first time.
    pub(crate) fn open(config: &Config) -> Self {
        let board = Board::default();
        let mut files = Vec::new();
        let mut tokens = Vec::new();
        for (name, provider) in &config.providers {
            match &provider.credential {
                Some(Credential::File(path)) => files.push(Watched::new(name.clone(), path.clone())),
                Some(Credential::OAuth(oauth)) => tokens.push(Renewed::new(name.clone(), (**oauth).clone())),
                Some(Credential::Key(_) | Credential::Aws(_)) | None => {}
            }
        }
        for file in &mut files {
            file.look(&board);
        }
        Self { board, files, tokens }
    }

    /// Who gives the keys to Envoy.
    pub(crate) fn discovery(&self) -> Discovery {
        Discovery::new(self.board.clone())
    }

    /// Follows files and renews tokens for ever.
    pub(crate) async fn follow(self) {
        let Self { board, files, tokens } = self;
        let mut tasks = JoinSet::new();
        for token in tokens {
            tasks.spawn(token.follow(board.clone()));
        }
        if !files.is_empty() {
            tasks.spawn(follow(files, board));
        }
        while tasks.join_next().await.is_some() {}
    }
}

async fn follow(mut files: Vec<Watched>, board: Board) {
    let mut ticks = tokio::time::interval(LOOK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let board = board.clone();
        // A file may be on a slow disk.
        let looked = tokio::task::spawn_blocking(move || {
            for file in &mut files {
                file.look(&board);
            }
            files
        });
        match looked.await {
            Ok(same) => files = same,
            Err(_) => return,
        }
    }
}
