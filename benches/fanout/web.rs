//! A small HTTP client for what comes before and between measurements: one connection for each call.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    head: String,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.split_once(": ").filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))
    }

    pub fn json(&self) -> Result<serde_json::Value, String> {
        serde_json::from_str(&self.body).map_err(|error| format!("no JSON ({error}): {}", self.body))
    }

    /// The name and value of the cookie that it sets.
    pub fn cookie(&self) -> Option<String> {
        self.header("set-cookie").and_then(|cookie| cookie.split(';').next()).map(str::to_owned)
    }

    pub fn expect(self, status: u16) -> Result<Self, String> {
        match self.status == status {
            true => Ok(self),
            false => Err(format!("{} instead of {status}: {}", self.status, self.body.chars().take(300).collect::<String>())),
        }
    }
}

/// One call. `headers` are whole lines, each with its end.
pub fn call(address: SocketAddr, method: &str, path: &str, headers: &str, body: &str) -> Result<Answer, String> {
    exchange(address, method, path, headers, body).map_err(|error| format!("{method} {path}: {error}"))
}

fn exchange(address: SocketAddr, method: &str, path: &str, headers: &str, body: &str) -> Result<Answer, std::io::Error> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(
        format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}",
            body.len()
        )
        .as_bytes(),
    )?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Ok(Answer { status, body: whole(head, body), head: head.to_owned() })
}

/// A body, in one piece if it was sent in chunks.
fn whole(head: &str, body: &str) -> String {
    if !head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        return body.to_owned();
    }
    let (mut out, mut chunked) = (String::new(), body);
    while let Some((size, rest)) = chunked.split_once("\r\n") {
        match usize::from_str_radix(size, 16) {
            Ok(size) if size > 0 && size <= rest.len() => {
                out.push_str(&rest[..size]);
                chunked = rest[size..].strip_prefix("\r\n").unwrap_or_default();
            }
            _ => break,
        }
    }
    out
}

/// A stream's first frame of that name, with its empty line, once `then` has been done after the stream is open.
pub fn first_frame(
    address: SocketAddr,
    path: &str,
    headers: &str,
    name: &str,
    then: impl FnOnce() -> Result<(), String>,
) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("GET {path}: {error}");
    let mut stream = TcpStream::connect(address).map_err(failed)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n{headers}\r\n").as_bytes()).map_err(failed)?;
    let (mut bytes, mut buffer, mut then) = (Vec::new(), [0; 16 * 1024], Some(then));
    let began = std::time::Instant::now();
    loop {
        if began.elapsed() > PATIENCE {
            return Err(format!("GET {path} has no {name}: {}", String::from_utf8_lossy(&bytes)));
        }
        let read = stream.read(&mut buffer).map_err(failed)?;
        if read == 0 {
            return Err(format!("GET {path} ended: {}", String::from_utf8_lossy(&bytes)));
        }
        bytes.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        if let Some(then) = then.take() {
            then()?;
        }
        let body = whole(head, body);
        let frame = body.split_inclusive("\n\n").find(|frame| frame.starts_with(&format!("event: {name}\n")) && frame.ends_with("\n\n"));
        if let Some(frame) = frame {
            return Ok(frame.to_owned());
        }
    }
}
