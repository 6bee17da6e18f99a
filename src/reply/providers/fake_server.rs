//! For tests: a server on this machine that answers with exactly the bytes it is given, cut wherever a test wants them cut.
//!
//! It runs in threads of its own and blocks, so that it knows nothing of the runtime under test. Each connection gets the next response;
//! when there are none left, nothing listens any more.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

pub struct FakeServer {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    clients_that_left: UnboundedReceiver<()>,
}

/// One request.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Request line and headers, with lowercase names, one a line.
    pub head: String,
    pub body: Value,
}

/// What one connection gets.
#[derive(Debug, Clone)]
pub struct Response {
    head: String,
    /// Each is sent, and most often received, by itself.
    pieces: Vec<Vec<u8>>,
    then: Then,
}

#[derive(Debug, Clone, Copy)]
enum Then {
    /// The body ends as it should.
    End,
    /// The connection closes in the middle of the body.
    Break,
    /// Nothing more comes, until the client leaves.
    Hang,
    /// Nothing comes at all, not even a status, until the client leaves.
    HangBefore,
}

impl FakeServer {
    pub fn answering(responses: impl IntoIterator<Item = Response>) -> Self {
        let responses: Vec<Response> = responses.into_iter().collect();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (left, clients_that_left) = unbounded_channel();
        thread::spawn({
            let asked = asked.clone();
            move || {
                for response in responses {
                    let Ok((connection, _)) = listener.accept() else { return };
                    let (asked, left) = (asked.clone(), left.clone());
                    thread::spawn(move || serve(connection, &response, &asked, &left));
                }
            }
        });
        Self { address, asked, clients_that_left }
    }

    /// The address of the API, without a slash at its end.
    pub fn base_url(&self) -> String {
        format!("{}/v1", self.origin())
    }

    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// Returns when a client closed its connection although the response had not ended.
    pub async fn client_left(&mut self) {
        self.clients_that_left.recv().await.expect("a connection that hangs");
    }
}

impl Response {
    /// `status` is a code and a phrase, `body` is sent in one piece.
    pub fn new(status: &str, content_type: &str, body: impl AsRef<[u8]>) -> Self {
        let head = format!("HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\n");
        Self { head, pieces: vec![body.as_ref().to_vec()], then: Then::End }
    }

    pub fn events(body: impl AsRef<[u8]>) -> Self {
        Self::new("200 OK", "text/event-stream; charset=utf-8", body)
    }

    pub fn json(status: &str, body: impl AsRef<[u8]>) -> Self {
        Self::new(status, "application/json", body)
    }

    /// A server that accepts a connection and says nothing.
    pub fn silence() -> Self {
        Self { head: String::new(), pieces: Vec::new(), then: Then::HangBefore }
    }

    /// What a real server once sent: the only response in a file of `tests/data/provider-wire`, or the one under a `### title`. The
    /// recordings hold bodies without the framing of the connection, so the headers about that are left out.
    pub fn recorded(file: &str, title: Option<&str>) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/provider-wire").join(file);
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let response = match title {
            None => text.as_str(),
            Some(title) => {
                let heading = format!("### {title}\n");
                let start = text.find(&heading).unwrap_or_else(|| panic!("no {title:?} in {file}")) + heading.len();
                text[start..].split("\n### ").next().unwrap_or_default()
            }
        };
        let (head, body) = response.split_once("\r\n\r\n").expect("a blank line after the headers");
        let is_framing = |line: &str| {
            ["transfer-encoding:", "content-length:", "keep-alive:", "connection:"]
                .iter()
                .any(|name| line.to_ascii_lowercase().starts_with(name))
        };
        let head = head.split("\r\n").filter(|line| !is_framing(line)).map(|line| format!("{line}\r\n")).collect();
        Self { head, pieces: vec![body.as_bytes().to_vec()], then: Then::End }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.head += &format!("{name}: {value}\r\n");
        self
    }

    /// Cuts the body after every `bytes`.
    pub fn in_pieces_of(mut self, bytes: usize) -> Self {
        self.pieces = self.pieces.concat().chunks(bytes).map(<[u8]>::to_vec).collect();
        self
    }

    /// Keeps only the first `bytes` of the body.
    pub fn truncated_to(mut self, bytes: usize) -> Self {
        let mut body = self.pieces.concat();
        body.truncate(bytes);
        self.pieces = vec![body];
        self
    }

    pub fn then_break(self) -> Self {
        Self { then: Then::Break, ..self }
    }

    pub fn then_hang(self) -> Self {
        Self { then: Then::Hang, ..self }
    }
}

fn serve(mut connection: TcpStream, response: &Response, asked: &Mutex<Vec<Asked>>, left: &UnboundedSender<()>) {
    let Some(request) = read_request(&connection) else { return };
    asked.lock().unwrap().push(request);
    // A client that leaves early is often just what a test is about.
    if !matches!(response.then, Then::HangBefore) {
        let _ = write(&mut connection, response);
    }
    if matches!(response.then, Then::Hang | Then::HangBefore) {
        let _ = connection.read(&mut [0]);
        let _ = left.send(());
    }
}

fn read_request(connection: &TcpStream) -> Option<Asked> {
    let mut reader = BufReader::new(connection);
    let mut head = String::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(": ") {
            let name = name.to_ascii_lowercase();
            if name == "content-length" {
                length = value.trim().parse().ok()?;
            }
            head += &format!("{name}: {}\n", value.trim());
        } else {
            head += &format!("{}\n", line.trim());
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Asked { head, body: serde_json::from_slice(&body).ok()? })
}

fn write(connection: &mut TcpStream, response: &Response) -> std::io::Result<()> {
    connection.set_nodelay(true)?;
    connection.write_all(format!("{}transfer-encoding: chunked\r\n\r\n", response.head).as_bytes())?;
    for piece in response.pieces.iter().filter(|piece| !piece.is_empty()) {
        let mut chunk = format!("{:x}\r\n", piece.len()).into_bytes();
        chunk.extend_from_slice(piece);
        chunk.extend_from_slice(b"\r\n");
        connection.write_all(&chunk)?;
    }
    match response.then {
        Then::End => connection.write_all(b"0\r\n\r\n"),
        Then::Break | Then::Hang | Then::HangBefore => Ok(()),
    }
}
