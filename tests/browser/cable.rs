//! The cable between one browser and the server: a small relay that can be cut, in the middle of whatever runs through it.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A relay on a port of its own. Dropping it ends it.
#[derive(Debug)]
pub struct Cable {
    /// Where the browser finds the server.
    pub origin: String,
    whole: Arc<watch::Sender<bool>>,
    relay: JoinHandle<()>,
}

impl Cable {
    pub async fn to(server: &str) -> Self {
        let server: SocketAddr = server.trim_start_matches("http://").parse().expect("an address");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let origin = format!("http://{}", listener.local_addr().expect("an address"));
        let whole = Arc::new(watch::Sender::new(true));
        let relay = tokio::spawn(relay(listener, server, whole.clone()));
        Self { origin, whole, relay }
    }

    /// Every connection ends at once, and new ones come to nothing.
    pub fn cut(&self) {
        self.whole.send_replace(false);
    }

    pub fn mend(&self) {
        self.whole.send_replace(true);
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.relay.abort();
    }
}

async fn relay(listener: TcpListener, server: SocketAddr, whole: Arc<watch::Sender<bool>>) {
    loop {
        let Ok((mut near, _)) = listener.accept().await else { return };
        let mut whole = whole.subscribe();
        if !*whole.borrow_and_update() {
            continue;
        }
        tokio::spawn(async move {
            let Ok(mut far) = TcpStream::connect(server).await else { return };
            let _ = (near.set_nodelay(true), far.set_nodelay(true));
            tokio::select! {
                _ = copy_bidirectional(&mut near, &mut far) => {}
                _ = whole.wait_for(|whole| !whole) => {}
            }
        });
    }
}
