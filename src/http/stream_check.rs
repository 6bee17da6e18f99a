//! A working check of streaming: a hundred numbers, one a second. If they arrive in lumps, something between here and the browser holds
//! them back. Anyone may read it, from any page, without an account; how many do so at once is bounded.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use async_stream::stream;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::BoxStream;
use http_body::Frame;
use serde::Deserialize;

use super::client::Client;
use super::error::{Answer, Trouble};
use super::extract::Asked;
use super::live::event_stream;
use super::{Site, assets, page};
use crate::view::{Chrome, Look, StreamChatPage};

/// Numbers sent, at most and by default, and the time between two, in ms.
const COUNT: (u32, u32) = (1000, 100);
const EVERY_MS: (u32, u32, u32) = (10, 60_000, 1000);
/// Open at once from one address, and in all.
const PER_ADDRESS: usize = 8;
const IN_ALL: usize = 256;

#[derive(Debug, Deserialize)]
pub struct Wanted {
    n: Option<u32>,
    every_ms: Option<u32>,
}

impl Wanted {
    /// What was asked for, within bounds.
    fn bounded(&self) -> (u32, u32) {
        (self.n.unwrap_or(COUNT.1).clamp(1, COUNT.0), self.every_ms.unwrap_or(EVERY_MS.2).clamp(EVERY_MS.0, EVERY_MS.1))
    }
}

/// The page that reads the stream.
pub async fn page(Asked(wanted): Asked<Wanted>, look: Look) -> Answer<Response> {
    let (n, every_ms) = wanted.bounded();
    page::show(&StreamChatPage { chrome: Chrome::outside(assets::build(), look), n, every_ms })
}

/// `data: 1` to `data: n`. A reconnection goes on after `Last-Event-ID`; after the last there is nothing more, which ends an `EventSource`.
pub async fn stream(State(site): State<Site>, client: Client, Asked(wanted): Asked<Wanted>, headers: HeaderMap) -> Response {
    let (n, every_ms) = wanted.bounded();
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()).and_then(|id| id.parse::<u32>().ok()).unwrap_or(0);
    let answer = if last >= n {
        Ok(StatusCode::NO_CONTENT.into_response())
    } else if site.stopping.is_cancelled() {
        Err(Trouble::shutting_down())
    } else {
        let seat = site.checks.take(client.address);
        seat.map(|seat| event_stream(Numbers { numbers: Box::pin(numbers(last, n, every_ms, site.stopping.clone())), _seat: seat }))
            .ok_or_else(|| {
                Trouble::new(
                    StatusCode::TOO_MANY_REQUESTS,
                    "too_many_streams",
                    "Too many of these checks are open. Close some and try again.",
                )
                .retry_after(Duration::from_secs(10))
            })
    };
    let mut response = answer.into_response();
    // Any page may read it, refusals too.
    response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

fn numbers(last: u32, n: u32, every_ms: u32, stopping: tokio_util::sync::CancellationToken) -> impl Stream<Item = Bytes> {
    stream! {
        // A lost connection is tried again after the time of one number.
        yield Bytes::from(format!("retry: {every_ms}\n\n"));
        for number in last + 1..=n {
            if number > 1 {
                let pause = tokio::time::sleep(Duration::from_millis(every_ms.into()));
                if stopping.run_until_cancelled(pause).await.is_none() {
                    return;
                }
            }
            yield Bytes::from(format!("id: {number}\ndata: {number}\n\n"));
        }
    }
}

/// The checks that are open, by address.
#[derive(Clone, Default)]
pub struct Open(Arc<Mutex<HashMap<IpAddr, usize>>>);

impl Open {
    fn take(&self, address: IpAddr) -> Option<Seat> {
        let address = network(address);
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if open.values().sum::<usize>() >= IN_ALL {
            return None;
        }
        let own = open.entry(address).or_default();
        if *own >= PER_ADDRESS {
            return None;
        }
        *own += 1;
        Some(Seat { open: self.clone(), address })
    }
}

/// Who counts as one: an address, or the network of an IPv6 address, of which one household has 2⁶⁴.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

/// One open check; dropping it makes room for another.
struct Seat {
    open: Open,
    address: IpAddr,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut open = self.open.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = open.get_mut(&self.address) {
            *own -= 1;
            if *own == 0 {
                open.remove(&self.address);
            }
        }
    }
}

struct Numbers {
    numbers: BoxStream<'static, Bytes>,
    _seat: Seat,
}

impl http_body::Body for Numbers {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.numbers.as_mut().poll_next(cx).map(|piece| piece.map(|bytes| Ok(Frame::data(bytes))))
    }
}
