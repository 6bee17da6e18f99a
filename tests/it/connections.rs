//! What a connection carries: TLS without a proxy, several requests and then a stream, old clients, and no more connections than allowed.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use reqwest::Method;
use rustls::pki_types::pem::PemObject;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::{On, Options, PASSWORD, PATIENCE, Person, Server, eventually, new_id};

/// Writes a fresh certificate for this machine where the server reads it; gives it as PEM.
fn certify(folder: &Path) -> String {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
    fs::write(folder.join("key.pem"), signing_key.serialize_pem()).unwrap();
    fs::write(folder.join("chain.pem"), cert.pem()).unwrap();
    cert.pem()
}

async fn raw(server: &Server) -> TcpStream {
    TcpStream::connect(address(&server.url)).await.unwrap()
}

fn address(url: &str) -> SocketAddr {
    url.split("://").nth(1).unwrap().parse().unwrap()
}

/// Reads until this has come.
async fn reads(socket: &mut TcpStream, until: &str) -> String {
    let mut bytes = Vec::new();
    let found = async {
        while !String::from_utf8_lossy(&bytes).contains(until) {
            if socket.read_buf(&mut bytes).await.unwrap() == 0 {
                return false;
            }
        }
        true
    };
    let found = timeout(PATIENCE, found).await;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    assert!(matches!(found, Ok(true)), "{until:?} never came: {text}");
    text
}

/// Reads until the other end closes.
async fn reads_all(socket: &mut TcpStream) -> String {
    let mut text = String::new();
    timeout(PATIENCE, socket.read_to_string(&mut text)).await.expect("it ends").unwrap();
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_all_that_https_needs() {
    let files = tempfile::tempdir().unwrap();
    let old = certify(files.path());
    let path = |name: &str| files.path().join(name).to_str().unwrap().to_owned();
    let options = Options::args(&["--tls-cert", &path("chain.pem"), "--tls-key", &path("key.pem")]);
    let server = Server::with(On::Sqlite, options).await;
    assert!(server.url.starts_with("https://"), "{}", server.url);

    let ada = Person::stranger_over_tls(&server.url, &old);
    let page = ada.post("/setup", &[("name", "Ada"), ("password", PASSWORD)]).await;
    assert_eq!(page.status, 303, "{}", page.body);
    assert!(page.header("strict-transport-security").contains("max-age"));
    assert_eq!(ada.cookies()[0].0, "__Host-parlor", "the cookie that only TLS can set");
    let ada = ada.known().await;
    let response = ada.request(Method::GET, "/api/me").send().await.unwrap();
    assert_eq!(response.version(), reqwest::Version::HTTP_2);

    // A stream and the posts that it shows share a connection.
    let room = ada.makes_room("Kitchen").await;
    let mut tab = ada.live(&room).await;
    tab.catches_up().await;
    for n in 0..20 {
        ada.says(&room, &format!("number {n}")).await;
    }
    tab.sees("number 19").await;

    // Plain HTTP on this port is sent where it should have gone.
    let mut plain = raw(&server).await;
    plain.write_all(b"GET /rooms?x=1 HTTP/1.1\r\nHost: chat.example.org\r\n\r\n").await.unwrap();
    let answer = reads_all(&mut plain).await;
    assert!(answer.starts_with("HTTP/1.1 308 "), "{answer}");
    assert!(answer.contains("location: https://chat.example.org/rooms?x=1\r\n"), "{answer}");

    // A renewed certificate is used without a restart, and who listens goes on listening.
    let new = certify(files.path());
    eventually("the new certificate is in use", async || {
        let stranger = Person::stranger_over_tls(&server.url, &new);
        stranger.request(Method::GET, "/healthz").send().await.ok().filter(|answer| answer.status() == 200)
    })
    .await;
    let distrusts = Person::stranger_over_tls(&server.url, &old);
    assert!(distrusts.request(Method::GET, "/healthz").send().await.is_err(), "the old certificate is out of use");
    ada.says(&room, "after the renewal").await;
    tab.sees("after the renewal").await;
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_is_said_at_the_start() {
    let server = Server::prepare(On::Sqlite, Options::default()).await;
    let files = tempfile::tempdir().unwrap();
    certify(files.path());
    let chain = files.path().join("chain.pem").to_str().unwrap().to_owned();
    fs::write(files.path().join("empty.pem"), "").unwrap();
    let empty = files.path().join("empty.pem").to_str().unwrap().to_owned();
    let other = tempfile::tempdir().unwrap();
    certify(other.path());
    let others_key = other.path().join("key.pem").to_str().unwrap().to_owned();
    for (args, names) in [
        (vec!["--tls-cert", &chain], "--tls-key"),
        (vec!["--tls-cert", &chain, "--tls-key", "/nowhere/key.pem"], "/nowhere/key.pem"),
        (vec!["--tls-cert", &empty, "--tls-key", &others_key], "holds no certificate"),
        (vec!["--tls-cert", &chain, "--tls-key", &others_key], "cannot be used together"),
    ] {
        let mut all = vec!["serve", "--listen", "127.0.0.1:0", "--model", "off"];
        all.extend(args);
        let done = server.cli(&all, "").await;
        assert!(done.refused().contains(names), "{}", done.err);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_connection_carries_requests_and_then_a_stream() {
    let server = Server::start(On::Sqlite).await;
    let ada = server.first("Ada").await;
    let room = ada.makes_room("Kitchen").await;
    let token = server.cli(&["token", "add", "Ada"], "").await.ok().to_owned();

    // Three requests in one packet: their answers come in order, and the stream goes on.
    let mut socket = raw(&server).await;
    let authorization = format!("Authorization: Bearer {token}");
    let body = format!("{{\"id\":\"{}\",\"text\":\"in between\"}}", new_id());
    let request = format!(
        "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n\
         POST /api/rooms/{room}/messages HTTP/1.1\r\nHost: x\r\n{authorization}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}\
         GET /api/rooms/{room}/live HTTP/1.1\r\nHost: x\r\n{authorization}\r\n\r\n",
        body.len()
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let answers = reads(&mut socket, "event: caught-up").await;
    let heads: Vec<&str> = answers.match_indices("HTTP/1.1 ").map(|(at, _)| &answers[at..at + 12]).collect();
    assert_eq!(heads, ["HTTP/1.1 200", "HTTP/1.1 201", "HTTP/1.1 200"], "{answers}");
    ada.says(&room, "to the stream").await;
    let frame = reads(&mut socket, "to the stream").await;
    assert!(frame.contains("event: message\n"), "{frame}");

    // What a client still sends is no reason to stop.
    socket.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    ada.says(&room, "still here").await;
    reads(&mut socket, "still here").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_and_odd_clients_are_answered() {
    let server = Server::start(On::Sqlite).await;
    let ada = server.first("Ada").await;
    let room = ada.makes_room("Kitchen").await;
    let token = server.cli(&["token", "add", "Ada"], "").await.ok().to_owned();

    let mut old = raw(&server).await;
    let request = format!("GET /api/rooms/{room}/live HTTP/1.0\r\nAuthorization: Bearer {token}\r\n\r\n");
    old.write_all(request.as_bytes()).await.unwrap();
    let head = reads(&mut old, "event: caught-up").await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && !head.contains("chunked"), "{head}");
    ada.says(&room, "hello, old one").await;
    reads(&mut old, "hello, old one").await;

    // Only the head of a stream: answered whole, and the connection goes on.
    let mut head_only = raw(&server).await;
    let request = format!(
        "HEAD /api/rooms/{room}/live HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    );
    head_only.write_all(request.as_bytes()).await.unwrap();
    let answers = reads(&mut head_only, "ok\n").await;
    assert!(answers.starts_with("HTTP/1.1 200 OK\r\n"), "{answers}");

    let mut rubbish = raw(&server).await;
    rubbish.write_all(b"\x16\x03\x01rubbish\r\n\r\n").await.unwrap();
    assert!(reads_all(&mut rubbish).await.starts_with("HTTP/1.1 400 "));

    let mut endless = raw(&server).await;
    let mut answer = String::new();
    let sends = async {
        // Refused long before this is sent: the server closes while we write.
        let _ = endless.write_all(format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(1 << 20)).as_bytes()).await;
        let _ = endless.read_to_string(&mut answer).await;
    };
    timeout(PATIENCE, sends).await.expect("a head without an end is refused");
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    assert_eq!(ada.get("/healthz").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beyond_the_last_connection_it_is_said_so() {
    let server = Server::with(On::Sqlite, Options::args(&["--max-connections", "4"])).await;
    let ada = server.first("Ada").await;
    let room = ada.makes_room("Kitchen").await;
    let mut tab = ada.live(&room).await;
    tab.catches_up().await;
    // One is Ada's stream, one or more her client's; whoever comes when all places are taken is told.
    let mut held = Vec::new();
    let answer = eventually("all places are taken", async || {
        let mut socket = raw(&server).await;
        let mut answer = String::new();
        match timeout(std::time::Duration::from_millis(200), socket.read_to_string(&mut answer)).await {
            Ok(read) => {
                read.unwrap();
                Some(answer)
            }
            Err(_) => {
                held.push(socket);
                None
            }
        }
    })
    .await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("retry-after: 5\r\n"), "{answer}");
    assert!(held.len() <= 3, "{} beside the stream", held.len());
    drop(held);
    eventually("there is room again", async || {
        let stranger = Person::stranger(&server.url);
        stranger.request(Method::GET, "/healthz").send().await.ok().filter(|answer| answer.status() == 200)
    })
    .await;
    ada.says(&room, "all the while").await;
    tab.sees("all the while").await;
}

/// Connects with TLS and HTTP/2, believing this certificate alone.
async fn secure(server: &Server, certificate: &str) -> tokio_rustls::client::TlsStream<TcpStream> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(rustls::pki_types::CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
    connector.connect("127.0.0.1".try_into().unwrap(), raw(server).await).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_says_nothing_over_tls_holds_no_place() {
    let files = tempfile::tempdir().unwrap();
    let certificate = certify(files.path());
    let path = |name: &str| files.path().join(name).to_str().unwrap().to_owned();
    let server = Server::with(On::Sqlite, Options::args(&["--tls-cert", &path("chain.pem"), "--tls-key", &path("key.pem")])).await;
    // No TLS; TLS and nothing; HTTP/2's greeting and an answer to each ping, but never a request.
    let mut silent = raw(&server).await;
    let mut greeted = secure(&server, &certificate).await;
    let mut polite = secure(&server, &certificate).await;
    polite.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut rubbish = Vec::new();
    let ends = async {
        let _ = silent.read_to_end(&mut rubbish).await;
        let _ = greeted.read_to_end(&mut rubbish).await;
        let _ = polite.read_to_end(&mut rubbish).await;
    };
    timeout(PATIENCE, ends).await.expect("all three are ended after ten seconds");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_answer_may_be_read_late() {
    let server = Server::start(On::Sqlite).await;
    let ada = server.first("Ada").await;
    let room = ada.makes_room("Kitchen").await;
    for n in 0..40 {
        ada.says(&room, &format!("{n} {}", "word ".repeat(12_000))).await;
    }
    let token = server.cli(&["token", "add", "Ada"], "").await.ok().to_owned();
    let mut slow = raw(&server).await;
    let request = format!("GET /api/rooms/{room}/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n");
    // The next request has begun before the answer to the first is read: that is no reason to break the answer off.
    slow.write_all(format!("{request}G").as_bytes()).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(12)).await;
    let mut bytes = Vec::new();
    let whole = async {
        loop {
            let text = String::from_utf8_lossy(&bytes);
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse::<usize>().unwrap();
                if body.len() >= length {
                    return (length, body.to_owned());
                }
            }
            assert!(slow.read_buf(&mut bytes).await.unwrap() > 0, "the answer broke off after {} bytes", bytes.len());
        }
    };
    let (length, body) = timeout(PATIENCE, whole).await.expect("the whole answer comes");
    assert!(length > 2_000_000 && serde_json::from_str::<serde_json::Value>(&body[..length]).is_ok(), "{length}");
}
