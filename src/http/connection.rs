//! One connection: hyper reads its requests and writes the answers, the router answers them, and the time is watched. A live stream over
//! plain HTTP/1.1 leaves hyper as soon as its head is known (`outflow.rs`); everything else stays.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use bytes::Bytes;
use futures_util::future::{BoxFuture, Either, select};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::{Method, Request, Response, Version, header};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep, sleep, sleep_until};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

use super::live::Leaving;
use super::outflow::Outflow;
use super::wire::{Pace, Patient, Socket, UnderWay, Waiting, Wire};

/// A request's head must come within this time of its first byte, and the first byte of a new connection too.
const HEAD: Duration = Duration::from_secs(10);
/// How long a connection may wait for its next request: longer than proxies keep theirs (60 s), so that a proxy never sends into a connection that is
/// just being closed.
const IDLE: Duration = Duration::from_secs(75);
/// A request's body must go on: each step of it must come within this time, and so must all of a small one. A form's or a call's largest
/// is 256 kB, a file's 25 MB.
const BODY: Duration = Duration::from_secs(30);
/// What counts as going on, in bytes: a telephone's worst moment sends more, and one byte at a time does not hold a place.
const BODY_STEP: usize = 16 * 1024;
/// What hyper may gather of a head, or of an answer that waits, in bytes.
const BUFFER: usize = 64 * 1024;
/// The rest of an answer must be gone within this time, however little of it the other end takes at a time: 5 kB a second for the largest.
const SENDING: Duration = Duration::from_secs(10 * 60);
/// How often a connection without a request is looked at while the server ends.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// Over HTTP/2: how often a silent other end is asked whether it lives, and how long it may take to say so.
const PING: Duration = Duration::from_secs(20);
/// Requests at once over one HTTP/2 connection: a browser's tabs, their streams included.
const HTTP2_REQUESTS: u32 = 128;

/// The connection is TLS of our own.
#[derive(Clone, Copy, Debug)]
pub struct OverTls;

/// Why a body could not be read: it came too slowly.
#[derive(Debug, thiserror::Error)]
#[error("the request's body did not go on within {} seconds", BODY.as_secs())]
pub struct BodyTooSlow;

/// What connections share.
#[derive(Clone)]
pub struct Shared {
    pub router: Router,
    /// Connections end when their present request is answered.
    pub stopping: CancellationToken,
    /// Owns the connections' tasks.
    pub tasks: TaskTracker,
}

/// Serves plain HTTP/1.1 until the connection ends, or the server does.
pub async fn plain(socket: TcpStream, peer: SocketAddr, shared: Shared, place: OwnedSemaphorePermit) {
    let pace = Pace::new(false);
    let leaves = Leaves::default();
    let answers = Answers { router: shared.router, peer, pace: pace.clone(), leaves: Some(leaves.clone()) };
    let wire = Wire::new(Patient::new(socket), pace.clone());
    let connection = one().serve_connection(wire, answers);
    let mut served = Box::pin(Served { connection, leaves, patience: Patience::new(pace.clone()) });
    let end = match select(&mut served, pin!(time_to_go(&shared.stopping, &pace))).await {
        Either::Left((end, _)) => end,
        Either::Right(_) => {
            Pin::new(&mut served.connection).graceful_shutdown();
            served.as_mut().await
        }
    };
    match end {
        End::Over => {}
        End::Leaves(Departure { head, feed }) => {
            let socket = Pin::into_inner(served).connection.into_parts().io.into_socket().into_socket();
            // A task of its own, for this one's memory holds all of hyper's.
            shared.tasks.spawn(Outflow::new(socket, head, feed, place));
        }
        End::HeadTooSlow => {
            let mut socket = Pin::into_inner(served).connection.into_parts().io.into_socket();
            // Whoever is so slow is not waited for a second time.
            let _ = tokio::time::timeout(Duration::from_secs(1), socket.write_all(HEAD_TOO_SLOW)).await;
        }
    }
}

/// When a connection is to end because the server does. Who has just come, or is just asking, is not simply cut off: the answer
/// to their request says what is going on.
async fn time_to_go(stopping: &CancellationToken, pace: &Pace) {
    stopping.cancelled().await;
    while matches!(pace.waiting(), Waiting::First(_) | Waiting::Head(_)) {
        sleep(LOOK_AGAIN).await;
    }
}

const HEAD_TOO_SLOW: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// Serves HTTP/1.1 or HTTP/2 over TLS.
pub async fn secured(socket: TlsStream<Patient>, peer: SocketAddr, shared: Shared) {
    let http2 = socket.get_ref().1.alpn_protocol() == Some(b"h2");
    let pace = Pace::new(http2);
    let answers = Answers { router: shared.router, peer, pace: pace.clone(), leaves: None };
    let wire = Wire::new(socket, pace.clone());
    let mut patience = Patience::new(pace.clone());
    if http2 {
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(PING)
            .keep_alive_timeout(PING)
            .max_concurrent_streams(HTTP2_REQUESTS)
            .max_header_list_size(BUFFER as u32)
            .serve_connection(wire, answers);
        let mut connection = pin!(connection);
        let served = select(&mut connection, poll_fn(|cx| patience.poll(cx)));
        if let Either::Right(_) = select(pin!(served), pin!(shared.stopping.cancelled())).await {
            connection.as_mut().graceful_shutdown();
            let _ = select(connection, poll_fn(|cx| patience.poll(cx))).await;
        }
        return;
    }
    let connection = one().serve_connection(wire, answers);
    let mut served = pin!(Served { connection, leaves: Leaves::default(), patience });
    if let Either::Right(_) = select(&mut served, pin!(time_to_go(&shared.stopping, &pace))).await {
        Pin::new(&mut served.connection).graceful_shutdown();
        served.await;
    }
}

/// Answers every plain request that comes to a port where TLS is spoken with where to go instead.
pub async fn redirected(socket: TcpStream, stopping: &CancellationToken) {
    let wire = Wire::new(Patient::new(socket), Pace::new(false));
    let redirect = hyper::service::service_fn(|request: Request<Incoming>| async move {
        let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        Response::builder()
            .status(hyper::StatusCode::PERMANENT_REDIRECT)
            .header(header::LOCATION, format!("https://{host}{path}"))
            .header(header::CONNECTION, "close")
            .body(String::from("This server speaks https.\n"))
    });
    let connection = one().keep_alive(false).serve_connection(wire, redirect);
    let _ = tokio::time::timeout(HEAD, stopping.run_until_cancelled(connection)).await;
}

/// HTTP/1.1 as we speak it. Flattened writes: an answer's head and a small body leave in one packet, and so does all that waits of a stream.
fn one() -> http1::Builder {
    let mut builder = http1::Builder::new();
    // Its own time for heads would also bound the wait between two requests.
    builder.writev(false).max_buf_size(BUFFER).header_read_timeout(None);
    builder
}

/// How a connection ended.
enum End {
    Over,
    Leaves(Departure),
    HeadTooSlow,
}

/// A stream that leaves hyper.
struct Departure {
    head: Bytes,
    feed: crate::live::Feed,
}

/// Where a handler's stream waits for the connection to take it.
#[derive(Clone, Default)]
struct Leaves(Arc<Mutex<Option<Departure>>>);

impl Leaves {
    fn slot(&self) -> std::sync::MutexGuard<'_, Option<Departure>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// hyper's connection, its clock, and the way out.
struct Served<S: Socket> {
    connection: http1::Connection<Wire<S>, Answers>,
    leaves: Leaves,
    patience: Patience,
}

impl<S: Socket> Future for Served<S> {
    type Output = End;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<End> {
        let served = self.get_mut();
        if Pin::new(&mut served.connection).poll(cx).is_ready() {
            return Poll::Ready(End::Over);
        }
        if let Some(departure) = served.leaves.slot().take() {
            return Poll::Ready(End::Leaves(departure));
        }
        served.patience.poll(cx)
    }
}

/// Watches how long a connection waits for requests.
struct Patience {
    pace: Arc<Pace>,
    timer: Pin<Box<Sleep>>,
}

impl Patience {
    fn new(pace: Arc<Pace>) -> Self {
        Self { pace, timer: Box::pin(sleep(HEAD)) }
    }

    /// Looks at the state only when the timer has run out: most connections have long moved on by then, and it is set anew.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let now = Instant::now();
            let (until, end) = match self.pace.waiting() {
                Waiting::Answer => {
                    self.pace.end_stuck_streams();
                    (now + HEAD, End::Over)
                }
                Waiting::Sending(since) => (since + SENDING, End::Over),
                Waiting::Head(since) => (since + HEAD, End::HeadTooSlow),
                Waiting::First(since) => (since + HEAD, End::Over),
                Waiting::Request(since) => (since + IDLE, End::Over),
            };
            if until <= now {
                return Poll::Ready(end);
            }
            self.timer.set(sleep_until(until.min(now + HEAD)));
        }
    }
}

/// The router as hyper calls it.
#[derive(Clone)]
struct Answers {
    router: Router,
    peer: SocketAddr,
    pace: Arc<Pace>,
    /// Where streams go that leave; nothing under TLS.
    leaves: Option<Leaves>,
}

impl hyper::service::Service<Request<Incoming>> for Answers {
    type Response = Response<Tracked>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let under_way = self.pace.begin();
        let wants_head_alone = request.method() == Method::HEAD;
        let may_leave = request.method() == Method::GET && request.version() <= Version::HTTP_11 && has_no_body(&request);
        let mut request = request.map(|body| Body::new(Timed { body, until: None, come: 0 }));
        request.extensions_mut().insert(ConnectInfo(self.peer));
        name_the_host(&mut request);
        if self.leaves.is_none() {
            request.extensions_mut().insert(OverTls);
        }
        let answer = self.router.clone().call(request);
        let (pace, leaves) = (self.pace.clone(), self.leaves.clone());
        Box::pin(async move {
            let mut response = answer.await.unwrap_or_else(|never| match never {});
            if let Some(leaving) = response.extensions_mut().remove::<Leaving>() {
                // What is still unsent lies in hyper's hands: then the stream stays there too.
                if let Some(leaves) = leaves.filter(|_| may_leave && pace.is_sent())
                    && let Some(feed) = leaving.take()
                {
                    *leaves.slot() = Some(Departure { head: head(&response, feed.now()), feed });
                    // The connection takes what lies there and ends this future with everything else of hyper's.
                    return std::future::pending().await;
                }
                if !wants_head_alone {
                    pace.carries(leaving);
                }
            }
            Ok(response.map(|body| Tracked { body, _under_way: under_way }))
        })
    }
}

/// HTTP/2 names the host in the address alone; everything of ours reads the header.
fn name_the_host(request: &mut Request<Body>) {
    let authority = request.uri().authority().and_then(|authority| header::HeaderValue::from_str(authority.as_str()).ok());
    if let Some(authority) = authority {
        request.headers_mut().insert(header::HOST, authority);
    }
}

fn has_no_body(request: &Request<Incoming>) -> bool {
    http_body::Body::is_end_stream(request.body())
}

/// The head of a stream's response, which lasts as long as the connection and says so.
fn head(response: &Response<Body>, now: crate::domain::Millis) -> Bytes {
    use time::format_description::BorrowedFormatItem;
    use time::macros::format_description;
    const DATE: &[BorrowedFormatItem<'_>] =
        format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");
    let mut head = Vec::with_capacity(1024);
    head.extend_from_slice(format!("HTTP/1.1 {}\r\n", response.status()).as_bytes());
    for (name, value) in response.headers().iter().filter(|(name, _)| **name != header::CONNECTION) {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    let date = time::OffsetDateTime::from_unix_timestamp(now / 1000).ok().and_then(|now| now.format(DATE).ok());
    if let Some(date) = date {
        head.extend_from_slice(format!("date: {date}\r\n").as_bytes());
    }
    head.extend_from_slice(b"connection: close\r\n\r\n");
    head.into()
}

/// A request's body of which each [`BODY_STEP`] must come within [`BODY`].
struct Timed {
    body: Incoming,
    until: Option<Pin<Box<Sleep>>>,
    /// Bytes since the last step.
    come: usize,
}

impl http_body::Body for Timed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            self.come += frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()).map_or(0, Bytes::len);
            if self.come >= BODY_STEP {
                self.come = 0;
                self.until = None;
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(io::Error::other)));
        }
        ready!(self.until.get_or_insert_with(|| Box::pin(sleep(BODY))).as_mut().poll(cx));
        Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::TimedOut, BodyTooSlow))))
    }

    fn is_end_stream(&self) -> bool {
        http_body::Body::is_end_stream(&self.body)
    }

    fn size_hint(&self) -> SizeHint {
        http_body::Body::size_hint(&self.body)
    }
}

/// An answer's body; the request counts as under way until it is dropped.
struct Tracked {
    body: Body,
    _under_way: UnderWay,
}

impl http_body::Body for Tracked {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
