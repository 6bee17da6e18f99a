//! The floor: what it costs at least to write ready-made bytes to many connections. A bare tokio server without HTTP library, parsing,
//! rooms, rights or disk: as many tasks as there are cores, each with its share of the connections; all that waits for them goes out in one
//! system call for each.

use std::sync::Arc;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::template::Template;

/// Messages that wait for a task before their writers do.
const WAITING: usize = 16;
const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-store\r\ntransfer-encoding: chunked\r\n\r\n";

enum Work {
    Join(TcpStream),
    Send(Bytes),
}

pub async fn serve(template: Template) -> Result<(), std::io::Error> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on {}", listener.local_addr()?);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let shares: Arc<[mpsc::Sender<Work>]> = (0..cores)
        .map(|_| {
            let (send, receive) = mpsc::channel(WAITING);
            tokio::spawn(share(receive));
            send
        })
        .collect();
    let template = Arc::new(template);
    let mut next = 0;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        next += 1;
        tokio::spawn(connection(stream, template.clone(), shares.clone(), next));
    }
}

async fn share(mut work: mpsc::Receiver<Work>) {
    let mut streams: Vec<TcpStream> = Vec::new();
    while let Some(first) = work.recv().await {
        // All that waits goes out as one piece.
        let mut bytes = Vec::new();
        let mut next = Some(first);
        while let Some(work_of) = next {
            match work_of {
                Work::Join(stream) => streams.push(stream),
                Work::Send(frame) => bytes.extend_from_slice(&frame),
            }
            next = work.try_recv().ok();
        }
        let mut index = 0;
        while index < streams.len() && !bytes.is_empty() {
            // At once, if the kernel takes it, which it nearly always does.
            let kept = match streams[index].try_write(&bytes) {
                Ok(written) if written == bytes.len() => true,
                Ok(written) => streams[index].write_all(&bytes[written..]).await.is_ok(),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => streams[index].write_all(&bytes).await.is_ok(),
                Err(_) => false,
            };
            match kept {
                true => index += 1,
                false => drop(streams.swap_remove(index)),
            }
        }
    }
}

/// Either a stream, which goes to a share, or a writer with one message after another.
async fn connection(mut stream: TcpStream, template: Arc<Template>, shares: Arc<[mpsc::Sender<Work>]>, number: usize) {
    let mut bytes = Vec::new();
    loop {
        if stream.read_buf(&mut bytes).await.is_ok_and(|read| read == 0) {
            return;
        }
        let Some(end) = memchr::memmem::find(&bytes, b"\r\n\r\n") else { continue };
        if bytes.starts_with(b"GET") {
            if stream.write_all(HEAD).await.is_ok() {
                let _ = shares[number % shares.len()].send(Work::Join(stream)).await;
            }
            return;
        }
        // The writers send head and body in one piece, and a body has one mark.
        let Some(frame) = template.frame(&bytes[end..]) else { continue };
        let frame = Bytes::from([format!("{:x}\r\n", frame.len()).as_bytes(), &frame, b"\r\n"].concat());
        for share in &*shares {
            let _ = share.send(Work::Send(frame.clone())).await;
        }
        bytes.clear();
        if stream.write_all(b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\n{}").await.is_err() {
            return;
        }
    }
}
