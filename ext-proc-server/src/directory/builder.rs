//! Makes policies, and takes them apart, in one thread of its own: both take a while with many keys, and an allocator keeps what
//! each thread has freed for that thread.

use crate::config::Config;
use crate::policy::Policy;
use crate::policy::identity::Directory;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use tokio::sync::oneshot;

/// The thread.
#[derive(Debug)]
pub(super) struct Builder(Sender<Task>);

#[derive(Debug)]
enum Task {
    Build(Arc<Config>, Arc<Directory>, oneshot::Sender<Arc<Policy>>),
    Retire(Arc<Policy>),
}

impl Builder {
    /// Starts the thread, which ends with this.
    pub(super) fn new() -> Self {
        let (sender, tasks) = channel();
        std::thread::spawn(move || {
            for task in tasks {
                match task {
                    Task::Build(config, directory, done) => {
                        let policy = Arc::new(Policy::new(config, &directory));
                        // Who waits for it goes on to change the directory, which must not be shared then.
                        drop(directory);
                        let _ = done.send(policy);
                    }
                    Task::Retire(policy) => drop(policy),
                }
            }
        });
        Self(sender)
    }

    /// Makes a policy. `None` if the thread is gone.
    pub(super) async fn build(&self, config: Arc<Config>, directory: Arc<Directory>) -> Option<Arc<Policy>> {
        let (done, made) = oneshot::channel();
        self.0.send(Task::Build(config, directory, done)).ok()?;
        made.await.ok()
    }

    /// Takes a policy apart once nobody uses it.
    pub(super) fn retire(&self, policy: Arc<Policy>) {
        // Without the thread it is taken apart here.
        let _ = self.0.send(Task::Retire(policy));
    }
}
