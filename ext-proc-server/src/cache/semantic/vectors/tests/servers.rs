//! A server of a test's own that keeps vectors.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    Redis,
    Postgres,
}

/// The server, which ends with the test.
pub(crate) struct Server {
    of: Of,
    folder: tempfile::TempDir,
    port: u16,
    process: Option<Child>,
}

impl Of {
    fn program(self) -> OsString {
        let (variable, name) = match self {
            Self::Redis => ("WEIRGATE_REDIS_SEARCH_SERVER", "redis-search-server"),
            Self::Postgres => ("WEIRGATE_POSTGRES_SERVER", "postgres-server"),
        };
        let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.tools/bin");
        std::env::var_os(variable).unwrap_or_else(|| tools.join(name).into())
    }

    /// What runs it in a folder on a port, with nothing kept for longer than the test.
    fn command(self, folder: &Path, port: u16) -> Command {
        let mut command = Command::new(self.program());
        let port = port.to_string();
        match self {
            Self::Redis => {
                command.args(["--bind", "127.0.0.1", "--save", "", "--port", &port, "--dir"]).arg(folder);
                command.stdout(Stdio::piped());
            }
            Self::Postgres => {
                command.arg(folder);
                let port = format!("port={port}");
                let address = "listen_addresses=127.0.0.1";
                let others = ["unix_socket_directories=", "fsync=off", "shared_buffers=32MB"];
                command.args([&port, address].into_iter().chain(others).flat_map(|option| ["-c", option]));
                command.stdout(Stdio::null()).stderr(Stdio::piped());
            }
        }
        command.stdin(Stdio::null());
        command
    }
}

impl Server {
    pub(crate) fn start(of: Of) -> Self {
        let mut server = Self { of, folder: tempfile::tempdir().unwrap(), port: 0, process: None };
        let mut log = String::new();
        // Another process may take the port between the look and the start.
        for _ in 0..10 {
            server.port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            match server.try_run() {
                Ok(()) => return server,
                Err(why) => log = why,
            }
        }
        panic!("the server does not start, is it whole? See tests/setup.sh:\n{log}");
    }

    /// Starts it again where it was.
    pub(crate) fn run(&mut self) {
        if let Err(log) = self.try_run() {
            panic!("the server does not start again:\n{log}");
        }
    }

    /// Starts the server, and waits until it says that it is ready.
    fn try_run(&mut self) -> Result<(), String> {
        let mut process = self.of.command(self.folder.path(), self.port).spawn().unwrap_or_else(|error| {
            panic!("{} does not start, run `make setup`: {error}", self.of.program().display())
        });
        let output: Box<dyn Read + Send> = match self.of {
            Of::Redis => Box::new(process.stdout.take().unwrap()),
            Of::Postgres => Box::new(process.stderr.take().unwrap()),
        };
        let mut output = BufReader::new(output);
        let (mut log, mut begin) = (String::new(), 0);
        while output.read_line(&mut log).unwrap() > 0 {
            if log[begin..].to_lowercase().contains("ready to accept connections") {
                self.process = Some(process);
                // The server must not come to wait for a reader of its log.
                std::thread::spawn(move || output.read_to_string(&mut log));
                return Ok(());
            }
            begin = log.len();
        }
        process.wait().unwrap();
        Err(log)
    }

    /// Ends it at once.
    pub(crate) fn kill(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        match self.of {
            Of::Redis => process.kill().unwrap(),
            Of::Postgres => {
                // It has processes of its own to end, and memory to give back.
                let id = process.id().to_string();
                assert!(Command::new("kill").args(["-QUIT", &id]).status().unwrap().success());
            }
        }
        process.wait().unwrap();
    }

    pub(crate) fn url(&self) -> String {
        match self.of {
            Of::Redis => format!("redis://127.0.0.1:{}", self.port),
            Of::Postgres => format!("postgres://weirgate:secret@127.0.0.1:{}/postgres", self.port),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
