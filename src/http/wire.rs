//! The bytes of one connection, plain or TLS, as hyper reads and writes them, and what its parts know of each other's pace.
//!
//! One rule that hyper does not know: who takes nothing for [`WRITE_STALL`] is gone. It is kept at the TCP socket, below TLS, whose own
//! buffer takes heartbeats long after the other end has stopped taking anything.

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

use super::live::Leaving;

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
    /// Several requests at once, told apart by frames: bytes that come need not be a head's.
    is_multiplexed: bool,
    /// Streams that hyper carries.
    streams: Vec<Leaving>,
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
    /// The last of an answer to go, since then: hyper has it whole, the socket has not.
    Sending(Instant),
    /// A request is being answered: handlers and bodies have times of their own.
    Answer,
}

impl Pace {
    pub fn new(is_multiplexed: bool) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            under_way: 0,
            head_begun: false,
            has_served: false,
            since: Instant::now(),
            unsent: false,
            is_multiplexed,
            streams: Vec::new(),
        })))
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn waiting(&self) -> Waiting {
        let state = self.state();
        match state.under_way {
            0 if state.unsent => Waiting::Sending(state.since),
            0 if state.head_begun => Waiting::Head(state.since),
            0 if state.has_served => Waiting::Request(state.since),
            0 => Waiting::First(state.since),
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

    /// From here on the connection carries this stream.
    pub fn carries(&self, stream: Leaving) {
        self.state().streams.push(stream);
    }

    /// Ends streams whose reader has taken nothing for too long. Over HTTP/2 one stream can be stuck where the socket is not.
    pub fn end_stuck_streams(&self) {
        let streams = {
            let mut state = self.state();
            state.streams.retain(|stream| !stream.has_ended());
            state.streams.clone()
        };
        streams.iter().for_each(|stream| stream.end_if_stuck(WRITE_STALL));
    }

    fn carries_streams(&self) -> bool {
        !self.state().streams.is_empty()
    }

    fn has_sent(&self, all: bool) {
        let mut state = self.state();
        if all && state.unsent && state.under_way == 0 {
            state.since = Instant::now();
        }
        state.unsent = !all;
    }

    fn has_come(&self) {
        let mut state = self.state();
        if state.under_way == 0 && !state.head_begun && !state.unsent && !state.is_multiplexed {
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

/// A TCP socket that fails once it has taken nothing for [`WRITE_STALL`].
pub struct Patient {
    socket: TcpStream,
    /// Runs while the socket takes nothing.
    stall: Option<Pin<Box<Sleep>>>,
}

impl Patient {
    pub fn new(socket: TcpStream) -> Self {
        Self { socket, stall: None }
    }

    pub fn into_socket(self) -> TcpStream {
        self.socket
    }

    fn watch<T>(&mut self, done: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if done.is_ready() {
            self.stall = None;
            return done;
        }
        ready!(self.stall.get_or_insert_with(|| Box::pin(sleep(WRITE_STALL))).as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the other end takes nothing")))
    }
}

impl AsyncRead for Patient {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_read(cx, into)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let done = Pin::new(&mut this.socket).poll_write(cx, bytes);
        this.watch(done, cx)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }
}

/// A socket that knows the TCP connection under it.
pub trait Socket: AsyncRead + AsyncWrite + Unpin {
    fn tcp(&self) -> &TcpStream;
}

impl Socket for Patient {
    fn tcp(&self) -> &TcpStream {
        &self.socket
    }
}

impl Socket for TlsStream<Patient> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0.tcp()
    }
}

/// A connection's bytes.
pub struct Wire<S> {
    socket: S,
    pace: Arc<Pace>,
    has_small_buffer: bool,
}

impl<S: Socket> Wire<S> {
    pub fn new(socket: S, pace: Arc<Pace>) -> Self {
        Self { socket, pace, has_small_buffer: false }
    }

    pub fn into_socket(self) -> S {
        self.socket
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
        if !wire.has_small_buffer && wire.pace.carries_streams() {
            wire.has_small_buffer = true;
            bound_send_buffer(wire.socket.tcp());
        }
        let written = Pin::new(&mut wire.socket).poll_write(cx, bytes);
        wire.pace.has_sent(matches!(written, Poll::Ready(Ok(n)) if n == bytes.len()));
        written
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        let flushed = Pin::new(&mut wire.socket).poll_flush(cx);
        if flushed.is_pending() {
            // TLS keeps what the socket has not taken.
            wire.pace.has_sent(false);
        }
        flushed
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }
}
