//! A Redis server of a test's own.

use super::{Clock, Redis, Settings};
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The server, which ends with the test. What it answers is on the disk first.
pub(crate) struct Server {
    folder: tempfile::TempDir,
    options: Vec<String>,
    port: u16,
    process: Option<Child>,
}

fn program() -> PathBuf {
    std::env::var_os("WEIRGATE_REDIS_SERVER").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.tools/bin/redis-server")),
        PathBuf::from,
    )
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_with(&["--appendonly", "yes", "--appendfsync", "always"])
    }

    pub(super) fn start_with(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = options.iter().map(|&option| option.to_owned()).collect();
        let mut server = Self { folder, options, port: 0, process: None };
        // Another process may take the port between the look and the start.
        for _ in 0..10 {
            server.port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            if server.try_run().is_ok() {
                return server;
            }
        }
        panic!("redis-server finds no port");
    }

    pub(super) fn run(&mut self) {
        if let Err(log) = self.try_run() {
            panic!("redis-server does not start:\n{log}");
        }
    }

    /// Starts the server, and waits until it says that it is ready.
    fn try_run(&mut self) -> Result<(), String> {
        let mut process = Command::new(program())
            .args(["--bind", "127.0.0.1", "--save", "", "--port"])
            .arg(self.port.to_string())
            .arg("--dir")
            .arg(self.folder.path())
            .args(&self.options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("{} does not start, see tests/setup.sh: {error}", program().display())
            });
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut log = String::new();
        while output.read_line(&mut log).unwrap() > 0 {
            if log.ends_with("Ready to accept connections\n")
                || log.ends_with("Ready to accept connections tcp\n")
            {
                self.process = Some(process);
                // The server must not come to wait for a reader of its log.
                std::thread::spawn(move || output.read_to_string(&mut log));
                return Ok(());
            }
        }
        process.wait().unwrap();
        Err(log)
    }

    /// As a machine does that fails: without a word.
    pub(super) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Stops the server's time, or lets it go on.
    pub(super) fn signal(&self, signal: &str) {
        let id = self.process.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// A store in this server, with so much time that a busy machine fails no test.
    pub(crate) fn client(&self, clock: Clock) -> Redis {
        self.client_with(clock, Duration::from_secs(20))
    }

    pub(crate) fn client_with(&self, clock: Clock, timeout: Duration) -> Redis {
        Redis::connect(Settings { url: self.url(), prefix: "test".to_owned(), timeout, clock }).unwrap()
    }

    /// Runs a command by a connection of its own.
    pub(super) async fn command<T: ::redis::FromRedisValue>(&self, words: &[&str]) -> T {
        let client = ::redis::Client::open(self.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let mut command = ::redis::Cmd::new();
        for word in words {
            command.arg(*word);
        }
        command.query_async(&mut connection).await.unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
