//! The accept loop: every connection gets a task, a place among so many, and the one router that all share.
//!
//! Beyond the last place a connection is told so and closed, which leaves files for the database. Nothing here waits for a client.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::sockopt::set_tcp_user_timeout;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::connection;
use super::wire::Patient;

pub use super::connection::Shared;

/// A TLS handshake, and the first byte of a connection from which TLS is told from plain HTTP, must come within this time.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// A client that has acknowledged nothing for so long is gone, whatever the kernel would still try. Longer than a stuck reader is waited for
/// in all.
const GONE: Duration = Duration::from_secs(90);
/// Pause after a failure to accept that is ours (no files left), in which connections end.
const PAUSE: Duration = Duration::from_millis(50);
/// Connections that are being told that there is no place, at once; beyond that they are just closed.
const TOLD_AT_ONCE: usize = 64;
const TELLING: Duration = Duration::from_secs(1);
/// The first byte of every TLS connection: a handshake record.
const TLS_HANDSHAKE: u8 = 0x16;

const NO_PLACE: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\nconnection: close\r\ncontent-type: text/plain; charset=utf-8\r\n\
      content-length: 77\r\n\r\nThis server holds as many connections as it may. Try again in a few seconds.\n";

/// How connections are taken.
pub struct Accept {
    pub listener: TcpListener,
    pub shared: Shared,
    /// Connections at once.
    pub places: usize,
    pub tls: Option<TlsAcceptor>,
    /// No more are accepted.
    pub closed: CancellationToken,
}

impl Accept {
    /// Accepts until `closed`.
    pub async fn run(self) {
        let places = Arc::new(Semaphore::new(self.places));
        let told = Arc::new(Semaphore::new(TOLD_AT_ONCE));
        while let Some(accepted) = self.closed.run_until_cancelled(self.listener.accept()).await {
            let (socket, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) if is_the_clients(&error) => continue,
                Err(error) => {
                    warn!(%error, "a connection cannot be accepted; trying again");
                    sleep(PAUSE).await;
                    continue;
                }
            };
            // Every event goes out when it is written, not when a packet is full.
            if let Err(error) = socket.set_nodelay(true) {
                debug!(%error, "a connection keeps Nagle's algorithm");
            }
            if let Err(error) = set_tcp_user_timeout(&socket, GONE.as_millis() as u32) {
                debug!(%error, "a connection that goes in silence is noticed late");
            }
            let Ok(place) = places.clone().try_acquire_owned() else {
                // Under TLS there is nothing that could be understood before a handshake, which costs more than there is.
                if self.tls.is_none()
                    && let Ok(turn) = told.clone().try_acquire_owned()
                {
                    self.shared.tasks.spawn(async move {
                        let _ = timeout(TELLING, tell(socket)).await;
                        drop(turn);
                    });
                }
                continue;
            };
            let shared = self.shared.clone();
            match self.tls.clone() {
                None => drop(self.shared.tasks.spawn(connection::plain(socket, peer, shared, place))),
                Some(tls) => drop(self.shared.tasks.spawn(async move {
                    secure(socket, peer, tls, shared).await;
                    drop(place);
                })),
            }
        }
    }
}

async fn secure(socket: TcpStream, peer: SocketAddr, tls: TlsAcceptor, shared: Shared) {
    let mut first = [0];
    match timeout(HANDSHAKE, socket.peek(&mut first)).await {
        Ok(Ok(1)) if first[0] == TLS_HANDSHAKE => {}
        Ok(Ok(1)) => return connection::redirected(socket, &shared.stopping).await,
        _ => return,
    }
    match timeout(HANDSHAKE, tls.accept(Patient::new(socket))).await {
        Ok(Ok(socket)) => connection::secured(socket, peer, shared).await,
        Ok(Err(error)) => debug!(%error, "a TLS handshake failed"),
        Err(_) => debug!("a TLS handshake took too long"),
    }
}

/// Says that there is no place, and reads what was sent: closing over unread bytes would take the answer along.
async fn tell(mut socket: TcpStream) {
    let said = async {
        socket.write_all(NO_PLACE).await?;
        socket.shutdown().await?;
        let mut thrown_away = [0; 1024];
        while socket.read(&mut thrown_away).await? > 0 {}
        std::io::Result::Ok(())
    };
    if let Err(error) = said.await {
        debug!(%error, "a connection without a place went before it was told");
    }
}

/// The client went away between connecting and being accepted.
fn is_the_clients(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionRefused | ConnectionAborted | ConnectionReset)
}

#[cfg(test)]
mod tests {
    use super::NO_PLACE;

    #[test]
    fn the_answer_without_a_place_says_how_long_it_is() {
        let text = std::str::from_utf8(NO_PLACE).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with(&format!("content-length: {}", body.len())), "{head}");
    }
}
