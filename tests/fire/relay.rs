//! The bad network of these tests does what it says: bytes arrive unchanged and in order, or the connection is lost.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::support::proxy::{Door, End, Faults, Flow, Proxy, Way};

/// A server that says everything again, and a relay before it.
async fn echo() -> (Proxy, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = socket.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    (Proxy::to(&format!("http://{address}")).await, server)
}

async fn connect(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(proxy.url.trim_start_matches("http://")).await.unwrap()
}

/// Says something and reads the same back; how long that took.
async fn says(socket: &mut TcpStream, words: &[u8]) -> io::Result<Duration> {
    let began = Instant::now();
    let mut heard = vec![0; words.len()];
    socket.write_all(words).await?;
    socket.read_exact(&mut heard).await?;
    assert_eq!(heard, words, "bytes arrive unchanged and in order");
    Ok(began.elapsed())
}

fn sliced() -> Way {
    Way { sliced: true, ..Way::default() }
}

#[tokio::test]
async fn bytes_arrive_unchanged_whatever_delays_them() {
    let (proxy, _server) = echo().await;
    let words: Vec<u8> = (0..40_000_u32).map(|n| (n % 251) as u8).collect();
    let mut socket = connect(&proxy).await;
    says(&mut socket, &words).await.unwrap();
    let latency = Way { latency: Duration::from_millis(30), jitter: Duration::from_millis(20), ..Way::default() };
    proxy.set(Faults::both(&latency)).await;
    assert!(says(&mut socket, &words).await.unwrap() >= Duration::from_millis(60), "there and back");
    proxy.set(Faults::both(&sliced())).await;
    says(&mut socket, &words).await.unwrap();
    proxy.set(Faults::down(Way { rate: Some(1000), ..Way::default() })).await;
    assert!(says(&mut socket, &words[..300]).await.unwrap() >= Duration::from_millis(250));
    proxy.mend().await;
    says(&mut socket, &words).await.unwrap();
    // An end of one side is the other's.
    socket.shutdown().await.unwrap();
    assert_eq!(socket.read(&mut [0; 8]).await.unwrap(), 0);
    assert_eq!(proxy.accepted(), 1);
}

#[tokio::test]
async fn a_slice_is_a_segment() {
    let (proxy, _server) = echo().await;
    proxy.set(Faults::down(Way { rate: Some(100), ..sliced() })).await;
    let mut socket = connect(&proxy).await;
    socket.write_all(b"one by one").await.unwrap();
    let mut piece = [0; 64];
    for letter in b"one by one" {
        assert_eq!((socket.read(&mut piece).await.unwrap(), piece[0]), (1, *letter));
    }
}

#[tokio::test]
async fn what_is_held_goes_on_and_what_is_swallowed_is_a_lost_connection() {
    let (proxy, _server) = echo().await;
    let (mut socket, mut idle) = (connect(&proxy).await, connect(&proxy).await);
    says(&mut socket, b"before").await.unwrap();
    says(&mut idle, b"before").await.unwrap();
    proxy.set(Faults::down(Way { flow: Flow::Held, ..Way::default() })).await;
    socket.write_all(b"held").await.unwrap();
    assert!(timeout(Duration::from_millis(100), socket.read_u8()).await.is_err(), "nothing comes");
    proxy.mend().await;
    let mut heard = [0; 4];
    socket.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"held");

    proxy.set(Faults::black_hole()).await;
    socket.write_all(b"lost").await.unwrap();
    let mut newcomer = connect(&proxy).await;
    newcomer.write_all(b"hello?").await.unwrap();
    assert!(timeout(Duration::from_millis(100), socket.read_u8()).await.is_err(), "nothing comes, not even an end");
    assert!(timeout(Duration::from_millis(100), newcomer.read_u8()).await.is_err(), "nothing comes, not even an end");
    proxy.mend().await;
    assert_eq!(socket.read_u8().await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(newcomer.read_u8().await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    says(&mut idle, b"nothing of this one was lost").await.unwrap();
}

#[tokio::test]
async fn ends_are_ends_of_their_kind() {
    let (proxy, _server) = echo().await;
    for (end, bytes) in [(End::Fin, 5), (End::Rst, 5)] {
        proxy.mend().await;
        let mut socket = connect(&proxy).await;
        says(&mut socket, b"before").await.unwrap();
        proxy.set(Faults::down(Way { cut: Some((bytes, end)), rate: Some(200), ..Way::default() })).await;
        socket.write_all(b"cut here, not there").await.unwrap();
        let mut heard = Vec::new();
        let read = socket.read_to_end(&mut heard).await;
        assert_eq!(heard, b"cut h");
        assert_eq!(read.map_err(|error| error.kind()).err(), (end == End::Rst).then_some(io::ErrorKind::ConnectionReset));
    }
    proxy.mend().await;
    let mut sockets = [connect(&proxy).await, connect(&proxy).await];
    for socket in &mut sockets {
        says(socket, b"before").await.unwrap();
    }
    proxy.reset().await;
    assert_eq!(proxy.open(), 0);
    for socket in &mut sockets {
        assert_eq!(socket.read_u8().await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }
    let mut socket = connect(&proxy).await;
    says(&mut socket, b"before").await.unwrap();
    proxy.close().await;
    assert_eq!(socket.read_u8().await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn a_door_that_is_shut_leaves_open_connections_alone() {
    let (proxy, _server) = echo().await;
    let mut open = connect(&proxy).await;
    says(&mut open, b"before").await.unwrap();
    for _ in 0..3 {
        proxy.set(Faults::door(Door::Refuses)).await;
        let refused = TcpStream::connect(proxy.url.trim_start_matches("http://")).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        proxy.set(Faults::door(Door::Unavailable)).await;
        let mut socket = connect(&proxy).await;
        socket.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.ends_with("</html>"), "{answer}");
        says(&mut open, b"still there").await.unwrap();
    }
    proxy.mend().await;
    says(&mut connect(&proxy).await, b"and again").await.unwrap();
}
