//! A bad network between clients and a server: a relay whose faults can be changed while it runs, each way for itself.
//!
//! ```text
//! let proxy = Proxy::to(&server.url).await;
//! let bob = bob.at(&proxy.url);                                   // the same person, by way of the relay
//! proxy.set(Faults::down(Way { latency: ms(80), ..Way::default() })).await;
//! proxy.reset().await;                                            // every open connection ends with an RST
//! proxy.mend().await;
//! ```
//!
//! It does what networks do and nothing that TCP would never do: bytes arrive in order and unchanged, or the connection is lost. Bytes that
//! fell into the black hole are gone, so a connection that lost some is reset when the hole closes, and never goes on with a gap.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use rustix::net::{Shutdown, shutdown};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// Read at once, and pieces under way in one direction: what the relay itself can hold is 16 × 4 KiB, less than a socket does.
const PIECE: usize = 4096;
const PIECES: usize = 16;
/// Connections that may wait to be accepted.
const BACKLOG: u32 = 4096;
/// A slowed connection gets its share this often.
const SHARES_A_SECOND: u32 = 20;
/// How long a connection that is closed in good order waits for the sides to have closed too.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// What is wrong just now.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// From clients to the server.
    pub up: Way,
    /// From the server to clients.
    pub down: Way,
    pub door: Door,
}

/// One direction of every connection.
#[derive(Clone, Debug, Default)]
pub struct Way {
    /// How long each byte is under way, and at random up to this much longer. Order stays.
    pub latency: Duration,
    pub jitter: Duration,
    /// Each byte is written on its own, as a segment of its own.
    pub sliced: bool,
    /// Bytes a second.
    pub rate: Option<u32>,
    pub flow: Flow,
    /// Each connection ends when this many further bytes have passed.
    pub cut: Option<(usize, End)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flow {
    #[default]
    Runs,
    /// Nothing passes and nothing is lost: what waits goes on later.
    Held,
    /// Bytes vanish in silence, and so do ends: neither side hears anything. New connections are taken and lead nowhere.
    Swallowed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// As if closed in good order.
    Fin,
    /// Reset, in both directions, with whatever was under way.
    Rst,
}

/// What becomes of new connections. Open ones are not touched by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Door {
    #[default]
    Open,
    /// Nobody listens.
    Refuses,
    /// A reverse proxy answers that there is no server behind it.
    Unavailable,
}

impl Faults {
    pub fn up(up: Way) -> Self {
        Self { up, ..Self::default() }
    }

    pub fn down(down: Way) -> Self {
        Self { down, ..Self::default() }
    }

    pub fn both(way: &Way) -> Self {
        Self { up: way.clone(), down: way.clone(), door: Door::Open }
    }

    pub fn door(door: Door) -> Self {
        Self { door, ..Self::default() }
    }

    /// Everything vanishes.
    pub fn black_hole() -> Self {
        Self::both(&Way { flow: Flow::Swallowed, ..Way::default() })
    }
}

/// A relay on a port of its own. Dropping it ends it and every connection through it.
#[derive(Debug)]
pub struct Proxy {
    /// Where clients find the server.
    pub url: String,
    shared: Arc<Shared>,
    acceptor: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    server: SocketAddr,
    /// The faults with the number of their change: counts of bytes begin anew with each.
    faults: watch::Sender<(u64, Faults)>,
    /// The last change that the door has taken.
    taken: watch::Sender<u64>,
    /// Open connections by number: how each is told to end.
    open: Mutex<HashMap<u64, watch::Sender<Option<End>>>>,
    accepted: AtomicUsize,
    next: AtomicU64,
    chance: AtomicU64,
}

impl Proxy {
    /// A relay to `server` (`http://ADDRESS:PORT`) without faults.
    pub async fn to(server: &str) -> Self {
        Self::seeded(server, 1).await
    }

    /// The same with this beginning of its random numbers.
    pub async fn seeded(server: &str, seed: u64) -> Self {
        let server = server.trim_start_matches("http://").parse().expect("an address");
        // Holds on to the port while nobody listens there.
        let place = socket("127.0.0.1:0".parse().unwrap());
        let address = place.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            server,
            faults: watch::Sender::new((0, Faults::default())),
            taken: watch::Sender::new(0),
            open: Mutex::default(),
            accepted: AtomicUsize::new(0),
            next: AtomicU64::new(0),
            chance: AtomicU64::new(seed),
        });
        let first = listen(address);
        let acceptor = tokio::spawn(accept(first, place, shared.clone()));
        Self { url: format!("http://{address}"), shared, acceptor }
    }

    /// Changes what is wrong, for open connections and new ones; returns when new connections meet it.
    pub async fn set(&self, faults: Faults) {
        self.shared.faults.send_modify(|now| *now = (now.0 + 1, faults));
        let change = self.shared.faults.borrow().0;
        self.shared.taken.subscribe().wait_for(|taken| *taken >= change).await.expect("the relay runs");
    }

    /// Nothing is wrong any more. Connections that lost bytes are reset now.
    pub async fn mend(&self) {
        self.set(Faults::default()).await;
    }

    /// Every open connection ends with an RST to both sides; returns when they have.
    pub async fn reset(&self) {
        self.end_all(End::Rst).await;
    }

    /// Every open connection is closed in good order, in the middle of whatever runs through it.
    pub async fn close(&self) {
        self.end_all(End::Fin).await;
    }

    async fn end_all(&self, end: End) {
        let ending: Vec<watch::Sender<Option<End>>> = self.shared.open.lock().unwrap().values().cloned().collect();
        for connection in &ending {
            connection.send_replace(Some(end));
        }
        for connection in ending {
            connection.closed().await;
        }
    }

    /// Connections that are open.
    pub fn open(&self) -> usize {
        self.shared.open.lock().unwrap().len()
    }

    /// Connections that there ever were.
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.acceptor.abort();
    }
}

impl Shared {
    /// A number below `below`: SplitMix64, so that a seed tells the whole run.
    fn draw(&self, below: u64) -> u64 {
        let mut z = self.chance.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % below.max(1)
    }
}

/// Several sockets may be bound to one address as long as one at most listens there.
fn socket(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("an address can be shared");
    socket.bind(address).expect("a free port");
    socket
}

fn listen(address: SocketAddr) -> TcpListener {
    socket(address).listen(BACKLOG).expect("nobody else listens there")
}

async fn accept(first: TcpListener, place: TcpSocket, shared: Arc<Shared>) {
    let address = place.local_addr().expect("an address");
    let mut listener = Some(first);
    let mut faults = shared.faults.subscribe();
    // Ends with this task.
    let mut connections = JoinSet::new();
    loop {
        let (change, door) = {
            let now = faults.borrow_and_update();
            (now.0, now.1.door)
        };
        listener = match (door, listener) {
            (Door::Refuses, _) => None,
            (_, Some(listener)) => Some(listener),
            (_, None) => Some(listen(address)),
        };
        shared.taken.send_replace(change);
        let accepted = async {
            match &listener {
                Some(listener) => listener.accept().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // A change first: who connects after `set` has returned meets it.
            biased;
            _ = faults.changed() => {}
            Some(_) = connections.join_next() => {}
            Ok((near, _)) = accepted => {
                shared.accepted.fetch_add(1, Ordering::Relaxed);
                let shared = shared.clone();
                match door {
                    Door::Unavailable => drop(connections.spawn(unavailable(near))),
                    _ => drop(connections.spawn(async move { connection(near, &shared).await })),
                }
            }
        }
    }
}

/// What a reverse proxy says when there is nothing behind it.
async fn unavailable(mut near: TcpStream) {
    let mut head = Vec::new();
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        match near.read_buf(&mut head).await {
            Ok(n) if n > 0 => {}
            _ => return,
        }
    }
    let body = "<html><head><title>503 Service Temporarily Unavailable</title></head><body>There is no server.</body></html>";
    let answer = format!(
        "HTTP/1.1 503 Service Temporarily Unavailable\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    if near.write_all(answer.as_bytes()).await.is_ok() && near.shutdown().await.is_ok() {
        // Until the other side has closed too: else what it still sends turns the answer into a reset.
        while near.read_buf(&mut head).await.is_ok_and(|n| n > 0) {
            head.clear();
        }
    }
}

/// One connection, from its beginning to its end by whichever side or fault.
async fn connection(near: TcpStream, shared: &Shared) {
    let number = shared.next.fetch_add(1, Ordering::Relaxed);
    let told = watch::Sender::new(None);
    // Dropped with this future: whoever told it to end sees it go.
    let mut orders = told.subscribe();
    shared.open.lock().unwrap().insert(number, told);
    let _forget = Forget { shared, number };
    let mut faults = shared.faults.subscribe();
    let in_hole = |now: &(u64, Faults)| now.1.up.flow == Flow::Swallowed;
    if in_hole(&faults.borrow()) {
        // It reaches nobody; when somebody can be reached again, they know nothing of it.
        tokio::select! {
            _ = orders.wait_for(Option::is_some) => {}
            _ = faults.wait_for(|now| !in_hole(now)) => {}
            () = swallow(&near) => {}
        }
        let _ = near.set_zero_linger();
        return;
    }
    let Ok(far) = TcpStream::connect(shared.server).await else {
        let _ = near.set_zero_linger();
        return;
    };
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let both = async { tokio::try_join!(relay(&near, &far, shared, |now| &now.up), relay(&far, &near, shared, |now| &now.down)) };
    let end = tokio::select! {
        ended = both => ended.err(),
        order = orders.wait_for(Option::is_some) => order.ok().and_then(|order| *order),
    };
    match end {
        // Each side has closed in its own time.
        None => {}
        Some(End::Rst) => drop((near.set_zero_linger(), far.set_zero_linger())),
        Some(End::Fin) => {
            let _ = (shutdown(&near, Shutdown::Write), shutdown(&far, Shutdown::Write));
            // What is unread when a socket is closed would make a reset of it.
            let _ = timeout(LAST_WORDS, async { tokio::join!(discard(&near), discard(&far)) }).await;
        }
    }
}

/// Takes a connection out of the list of open ones.
struct Forget<'s> {
    shared: &'s Shared,
    number: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.shared.open.lock().unwrap().remove(&self.number);
    }
}

/// Carries bytes one way until their end, which is passed on. An error says how the whole connection ends.
async fn relay(from: &TcpStream, to: &TcpStream, shared: &Shared, way: fn(&Faults) -> &Way) -> Result<(), End> {
    // An empty piece is the end.
    let (send, mut receive) = mpsc::channel::<(Instant, Bytes)>(PIECES);
    let reading = async {
        let mut faults = shared.faults.subscribe();
        let mut due = Instant::now();
        loop {
            let piece = read(from).await;
            let now = way(&faults.borrow_and_update().1).clone();
            if now.flow == Flow::Swallowed {
                return swallowed(from, &mut faults, way).await;
            }
            let piece = piece.map_err(|_| End::Rst)?;
            let jitter = Duration::from_micros(shared.draw(now.jitter.as_micros() as u64 + 1));
            due = due.max(Instant::now() + now.latency + jitter);
            let last = piece.is_empty();
            let _ = send.send((due, piece)).await;
            if last {
                return Ok(());
            }
        }
    };
    let writing = async {
        let mut faults = shared.faults.subscribe();
        let (mut passed, mut since) = (0, 0);
        while let Some((due, piece)) = receive.recv().await {
            sleep_until(due).await;
            let mut rest = &piece[..];
            loop {
                let (change, now) = {
                    let now = faults.wait_for(|now| way(&now.1).flow != Flow::Held).await.map_err(|_| End::Rst)?;
                    (now.0, way(&now.1).clone())
                };
                if now.flow == Flow::Swallowed {
                    return swallowed(from, &mut faults, way).await;
                }
                if piece.is_empty() {
                    let _ = shutdown(to, Shutdown::Write);
                    return Ok(());
                }
                if std::mem::replace(&mut since, change) != change {
                    passed = 0;
                }
                let share = now.rate.map_or(usize::MAX, |rate| (rate / SHARES_A_SECOND).max(1) as usize);
                let slice = if now.sliced { 1 } else { usize::MAX };
                let left = now.cut.map_or(usize::MAX, |(bytes, _)| bytes - passed);
                let some = rest.len().min(share).min(slice).min(left);
                write(to, &rest[..some]).await.map_err(|_| End::Rst)?;
                passed += some;
                rest = &rest[some..];
                if let Some((bytes, end)) = now.cut
                    && passed == bytes
                {
                    return Err(end);
                }
                if rest.is_empty() && now.rate.is_none() {
                    break;
                }
                match now.rate {
                    Some(rate) => sleep(Duration::from_secs(1) * some as u32 / rate.max(1)).await,
                    None => tokio::task::yield_now().await,
                }
                if rest.is_empty() {
                    break;
                }
            }
        }
        Ok(())
    };
    tokio::try_join!(reading, writing).map(drop)
}

/// Bytes of this connection are lost: nothing is heard of it until the hole closes, and then it is gone.
async fn swallowed(from: &TcpStream, faults: &mut watch::Receiver<(u64, Faults)>, way: fn(&Faults) -> &Way) -> Result<(), End> {
    tokio::select! {
        _ = faults.wait_for(|now| way(&now.1).flow != Flow::Swallowed) => {}
        () = swallow(from) => {}
    }
    Err(End::Rst)
}

/// Reads and forgets; tells nobody of the end either.
async fn swallow(from: &TcpStream) {
    discard(from).await;
    std::future::pending::<()>().await;
}

async fn discard(from: &TcpStream) {
    while read(from).await.is_ok_and(|piece| !piece.is_empty()) {}
}

async fn read(from: &TcpStream) -> io::Result<Bytes> {
    let mut piece = [0; PIECE];
    loop {
        from.readable().await?;
        match from.try_read(&mut piece) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            read => return read.map(|n| Bytes::copy_from_slice(&piece[..n])),
        }
    }
}

async fn write(to: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        to.writable().await?;
        match to.try_write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            written => bytes = &bytes[written?..],
        }
    }
    Ok(())
}
