//! Threads that serve Envoy's connections, each with a runtime of its own.
//!
//! A connection and the calls on it stay on one thread. Where threads take work from each other, each message wakes one that
//! sleeps, which costs more than most messages do: a message here takes some microseconds, and there are several a request.

use std::io;
use std::num::NonZero;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::transport::server::{Connected, Router};

/// How long to wait after a connection could not be taken, which is so where the process has no files left.
const REFUSED: Duration = Duration::from_millis(100);

/// A listening socket.
pub(super) trait Listener {
    /// A connection, bound to the runtime that has made it.
    type Connection: tokio::io::AsyncRead + tokio::io::AsyncWrite + Connected + Unpin + Send + 'static;
    /// The same, bound to none.
    type Loose: Send + 'static;

    /// Takes the next connection.
    async fn next(&self) -> io::Result<Self::Loose>;

    /// Binds a connection to the runtime of this thread.
    fn bind(loose: Self::Loose) -> io::Result<Self::Connection>;
}

impl Listener for UnixListener {
    type Connection = UnixStream;
    type Loose = std::os::unix::net::UnixStream;

    async fn next(&self) -> io::Result<Self::Loose> {
        self.accept().await?.0.into_std()
    }

    fn bind(loose: Self::Loose) -> io::Result<UnixStream> {
        UnixStream::from_std(loose)
    }
}

impl Listener for TcpListener {
    type Connection = TcpStream;
    type Loose = std::net::TcpStream;

    async fn next(&self) -> io::Result<Self::Loose> {
        self.accept().await?.0.into_std()
    }

    fn bind(loose: Self::Loose) -> io::Result<TcpStream> {
        loose.set_nodelay(true)?;
        TcpStream::from_std(loose)
    }
}

/// The threads. They end when this is dropped.
#[derive(Debug)]
pub(super) struct Workers<L: Listener> {
    listener: L,
    threads: Vec<mpsc::UnboundedSender<L::Loose>>,
    /// What the threads send when they serve no more.
    served: mpsc::UnboundedReceiver<Result<(), tonic::transport::Error>>,
    state: watch::Sender<State>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Serving,
    /// No call is accepted any more; those under way go on.
    Draining,
}

impl<L: Listener> Workers<L> {
    /// A thread for two processors: Envoy needs the others. What comes while a thread is at work, it takes and answers together.
    ///
    /// # Errors
    /// The system has no more threads.
    pub(super) fn start(listener: L, router: impl Fn() -> Router) -> io::Result<Self> {
        let (state, _) = watch::channel(State::Serving);
        let (done, served) = mpsc::unbounded_channel();
        let number = std::thread::available_parallelism().map_or(1, NonZero::get).div_ceil(2);
        let threads = (0..number).map(|number| {
            let (sender, connections) = mpsc::unbounded_channel();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let (router, state, done) = (router(), state.subscribe(), done.clone());
            std::thread::Builder::new()
                .name(format!("envoy-{number}"))
                .spawn(move || runtime.block_on(work::<L>(connections, router, state, done)))?;
            Ok(sender)
        });
        let threads = threads.collect::<io::Result<_>>()?;
        Ok(Self { listener, threads, served, state })
    }

    /// Hands connections out, in turn, until `stop` is done and what was under way has ended.
    ///
    /// # Errors
    /// A server that failed.
    pub(super) async fn serve(&mut self, stop: impl Future<Output = ()>) -> io::Result<()> {
        let mut turn = self.threads.iter().cycle();
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                failed = self.served.recv() => return failed.unwrap_or(Ok(())).map_err(io::Error::other),
                connection = self.listener.next() => match (connection, turn.next()) {
                    (Ok(connection), Some(thread)) => { let _ = thread.send(connection); }
                    (Err(error), _) => {
                        tracing::warn!(%error, "a connection could not be taken");
                        tokio::time::sleep(REFUSED).await;
                    }
                    (_, None) => break,
                },
            }
        }
        self.state.send_replace(State::Draining);
        for _ in &self.threads {
            self.served.recv().await.unwrap_or(Ok(())).map_err(io::Error::other)?;
        }
        Ok(())
    }
}

/// Serves the connections that come to this thread. What other parts of the service have begun on this thread goes on after
/// that, until nobody needs it any more.
async fn work<L: Listener>(
    connections: mpsc::UnboundedReceiver<L::Loose>,
    router: Router,
    mut state: watch::Receiver<State>,
    done: mpsc::UnboundedSender<Result<(), tonic::transport::Error>>,
) {
    let mut draining = state.clone();
    let stop = async move {
        let _ = draining.wait_for(|state| *state == State::Draining).await;
    };
    // One that its other side has closed meanwhile must not end the server.
    let bind = |loose| match L::bind(loose) {
        Ok(connection) => Some(Ok::<_, io::Error>(connection)),
        Err(error) => {
            tracing::warn!(%error, "a connection could not be served");
            None
        }
    };
    let connections = UnboundedReceiverStream::new(connections).filter_map(bind);
    let served = router.serve_with_incoming_shutdown(connections, stop).await;
    let _ = done.send(served);
    while state.changed().await.is_ok() {}
}
