//! What one writes first: axum's own `Sse`, fed by tokio's broadcast channel, served by `axum::serve`. No rooms, rights or disk. A stream
//! that is further behind than the channel is long has lost what it missed, and one that comes back gets nothing of what was said meanwhile.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use futures_util::{Stream, stream};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast::{self, error::RecvError};

use crate::template::Template;

/// Messages that the channel holds for who is behind.
pub const CHANNEL: usize = 256;

/// One message, made once for all.
#[derive(Debug)]
struct Message {
    name: &'static str,
    id: Option<String>,
    data: String,
}

#[derive(Clone)]
struct Site(Arc<Parts>);

struct Parts {
    template: Template,
    /// Where replies come from.
    provider: String,
    rooms: Mutex<HashMap<String, broadcast::Sender<Arc<Message>>>>,
    replies: AtomicU64,
}

impl Site {
    fn room(&self, room: String) -> broadcast::Sender<Arc<Message>> {
        let mut rooms = self.0.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        rooms.entry(room).or_insert_with(|| broadcast::channel(CHANNEL).0).clone()
    }
}

/// `routes`: how many others the router has, as a whole product does; `axum::serve` copies the table for every connection.
pub async fn serve(template: Template, provider: String, routes: usize) -> Result<(), std::io::Error> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on {}", listener.local_addr()?);
    // As careful as can be: every event goes out when it is written.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    let mut router = Router::new()
        .route("/rooms/{room}/live", get(live))
        .route("/rooms/{room}/messages", post(say))
        .route("/rooms/{room}/ask", post(ask));
    for number in 0..routes {
        router = router.route(&format!("/pages/{number}/{{id}}"), get(|| async { "a page" }));
    }
    let site = Site(Arc::new(Parts { template, provider, rooms: Mutex::default(), replies: AtomicU64::new(0) }));
    axum::serve(listener, router.with_state(site)).await
}

async fn live(State(site): State<Site>, Path(room): Path<String>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let events = stream::unfold(site.room(room).subscribe(), |mut channel| async {
        loop {
            match channel.recv().await {
                Ok(message) => {
                    let event = Event::default().event(message.name).data(&message.data);
                    let event = match &message.id {
                        Some(id) => event.id(id),
                        None => event,
                    };
                    return Some((Ok(event), channel));
                }
                // Lost: that is what this design does.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    });
    Sse::new(events).keep_alive(KeepAlive::default())
}

async fn say(State(site): State<Site>, Path(room): Path<String>, body: String) -> (StatusCode, &'static str) {
    let Some((id, data)) = site.0.template.parts(body.as_bytes()) else { return (StatusCode::BAD_REQUEST, "no mark") };
    let _ = site.room(room).send(Arc::new(Message { name: "message", id: Some(id), data }));
    (StatusCode::CREATED, "{}")
}

async fn ask(State(site): State<Site>, Path(room): Path<String>) -> (StatusCode, &'static str) {
    let channel = site.room(room.clone());
    let reply = site.0.replies.fetch_add(1, Ordering::Relaxed);
    tokio::spawn(async move { pass_on(&site.0.provider, &room, reply, &channel).await });
    (StatusCode::CREATED, "{}")
}

/// Reads a reply from the provider and passes each token on as an event of its own, in the shape of Parlor's pieces.
async fn pass_on(provider: &str, room: &str, reply: u64, channel: &broadcast::Sender<Arc<Message>>) -> Option<()> {
    let mut stream = TcpStream::connect(provider).await.ok()?;
    let request = format!("POST /v1/chat/completions HTTP/1.1\r\nhost: {provider}\r\ncontent-length: 2\r\n\r\n{{}}");
    stream.write_all(request.as_bytes()).await.ok()?;
    let (mut bytes, mut length) = (Vec::new(), 0);
    while stream.read_buf(&mut bytes).await.ok()? > 0 {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = bytes.drain(..=end).collect();
            let Some(event) = line.strip_prefix(b"data: ") else { continue };
            let Ok(event) = serde_json::from_slice::<Value>(event) else { continue };
            let Some(token) = event["choices"][0]["delta"]["content"].as_str() else { continue };
            let before = length;
            length += token.len();
            // As text, since the order of the fields is what the readers look for.
            let data = format!(
                r#"{{"room":"{room}","id":"{reply:036}","attempt":1,"part":"answer","len":{length},"off":{before},"block":0,"keep":{before},"html":[{}]}}"#,
                json!(format!("{token}</p>"))
            );
            let _ = channel.send(Arc::new(Message { name: "delta", id: None, data }));
        }
    }
    Some(())
}
