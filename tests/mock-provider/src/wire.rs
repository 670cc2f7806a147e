//! The socket of one connection, and the mark it sets whenever everything was written out.
//!
//! hyper buffers what a body hands it. To say honestly how many tokens had been sent when a client
//! left, a body must know when its last event reached the socket; hyper flushes the transport exactly
//! then, so the flushes are counted here.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// The flush mark that a connection shares with the body it is sending.
#[derive(Debug, Default)]
pub(crate) struct FlushMark {
    flushes: AtomicU64,
    waiting: Mutex<Option<Waker>>,
}

impl FlushMark {
    /// How often everything buffered had been written out.
    pub(crate) fn count(&self) -> u64 {
        self.flushes.load(Ordering::Acquire)
    }

    /// Ready once a flush happened after the one numbered `seen`.
    pub(crate) fn poll_after(&self, seen: u64, cx: &Context<'_>) -> Poll<()> {
        if self.count() > seen {
            return Poll::Ready(());
        }
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
        if self.count() > seen { Poll::Ready(()) } else { Poll::Pending }
    }

    fn flushed(&self) {
        self.flushes.fetch_add(1, Ordering::Release);
        if let Some(waker) = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take() {
            waker.wake();
        }
    }
}

/// A TCP stream that sets a [`FlushMark`].
#[derive(Debug)]
pub(crate) struct MarkedStream {
    inner: TokioIo<TcpStream>,
    mark: Arc<FlushMark>,
}

impl MarkedStream {
    pub(crate) fn new(stream: TcpStream, mark: Arc<FlushMark>) -> Self {
        Self { inner: TokioIo::new(stream), mark }
    }
}

impl Read for MarkedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl Write for MarkedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(cx);
        if let Poll::Ready(Ok(())) = flushed {
            self.mark.flushed();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }
}
