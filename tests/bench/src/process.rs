//! Starting what is measured, and ending it.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tokio::process::{Child, Command};

/// How often a starting process is looked at.
const POLL: Duration = Duration::from_millis(10);

/// A process that was started here; it is killed when this is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    pid: u32,
}

impl Process {
    /// Starts a program with no input; its output goes to `log`.
    pub fn start<A: AsRef<OsStr>>(
        program: &Path,
        arguments: impl IntoIterator<Item = A>,
        log: &Path,
    ) -> io::Result<Self> {
        let log = std::fs::File::create(log)?;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).kill_on_drop(true);
        let child = command.spawn()?;
        let pid = child.id().ok_or(io::ErrorKind::NotFound)?;
        Ok(Self { child, pid })
    }

    /// Its number, for [`crate::cpu::Sampler`].
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Its number and those of all that it has started, which may end at any time.
    pub fn family(&self) -> io::Result<Vec<u32>> {
        let mut pids = vec![self.pid];
        let mut next = 0;
        while let Some(pid) = pids.get(next).copied() {
            next += 1;
            let tasks = match std::fs::read_dir(format!("/proc/{pid}/task")) {
                Err(error) if pid != self.pid && error.kind() == io::ErrorKind::NotFound => continue,
                tasks => tasks?,
            };
            for task in tasks {
                let children = std::fs::read_to_string(task?.path().join("children")).unwrap_or_default();
                pids.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
            }
        }
        Ok(pids)
    }

    /// Waits until `ready` gives something; an error if the process ends before, or after `patience`.
    pub async fn until<T>(
        &mut self,
        patience: Duration,
        mut ready: impl AsyncFnMut() -> Option<T>,
    ) -> io::Result<T> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(value) = ready().await {
                return Ok(value);
            }
            if let Some(status) = self.child.try_wait()? {
                return Err(io::Error::other(format!("ended with {status} before it was ready")));
            }
            if Instant::now() >= deadline {
                return Err(io::ErrorKind::TimedOut.into());
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Sends it a signal that ends it, such as `-QUIT`, and waits for its end; an error after `patience`.
    pub async fn end(mut self, signal: &str, patience: Duration) -> io::Result<ExitStatus> {
        let told = Command::new("kill").args([signal, &self.pid.to_string()]).status().await?;
        if !told.success() {
            return Err(io::Error::other(format!("kill {signal} failed: {told}")));
        }
        tokio::time::timeout(patience, self.child.wait()).await?
    }

    /// Kills it and waits for its end.
    pub async fn stop(mut self) -> io::Result<ExitStatus> {
        self.child.start_kill()?;
        self.child.wait().await
    }
}

/// The mock provider as a process of its own, so that its CPU time is not the load's.
#[derive(Debug)]
pub struct Mock {
    /// The process.
    pub process: Process,
    /// `http://127.0.0.1:PORT`.
    pub url: String,
}

impl Mock {
    /// Starts the mock on a free port; `folder` takes its log and its port file.
    pub async fn start(program: &Path, folder: &Path, options: &[&str]) -> io::Result<Self> {
        let port_file = folder.join("mock.port");
        let arguments = [
            OsStr::new("--listen"),
            OsStr::new("127.0.0.1:0"),
            OsStr::new("--port-file"),
            port_file.as_os_str(),
        ];
        let arguments = arguments.into_iter().chain(options.iter().map(OsStr::new));
        let mut process = Process::start(program, arguments, &folder.join("mock.log"))?;
        // The mock renames the file into place, so it is complete once it is there.
        let read = async || std::fs::read_to_string(&port_file).ok();
        let ports = process.until(Duration::from_secs(10), read).await?;
        Ok(Self { process, url: format!("http://127.0.0.1:{}", ports.trim()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_process_is_watched_until_it_is_ready() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let mut process = Process::start(Path::new("sh"), ["-c", "echo up; sleep 60"], &log).unwrap();
        let up = async || std::fs::read_to_string(&log).ok().filter(|text| text == "up\n");
        process.until(Duration::from_secs(10), up).await.unwrap();
        assert!(process.pid() > 0);
        assert!(!process.stop().await.unwrap().success());
    }

    #[tokio::test]
    async fn its_children_are_known_and_it_ends_when_told() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let script = "trap 'kill $!; exit 7' TERM; sleep 60 & echo up; wait";
        let mut process = Process::start(Path::new("sh"), ["-c", script], &log).unwrap();
        let up = async || std::fs::read_to_string(&log).ok().filter(|text| text == "up\n");
        process.until(Duration::from_secs(10), up).await.unwrap();
        let family = process.family().unwrap();
        assert_eq!((family.len(), family[0]), (2, process.pid()));
        let status = process.end("-TERM", Duration::from_secs(10)).await.unwrap();
        assert_eq!(status.code(), Some(7));
    }

    #[tokio::test]
    async fn an_early_end_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let mut process =
            Process::start(Path::new("sh"), ["-c", "exit 3"], &folder.path().join("log")).unwrap();
        let never = async || None::<()>;
        let error = process.until(Duration::from_secs(10), never).await.unwrap_err();
        assert!(error.to_string().contains("before it was ready"), "{error}");
    }
}
