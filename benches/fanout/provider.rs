//! A model's server: answers every question with a reply of so many tokens, at a steady pace, as OpenAI's chat completions do. It is a real
//! server on a real connection; only the model is missing.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{MissedTickBehavior, interval};

use crate::load;

/// A model that writes like this.
#[derive(Clone, Copy, Debug)]
pub struct Model {
    pub tokens: u32,
    pub every: Duration,
}

impl Model {
    /// How many of a reply's tokens are words that say when they were sent.
    pub fn words(&self) -> u32 {
        self.tokens / WORD_EVERY
    }
}

/// One token in so many is a word that says when it was sent.
const WORD_EVERY: u32 = 10;
/// One in so many begins a new paragraph.
const PARAGRAPH_EVERY: u32 = 60;

/// Starts it on a thread of its own, which lives as long as this process.
pub fn start(model: Model) -> Result<SocketAddr, String> {
    let (say, said) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let Ok(runtime) = runtime.inspect_err(|error| eprintln!("the provider cannot start: {error}")) else { return };
        runtime.block_on(async {
            let Ok(listener) = TcpListener::bind("127.0.0.1:0").await else { return };
            let _ = say.send(listener.local_addr());
            let mut reply = 0;
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(async move { drop(answer(stream, model, reply).await) });
                reply += 1;
            }
        });
    });
    said.recv().map_err(|_| "the provider cannot listen".to_owned())?.map_err(|error| error.to_string())
}

async fn answer(mut stream: TcpStream, model: Model, reply: usize) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut question = Vec::new();
    loop {
        if stream.read_buf(&mut question).await? == 0 {
            return Ok(());
        }
        let Some(end) = memchr::memmem::find(&question, b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&question[..end]).to_ascii_lowercase();
        let length =
            head.lines().find_map(|line| line.strip_prefix("content-length:")).and_then(|length| length.trim().parse::<usize>().ok());
        if question.len() >= end + 4 + length.unwrap_or(0) {
            break;
        }
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n").await?;
    let mut ticks = interval(model.every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for token in 1..=model.tokens {
        ticks.tick().await;
        let text = text(token, reply).replace('\n', "\\n");
        let event = format!(
            r#"data: {{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"scripted","choices":[{{"index":0,"delta":{{"content":"{text}"}},"finish_reason":null}}]}}"#
        );
        stream.write_all(format!("{event}\n\n").as_bytes()).await?;
    }
    let end = r#"data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"scripted","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
    stream.write_all(format!("{end}\n\ndata: [DONE]\n\n").as_bytes()).await
}

fn text(token: u32, reply: usize) -> String {
    match token {
        _ if token.is_multiple_of(WORD_EVERY) => format!("{} ", load::word(reply)),
        _ if token % PARAGRAPH_EVERY == 1 && token > 1 => "\n\n".to_owned(),
        _ => "word ".to_owned(),
    }
}
