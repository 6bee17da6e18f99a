//! A live stream that has left hyper: after the head nothing is left but bytes to write, and a socket, a feed and the piece under way
//! are all that one of ten thousand open tabs needs.
//!
//! Promises: all that waits goes out in one write; a reader that stops costs nothing but its own socket's buffer and at most one piece; after
//! [`WRITE_STALL`] without progress its feed is given up, and the socket, should it move again, gets the rest of the frame under way,
//! `bye slow`, and the end. Whoever is sent away is told so in place of what waited.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep, sleep};

use super::wire::{WRITE_STALL, bound_send_buffer};
use crate::live::Feed;
use crate::live::frame::{self, ByeWhy};

/// Turns at reading what a client should not send on a stream before others are let in.
const READS: usize = 8;

/// One stream's socket. Ends with the stream or its reader.
pub struct Outflow {
    socket: TcpStream,
    /// Nothing once the stream has said its last.
    feed: Option<Feed>,
    /// What goes out now, of which so many bytes have gone.
    piece: Bytes,
    gone: usize,
    /// While the socket takes nothing: how long still.
    patience: Option<Pin<Box<Sleep>>>,
    /// A place among the connections.
    _place: OwnedSemaphorePermit,
}

impl Outflow {
    /// Goes on after the request for a stream was read, with the response's head.
    pub fn new(socket: TcpStream, head: Bytes, feed: Feed, place: OwnedSemaphorePermit) -> Self {
        bound_send_buffer(&socket);
        Self { socket, feed: Some(feed), piece: head, gone: 0, patience: None, _place: place }
    }

    /// Sees the reader go. What it sends is thrown away: a stream has no use for it.
    fn poll_reader(&self, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..READS {
            if ready!(self.socket.poll_read_ready(cx)).is_err() {
                return Poll::Ready(());
            }
            match self.socket.try_read(&mut [0; 1024]) {
                Ok(0) => return Poll::Ready(()),
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Poll::Ready(()),
                _ => {}
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Writes the piece under way to its end.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.gone < self.piece.len() {
            match self.socket.try_write(&self.piece[self.gone..]) {
                Ok(written) => {
                    self.gone += written;
                    self.patience = None;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready!(self.socket.poll_write_ready(cx))?,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        self.piece = Bytes::new();
        self.gone = 0;
        Poll::Ready(Ok(()))
    }

    /// The socket takes nothing. Looks whether the stream has ended meanwhile, and whether this has lasted too long.
    fn poll_stuck(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(last) = self.feed.as_mut().and_then(|feed| feed.stuck(cx)) {
            self.say_last(&last);
        }
        loop {
            ready!(self.patience.get_or_insert_with(|| Box::pin(sleep(WRITE_STALL))).as_mut().poll(cx));
            if self.feed.is_none() {
                return Poll::Ready(());
            }
            self.say_last(&frame::bye(ByeWhy::Slow, None));
        }
    }

    /// Gives up the feed. Of what waits, the rest of the frame under way still goes out, for a reader can only make sense of whole ones.
    fn say_last(&mut self, words: &[u8]) {
        self.feed = None;
        let rest = &self.piece[self.gone..rest_of_frame(&self.piece, self.gone)];
        let mut last = BytesMut::from(rest);
        last.extend_from_slice(words);
        self.piece = last.freeze();
        self.gone = 0;
        match &mut self.patience {
            Some(patience) => patience.as_mut().reset(Instant::now() + WRITE_STALL),
            None => self.patience = Some(Box::pin(sleep(WRITE_STALL))),
        }
    }
}

impl Future for Outflow {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let outflow = self.get_mut();
        if outflow.poll_reader(cx).is_ready() {
            return Poll::Ready(());
        }
        loop {
            match outflow.poll_piece(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => return outflow.poll_stuck(cx),
            }
            match &mut outflow.feed {
                Some(feed) => match ready!(Pin::new(feed).poll_next(cx)) {
                    Some(piece) => outflow.piece = piece,
                    None => outflow.feed = None,
                },
                // Dropping the socket ends the connection in order: the kernel still delivers what it has taken.
                None => return Poll::Ready(()),
            }
        }
    }
}

/// Where the frame that is under way at `at` ends; `at` itself between two frames. A response's head goes out whole.
fn rest_of_frame(piece: &[u8], at: usize) -> usize {
    const END: &[u8] = b"\n\n";
    let between = if at == 0 { !piece.starts_with(b"HTTP/") } else { piece[..at].ends_with(END) };
    if between {
        return at;
    }
    // Half of the end may have gone already.
    let from = at.saturating_sub(1);
    piece[from..].windows(END.len()).position(|two| two == END).map_or(piece.len(), |found| from + found + END.len())
}

#[cfg(test)]
mod tests {
    use super::rest_of_frame;

    #[test]
    fn what_is_cut_off_is_whole_frames() {
        let piece = b"event: a\ndata: 1\n\nevent: b\ndata: 2\n\nevent: c\ndata: 3\n\n";
        let ends = [0, 18, 36, 54];
        for at in 0..=piece.len() {
            let expected = *ends.iter().find(|end| **end >= at).unwrap();
            assert_eq!(rest_of_frame(piece, at), expected, "at {at}");
        }
        assert_eq!(rest_of_frame(b"HTTP/1.1 200 OK\r\n\r\n", 0), 19);
        assert_eq!(rest_of_frame(b"HTTP/1.1 200 OK\r\n\r\n", 7), 19);
    }
}
