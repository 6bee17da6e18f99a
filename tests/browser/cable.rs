//! The cable between one browser and the server: faults of every kind on the browser's side, and behind them a count of the streams that reach the server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::support::proxy::{Door, Faults, Proxy};

/// How a request for a stream begins, and how one is known that was not refused.
const ASKED: &[u8] = b"GET /live?";
const GIVEN: &[u8] = b"content-type: text/event-stream";

/// A relay on a port of its own. Dropping it ends it.
#[derive(Debug)]
pub struct Cable {
    /// Where the browser finds the server.
    pub origin: String,
    /// What can be wrong with it.
    pub proxy: Proxy,
    streams: Arc<Streams>,
    counting: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Streams {
    asked: AtomicUsize,
    open: AtomicUsize,
}

impl Cable {
    pub async fn to(server: &str) -> Self {
        let server: SocketAddr = server.trim_start_matches("http://").parse().expect("an address");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let proxy = Proxy::to(&format!("http://{}", listener.local_addr().expect("an address"))).await;
        let streams = Arc::new(Streams::default());
        let counting = tokio::spawn(count(listener, server, streams.clone()));
        Self { origin: proxy.url.clone(), proxy, streams, counting }
    }

    /// Every connection ends at once, and new ones come to nothing.
    pub async fn cut(&self) {
        self.breaks(Faults::door(Door::Refuses)).await;
    }

    /// From now on this is wrong, and whatever is open ends.
    pub async fn breaks(&self, faults: Faults) {
        self.proxy.set(faults).await;
        self.proxy.reset().await;
    }

    pub async fn mend(&self) {
        self.proxy.mend().await;
    }

    /// Streams that were ever asked for.
    pub fn streams_asked(&self) -> usize {
        self.streams.asked.load(Ordering::SeqCst)
    }

    /// Streams that are open now.
    pub fn streams_open(&self) -> usize {
        self.streams.open.load(Ordering::SeqCst)
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.counting.abort();
    }
}

async fn count(listener: TcpListener, server: SocketAddr, streams: Arc<Streams>) {
    while let Ok((near, _)) = listener.accept().await {
        tokio::spawn(carry(near, server, streams.clone()));
    }
}

/// Passes everything on, and notes when a stream is asked for. A browser closes the connection of a stream with the stream.
async fn carry(near: TcpStream, server: SocketAddr, streams: Arc<Streams>) {
    let Ok(far) = TcpStream::connect(server).await else { return };
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let (from_near, to_near) = near.into_split();
    let (from_far, to_far) = far.into_split();
    let mut given = 0;
    // An end of either side is the end.
    tokio::select! {
        () = pass(from_near, to_far, ASKED, |asked| { streams.asked.fetch_add(asked, Ordering::SeqCst); }) => {}
        () = pass(from_far, to_near, GIVEN, |more| { given += more; streams.open.fetch_add(more, Ordering::SeqCst); }) => {}
    }
    streams.open.fetch_sub(given, Ordering::SeqCst);
}

/// Passes bytes one way, and tells how often something was among them, wherever it was cut.
async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, what: &[u8], mut found: impl FnMut(usize)) {
    let mut last = Vec::new();
    let mut bytes = [0; 4096];
    while let Ok(n @ 1..) = from.read(&mut bytes).await {
        last.extend_from_slice(&bytes[..n]);
        match last.windows(what.len()).filter(|window| *window == what).count() {
            0 => {}
            some => found(some),
        }
        last.drain(..last.len().saturating_sub(what.len() - 1));
        if to.write_all(&bytes[..n]).await.is_err() {
            break;
        }
    }
}
