//! The runtime in which the service was opened. Connections that all of Envoy's threads use belong there: on one of those
//! threads a reply would be read late when the thread has much to do, and count as none.

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// The runtime.
#[derive(Clone, Debug)]
pub(crate) struct Home(Option<Handle>);

impl Home {
    /// The runtime of the caller, if it is in one.
    pub(crate) fn here() -> Self {
        Self(Handle::try_current().ok())
    }

    /// Begins a task there; without such a runtime, in the caller's.
    pub(crate) fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        match &self.0 {
            Some(runtime) => runtime.spawn(task),
            None => tokio::spawn(task),
        }
    }
}
