//! A model's server with faults: OpenAI's chat completions on the loopback interface, as bad as the question asks for.
//!
//! The question names what happens, such as `@Model fault:cut`: the last of these words counts.
//!
//! | | |
//! |---|---|
//! | `fault:none` | an answer in several pieces |
//! | `fault:slow` | byte by byte, so that pieces end within characters and lines |
//! | `fault:cut` | the connection closes in the middle of a line |
//! | `fault:error` | an error in the middle of the answer |
//! | `fault:garbage` | something that is no JSON, in the middle of the answer |
//! | `fault:silent` | some text, then nothing more |
//! | `fault:refused` | a status and a page of somebody's proxy |

#![allow(dead_code, reason = "each of the tests under fire uses its own part of this")]

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

pub const FAULTS: [&str; 7] = ["none", "slow", "cut", "error", "garbage", "silent", "refused"];

/// What it says, piece by piece.
const PIECES: [&str; 6] = ["Well: ", "**dear** reader,\n\n", "- 🌱 grün\n", "- 字母\n\n", "that is ", "all."];

pub struct Model {
    /// For `--base-url`.
    pub url: String,
    accepting: tokio::task::JoinHandle<()>,
}

impl Model {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let accepting = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                // Whoever asked may be gone before the end: that is no fault of the model.
                tokio::spawn(async move { drop(answer(socket).await) });
            }
        });
        Self { url, accepting }
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn answer(mut socket: TcpStream) -> std::io::Result<()> {
    let Some(asked) = read_request(&mut socket).await? else { return Ok(()) };
    let words = asked["messages"].as_array().and_then(|turns| turns.last()).map(|last| last["content"].to_string()).unwrap_or_default();
    let fault = words.rsplit("fault:").next().unwrap_or_default();
    let is = |name: &str| fault.starts_with(name);
    if is("refused") {
        let page = "<html><body>Bad gateway</body></html>";
        let head =
            format!("HTTP/1.1 502 Bad Gateway\r\ncontent-type: text/html\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", page.len());
        return socket.write_all(format!("{head}{page}").as_bytes()).await;
    }
    socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n").await?;
    for (number, piece) in PIECES.iter().enumerate() {
        let line = event(&json!({ "choices": [{ "index": 0, "delta": { "content": piece } }] }));
        let half = number == PIECES.len() / 2;
        match () {
            () if is("slow") => {
                for byte in line.as_bytes() {
                    socket.write_all(&[*byte]).await?;
                    sleep(Duration::from_micros(300)).await;
                }
            }
            () if is("cut") && half => return socket.write_all(&line.as_bytes()[..line.len() / 2]).await,
            () if is("error") && half => {
                return socket.write_all(event(&json!({ "error": { "message": "overloaded", "type": "server_error" } })).as_bytes()).await;
            }
            () if is("garbage") && half => socket.write_all(b"data: {\"choices\": [\xff\xfe\r\rdata: \0\n\n").await?,
            () if is("silent") && half => {
                // Until the other end has had enough.
                while socket.read(&mut [0; 64]).await? > 0 {}
                return Ok(());
            }
            () => socket.write_all(line.as_bytes()).await?,
        }
        sleep(Duration::from_millis(15)).await;
    }
    socket.write_all(event(&json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] })).as_bytes()).await?;
    socket.write_all(b"data: [DONE]\n\n").await
}

fn event(data: &Value) -> String {
    format!("data: {data}\n\n")
}

/// The request's body; nothing if the other end went away.
async fn read_request(socket: &mut TcpStream) -> std::io::Result<Option<Value>> {
    let mut request = Vec::new();
    loop {
        if socket.read_buf(&mut request).await? == 0 {
            return Ok(None);
        }
        let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok()).unwrap_or(0);
        if request.len() >= end + 4 + length {
            return Ok(serde_json::from_slice(&request[end + 4..]).ok());
        }
    }
}
