//! Who is at the other end: the client's address and whether it came over TLS, also through a proxy that is trusted to say so.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::Response;

use super::Site;
use super::connection::OverTls;

/// The other end of a request.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    pub address: IpAddr,
    /// The browser sees `https`.
    pub secure: bool,
    /// On this very machine, and not through a proxy that may stand for anyone.
    pub here: bool,
}

/// Addresses whose `X-Forwarded-…` headers are believed.
#[derive(Clone, Debug, Default)]
pub struct Proxies(Vec<Network>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    bits: u8,
}

impl Proxies {
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = plain(address);
        self.0.iter().any(|network| network.contains(address))
    }
}

impl FromStr for Proxies {
    type Err = String;

    /// Reads addresses and networks, separated by commas: `127.0.0.1, 10.0.0.0/8`.
    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts
            .map(|part| {
                let (address, bits) = part.split_once('/').map_or((part, None), |(address, bits)| (address, Some(bits)));
                let address: IpAddr =
                    address.parse().map_err(|_| format!("“{part}” is no IP address or network, such as 127.0.0.1 or 10.0.0.0/8"))?;
                let most = if address.is_ipv4() { 32 } else { 128 };
                let bits = bits.map_or(Ok(most), str::parse).ok().filter(|bits| *bits <= most);
                let bits = bits.ok_or_else(|| format!("“{part}” is no network: after the slash stands a number from 0 to {most}"))?;
                Ok(Network { address, bits })
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl Network {
    fn contains(self, address: IpAddr) -> bool {
        let same = |a: u128, b: u128, width: u32| {
            let shift = width - u32::from(self.bits);
            shift >= width || a >> shift == b >> shift
        };
        match (self.address, address) {
            (IpAddr::V4(a), IpAddr::V4(b)) => same(a.to_bits().into(), b.to_bits().into(), 32),
            (IpAddr::V6(a), IpAddr::V6(b)) => same(a.to_bits(), b.to_bits(), 128),
            _ => false,
        }
    }
}

/// Notes the client in the request's extensions.
pub async fn identify(State(site): State<Site>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |info| info.0.ip());
    let mut client = client(&site.proxies, plain(peer), request.headers(), site.public_url.as_deref());
    client.secure |= request.extensions().get::<OverTls>().is_some();
    request.extensions_mut().insert(client);
    next.run(request).await
}

fn client(proxies: &Proxies, peer: IpAddr, headers: &HeaderMap, public_url: Option<&str>) -> Client {
    let forwarded = ["x-forwarded-for", "forwarded", "x-real-ip", "x-forwarded-proto"].iter().any(|name| headers.contains_key(*name));
    let public_https = public_url.is_some_and(|url| url.starts_with("https:"));
    if !proxies.trusts(peer) {
        // A proxy on this machine stands for who knows whom: one that says so by its headers, and one that the settings speak of.
        let proxied = forwarded || public_url.is_some() || !proxies.0.is_empty();
        return Client { address: peer, secure: public_https, here: peer.is_loopback() && !proxied && names_this_machine(headers) };
    }
    // Each proxy appends the address that it saw; the last one that is not a trusted proxy's own is the client's.
    let addresses = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    let addresses: Vec<IpAddr> = addresses.filter_map(|text| text.trim().parse().ok()).map(plain).collect();
    let address = addresses.into_iter().rev().find(|address| !proxies.trusts(*address)).unwrap_or(peer);
    let proto = headers.get_all("x-forwarded-proto").iter().filter_map(|value| value.to_str().ok()).next_back();
    let secure = proto.map_or(public_https, |proto| proto.trim().eq_ignore_ascii_case("https"));
    Client { address, secure, here: false }
}

/// A page of another site whose name was made to point here must not pass for this machine's user.
fn names_this_machine(headers: &HeaderMap) -> bool {
    let host = headers.get("host").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// An IPv4 address in an IPv6 socket's clothes counts as itself.
fn plain(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect::<HeaderMap>()
    }

    #[test]
    fn forwarded_headers_count_only_from_trusted_proxies() {
        let proxies: Proxies = "10.0.0.0/8, ::1".parse().unwrap();
        let said = headers(&[("x-forwarded-for", "6.6.6.6, 203.0.113.9, 10.1.1.1"), ("x-forwarded-proto", "https")]);
        let through = client(&proxies, "10.2.3.4".parse().unwrap(), &said, None);
        assert_eq!((through.address.to_string().as_str(), through.secure, through.here), ("203.0.113.9", true, false));
        let stranger = client(&proxies, "198.51.100.7".parse().unwrap(), &said, None);
        assert_eq!((stranger.address.to_string().as_str(), stranger.secure, stranger.here), ("198.51.100.7", false, false));
    }

    #[test]
    fn here_is_loopback_by_its_own_name_and_without_a_proxy() {
        let none = Proxies::default();
        let here = |pairs| client(&none, "127.0.0.1".parse().unwrap(), &headers(pairs), None).here;
        assert!(here(&[("host", "localhost:8080")]));
        assert!(here(&[("host", "127.0.0.1:8080")]));
        assert!(here(&[("host", "[::1]:8080")]));
        assert!(!here(&[("host", "evil.example:8080")]));
        assert!(!here(&[("host", "localhost"), ("x-forwarded-for", "1.2.3.4")]));
    }

    #[test]
    fn rubbish_is_refused() {
        for bad in ["proxy", "10.0.0.0/33", "10.0.0.0/x", "::/129"] {
            assert!(bad.parse::<Proxies>().is_err(), "{bad}");
        }
    }
}
