//! The bytes of one connection, plain or TLS, as hyper reads and writes them, with the one rule that hyper does not know: who takes
//! nothing for [`WRITE_STALL`] is gone.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::ReadBufCursor;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};
use tokio_rustls::server::TlsStream;

/// How long a socket may take nothing of what waits for it. Long enough for a train's tunnel; whoever returns later comes back by cursor.
pub const WRITE_STALL: Duration = Duration::from_secs(30);
/// The kernel's buffer for a stream's socket, in bytes: what a reader that stopped may hold in flight, and what it reads first when it
/// goes on. The kernel sets aside twice as much for its own use.
const STREAM_SEND_BUFFER: usize = 64 * 1024;

/// What a connection's three parts tell each other: its bytes, its requests, and whoever watches the time.
pub struct Pace(Mutex<State>);

struct State {
    /// Requests that have begun and are not answered to the last byte.
    under_way: usize,
    /// Bytes have come since the last request was answered: a head has begun.
    head_begun: bool,
    /// A request's head has been whole at least once.
    has_served: bool,
    /// When the state that is timed now began.
    since: Instant,
    /// Bytes were handed over that the socket has not taken.
    unsent: bool,
    is_stream: bool,
}

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// Its first request, since then.
    First(Instant),
    /// The next request, since then.
    Request(Instant),
    /// The rest of a request's head, since then.
    Head(Instant),
    /// A request is being answered: handlers and bodies have times of their own.
    Answer,
}

impl Pace {
    pub fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            under_way: 0,
            head_begun: false,
            has_served: false,
            since: Instant::now(),
            unsent: false,
            is_stream: false,
        })))
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn waiting(&self) -> Waiting {
        let state = self.state();
        match (state.under_way, state.head_begun) {
            (0, true) => Waiting::Head(state.since),
            (0, false) if state.has_served => Waiting::Request(state.since),
            (0, false) => Waiting::First(state.since),
            _ => Waiting::Answer,
        }
    }

    /// A request's head is whole.
    pub fn begin(self: &Arc<Self>) -> UnderWay {
        let mut state = self.state();
        state.under_way += 1;
        state.head_begun = false;
        state.has_served = true;
        UnderWay(self.clone())
    }

    /// Everything that was handed over has been taken by the socket.
    pub fn is_sent(&self) -> bool {
        !self.state().unsent
    }

    /// From here on the connection carries a stream.
    pub fn becomes_stream(&self) {
        self.state().is_stream = true;
    }

    fn has_come(&self) {
        let mut state = self.state();
        if state.under_way == 0 && !state.head_begun {
            state.head_begun = true;
            state.since = Instant::now();
        }
    }
}

/// A request that is being answered; dropped with the last of its answer.
pub struct UnderWay(Arc<Pace>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.under_way -= 1;
        state.since = Instant::now();
    }
}

/// A connection's bytes.
pub struct Wire<S> {
    socket: S,
    pace: Arc<Pace>,
    /// Runs while the socket takes nothing.
    stall: Option<Pin<Box<Sleep>>>,
    has_small_buffer: bool,
}

/// A socket that knows the TCP connection under it.
pub trait Socket: AsyncRead + AsyncWrite + Unpin {
    fn tcp(&self) -> &TcpStream;
}

impl Socket for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Socket for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

impl<S: Socket> Wire<S> {
    pub fn new(socket: S, pace: Arc<Pace>) -> Self {
        Self { socket, pace, stall: None, has_small_buffer: false }
    }

    pub fn into_socket(self) -> S {
        self.socket
    }

    fn wrote(&mut self, written: Poll<io::Result<usize>>, of: usize, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(done) => {
                self.stall = None;
                if let Ok(n) = done {
                    self.pace.state().unsent = n < of;
                }
                Poll::Ready(done)
            }
            Poll::Pending => {
                self.pace.state().unsent = true;
                self.stalled(cx)
            }
        }
    }

    /// Pending, until it has lasted too long.
    fn stalled<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        ready!(self.stall.get_or_insert_with(|| Box::pin(sleep(WRITE_STALL))).as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the other end takes nothing")))
    }
}

/// Bounds what the kernel holds for a stream's reader. What cannot be set stays as it was, which is slower to notice a reader that stopped.
pub fn bound_send_buffer(socket: &TcpStream) {
    if let Err(error) = rustix::net::sockopt::set_socket_send_buffer_size(socket, STREAM_SEND_BUFFER) {
        tracing::debug!(%error, "a stream's socket keeps its buffer's size");
    }
}

impl<S: Socket> hyper::rt::Read for Wire<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, mut into: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        // hyper's buffer is raw memory, which takes `unsafe` to lend out; a small one of our own costs a copy of each request's bytes.
        let mut bytes = [0; READ_BYTES];
        let most = into.remaining().min(READ_BYTES);
        let mut read = ReadBuf::new(&mut bytes[..most]);
        ready!(Pin::new(&mut wire.socket).poll_read(cx, &mut read))?;
        if !read.filled().is_empty() {
            wire.pace.has_come();
        }
        into.put_slice(read.filled());
        Poll::Ready(Ok(()))
    }
}

/// Bytes read at once: a request with its head fits.
const READ_BYTES: usize = 8 * 1024;

impl<S: Socket> hyper::rt::Write for Wire<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let wire = self.get_mut();
        if !wire.has_small_buffer && wire.pace.state().is_stream {
            wire.has_small_buffer = true;
            bound_send_buffer(wire.socket.tcp());
        }
        let written = Pin::new(&mut wire.socket).poll_write(cx, bytes);
        wire.wrote(written, bytes.len(), cx)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        match Pin::new(&mut wire.socket).poll_flush(cx) {
            Poll::Ready(done) => {
                wire.stall = None;
                Poll::Ready(done)
            }
            // TLS keeps what the socket has not taken.
            Poll::Pending => wire.stalled(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        match Pin::new(&mut wire.socket).poll_shutdown(cx) {
            Poll::Ready(done) => Poll::Ready(done),
            Poll::Pending => wire.stalled(cx),
        }
    }
}
