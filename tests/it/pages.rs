//! What pages weigh and how they travel: packed as the reader takes it, kept where that is right, and streams and pages that go on never
//! held back. And what makes the site installable.

use std::fmt::Write as _;
use std::io::Read;

use reqwest::Method;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::{On, PATIENCE, Person, Server};

/// A page of fifty messages, scripts and styles in all, as they travel to a reader that takes gzip, in bytes.
const ROOM: usize = 60_000;
const SCRIPTS: usize = 50_000;
const STYLES: usize = 25_000;

/// An answer as it travelled.
struct Travelled {
    status: u16,
    headers: reqwest::header::HeaderMap,
    body: Vec<u8>,
}

impl Travelled {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// As the reader sees it in the end.
    fn text(&self) -> String {
        let mut text = String::new();
        match self.header("content-encoding") {
            "gzip" => drop(flate2::read::GzDecoder::new(&*self.body).read_to_string(&mut text).unwrap()),
            "br" => drop(brotli::Decompressor::new(&*self.body, 4096).read_to_string(&mut text).unwrap()),
            _ => text = String::from_utf8(self.body.clone()).unwrap(),
        }
        text
    }
}

/// Asks for something as a reader that takes these codings.
async fn ask(person: &Person, path: &str, headers: &[(&'static str, &str)]) -> Travelled {
    let mut request = person.request(Method::GET, path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = timeout(PATIENCE, request.send()).await.expect("the server answers").unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let body = timeout(PATIENCE, answer.bytes()).await.expect("the answer ends").unwrap().to_vec();
    Travelled { status, headers, body }
}

/// The addresses of assets in a page, in the order in which they stand there.
fn assets_of(page: &str) -> Vec<String> {
    let found = page.split('"').filter(|word| word.starts_with("/assets/")).map(|word| word.split('#').next().unwrap().to_owned());
    let mut all: Vec<String> = found.collect();
    all.sort();
    all.dedup();
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_room_of_fifty_messages_and_all_that_it_needs_is_light() {
    let server = Server::start(On::Sqlite).await;
    let ada = server.first("Ada").await;
    let bob = server.person("Bob").await;
    let room = ada.makes_room("Kitchen").await;
    bob.joins(&room).await;
    // What people and assistants write: words, lists, a little code. No two messages are the same.
    for n in 0..50_u32 {
        let who = if n % 3 == 0 { &bob } else { &ada };
        who.says(&room, &paragraph(n)).await;
    }
    let path = format!("/rooms/{room}");
    let page = ask(&ada, &path, &[("accept-encoding", "gzip")]).await;
    assert_eq!((page.status, page.header("content-encoding")), (200, "gzip"));
    assert_eq!(page.text().matches("<article class=\"message\"").count(), 50);
    let html = page.body.len();

    let mut all = assets_of(&page.text());
    let build = all.iter().find_map(|path| path.split('/').nth(2)).expect("the build's name").to_owned();
    // What other pages ask for counts too: in front of the door, without a network, the check of streaming, and the two workers.
    all.extend(["door", "worker", "offline", "stream-chat", "service-worker"].map(|name| format!("/assets/{build}/js/{name}.js")));
    let (mut scripts, mut styles, mut on_the_way) = (0, 0, 0);
    for path in &all {
        let asset = ask(&ada, path, &[("accept-encoding", "gzip")]).await;
        assert_eq!(asset.status, 200, "{path}");
        on_the_way += asset.body.len();
        match path.rsplit_once('.').unwrap().1 {
            "js" => {
                println!("{path} {} B", asset.body.len());
                scripts += asset.body.len();
            }
            "css" => styles += asset.body.len(),
            _ => {}
        }
    }
    println!("room {html} B, scripts {scripts} B, styles {styles} B in gzip; {on_the_way} B on the way in {} answers", all.len());
    assert!(html <= ROOM, "the page takes {html} bytes");
    assert!(scripts > 10_000 && scripts <= SCRIPTS, "scripts take {scripts} bytes");
    assert!(styles > 2_000 && styles <= STYLES, "styles take {styles} bytes");
}

fn paragraph(n: u32) -> String {
    let words =
        ["kitchen", "morning", "river", "answer", "table", "window", "garden", "letter", "number", "paper", "station", "winter", "bread"];
    let mut text = String::new();
    let mut at = n.wrapping_mul(2_654_435_761);
    for _ in 0..(30 + n % 50) {
        at = at.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let _ = write!(text, "{}{} ", words[(at >> 16) as usize % words.len()], at % 97);
    }
    match n % 5 {
        0 => format!("{text}\n\n```rust\nfn main() {{\n    println!(\"{n}\");\n}}\n```"),
        1 => format!("{text}\n\n1. One of {n}\n2. **Two** of {n}\n3. `three`"),
        _ => text,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn assets_travel_as_their_reader_takes_them_and_are_asked_for_once() {
    let server = Server::start(On::Sqlite).await;
    let ada = server.first("Ada").await;
    let page = ask(&ada, "/sign-in", &[]).await;
    let rooms = ask(&ada, "/rooms", &[]).await;
    assert_eq!(page.status, 303, "who is signed in goes on");
    let all = assets_of(&rooms.text());
    let style = all.iter().find(|path| path.ends_with("/css/all.css")).expect("one style sheet");
    assert_eq!(all.iter().filter(|path| path.ends_with(".css")).count(), 1, "{all:?}");

    let plain = ask(&ada, style, &[]).await;
    assert_eq!((plain.header("content-encoding"), plain.header("content-type")), ("", "text/css; charset=utf-8"));
    assert!(plain.text().contains("@layer tokens, base") && plain.text().contains(".composer-box") && !plain.text().contains("@import"));
    let mut tags = vec![plain.header("etag").to_owned()];
    for (takes, gets) in
        [("gzip, deflate, br, zstd", "br"), ("gzip", "gzip"), ("br;q=0.1, gzip;q=0.2", "gzip"), ("gzip;q=0, br;q=0", ""), ("zstd", "")]
    {
        let asset = ask(&ada, style, &[("accept-encoding", takes)]).await;
        assert_eq!(asset.header("content-encoding"), gets, "to who takes {takes}");
        assert_eq!(asset.text(), plain.text(), "in {takes}");
        assert_eq!(asset.header("cache-control"), "public, max-age=31536000, immutable");
        assert_eq!(asset.header("vary"), "Accept-Encoding");
        assert!(gets.is_empty() || asset.body.len() * 3 < plain.body.len(), "{} of {} bytes in {gets}", asset.body.len(), plain.body.len());
        let again =
            ask(&ada, style, &[("accept-encoding", takes), ("if-none-match", &format!("\"other\", W/{}", asset.header("etag")))]).await;
        assert_eq!((again.status, again.body.len(), again.header("etag")), (304, 0, asset.header("etag")), "in {takes}");
        assert_eq!(again.header("cache-control"), asset.header("cache-control"));
        tags.push(asset.header("etag").to_owned());
    }
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), 3, "what differs in bytes differs in its tag: {tags:?}");
    let other =
        ask(&ada, style, &[("accept-encoding", "gzip"), ("if-none-match", &tags[0].replace(|c: char| c.is_ascii_hexdigit(), "0"))]).await;
    assert_eq!(other.status, 200);

    // What a page takes in needs no policy of its own, and what it is cannot be guessed otherwise; a worker is under the policy that comes with it.
    let policy = |part: &Travelled| (part.header("x-content-type-options").to_owned(), !part.header("content-security-policy").is_empty());
    let module = ask(&ada, &style.replace("css/all.css", "js/room.js"), &[]).await;
    assert_eq!((policy(&plain), policy(&module)), (("nosniff".to_owned(), false), ("nosniff".to_owned(), false)));
    for path in [
        &style.replace("css/all.css", "js/worker.js"),
        "/service-worker.js",
        &style.replace("css/all.css", "icons/parlor.svg"),
        "/assets/x/none.js",
    ] {
        let worker = ask(&ada, path, &[]).await;
        assert!(worker.header("content-security-policy").contains("default-src 'none'"), "{path}");
    }

    // Comments stay at home, and every script is the same to the language without them.
    let worker = ask(&ada, "/service-worker.js", &[]).await.text();
    let shell: Value =
        serde_json::from_str(worker.lines().next().unwrap().trim_start_matches("self.parlor = ").trim_end_matches(';')).unwrap();
    let scripts: Vec<&str> =
        shell["shell"].as_array().unwrap().iter().filter_map(Value::as_str).filter(|path| path.ends_with(".js")).collect();
    assert!(scripts.len() >= 4, "{scripts:?}");
    let folder = tempfile::tempdir().unwrap();
    for path in scripts {
        let script = ask(&ada, path, &[]).await.text();
        assert!(!script.lines().any(|line| line.starts_with("//") || line.starts_with("/*")), "{path} has comments");
        let name = path.rsplit('/').next().unwrap();
        let file = folder.path().join(name).with_extension("mjs");
        std::fs::write(&file, script).unwrap();
        let checked = std::process::Command::new("node").arg("--check").arg(&file).output().expect("node is there");
        assert!(checked.status.success(), "{name}: {}", String::from_utf8_lossy(&checked.stderr));
    }

    // A page from before an upgrade still gets its style, and asks again each time.
    let of_old = style.replace(style.split('/').nth(2).unwrap(), "0123456789ab");
    let old = ask(&ada, &of_old, &[("accept-encoding", "gzip")]).await;
    assert_eq!((old.status, old.header("cache-control")), (200, "no-cache"));
    for missing in ["/assets/x/js/jsconfig.json", "/assets/x/js/package.json", "/assets/x/../Cargo.toml", "/assets/x/css"] {
        assert_eq!(ask(&ada, missing, &[]).await.status, 404, "{missing}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_and_calls_are_packed_for_who_asks_by_themselves() {
    let server = Server::start(On::Sqlite).await;
    let ada = server.first("Ada").await;
    let room = ada.makes_room("Kitchen").await;
    for n in 0..10 {
        ada.says(&room, &paragraph(n)).await;
    }
    let (page, call) = (format!("/rooms/{room}"), format!("/api/rooms/{room}/messages?view=html"));
    for path in [&page, &call] {
        let plain = ask(&ada, path, &[]).await;
        assert_eq!(plain.header("content-encoding"), "", "{path}");
        for (takes, gets) in [("gzip", "gzip"), ("gzip, br", "br")] {
            let packed = ask(&ada, path, &[("accept-encoding", takes)]).await;
            assert_eq!((packed.status, packed.header("content-encoding")), (200, gets), "{path}");
            assert!(packed.body.len() * 2 < plain.body.len(), "{} of {} bytes", packed.body.len(), plain.body.len());
            assert_eq!(packed.header("content-type"), plain.header("content-type"));
            assert_eq!(packed.header("cache-control"), "private, no-cache");
            let vary: Vec<_> = packed.headers.get_all("vary").iter().map(|value| value.to_str().unwrap()).collect();
            assert_eq!(vary.join(", "), "Cookie, Accept, Accept-Encoding");
            assert_eq!(articles(&packed.text()), articles(&plain.text()), "{path}");
        }
        // A page of another site that asks again and again in Ada's name learns nothing from lengths.
        let others: [&[(&str, &str)]; 3] =
            [&[("sec-fetch-site", "cross-site")], &[("sec-fetch-site", "same-site")], &[("origin", "https://evil.example")]];
        for told in others {
            let headers: Vec<_> = told.iter().copied().chain([("accept-encoding", "gzip, br")]).collect();
            let seen = ask(&ada, path, &headers).await;
            assert_eq!((seen.status, seen.header("content-encoding")), (200, ""), "{path} for {told:?}");
        }
    }
    // The answer to a form may show a new secret.
    let form = ada.request(Method::POST, "/people/invites").header("content-type", "application/x-www-form-urlencoded");
    let invited = form.header("accept-encoding", "gzip, br").body("uses=1&days=7").send().await.unwrap();
    assert_eq!(invited.headers().get("content-encoding"), None);
    assert!(invited.text().await.unwrap().contains("/invite/"));
    // Nothing is gained by packing what is small.
    let small = ask(&ada, "/api/me", &[("accept-encoding", "gzip, br")]).await;
    assert_eq!(small.header("content-encoding"), "");
    // What a HEAD says is true, and it has no body.
    let head = ada.request(Method::HEAD, &page).header("accept-encoding", "gzip").send().await.unwrap();
    assert_eq!((head.status().as_u16(), head.headers().get("content-encoding")), (200, None));
    assert_eq!(head.bytes().await.unwrap().len(), 0);
}

/// What a page or an answer says of messages, without what is new each time.
fn articles(text: &str) -> String {
    text.split("<article").skip(1).map(|rest| rest.split("</article>").next().unwrap_or_default()).collect()
}

/// A connection of its own, on which nothing hides when bytes come.
async fn raw(server: &Server, person: &Person, path: &str) -> TcpStream {
    let address = server.url.trim_start_matches("http://");
    let cookies: Vec<String> = person.cookies().iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nCookie: {}\r\nAccept-Encoding: gzip, deflate, br\r\n\r\n", cookies.join("; "));
    socket.write_all(request.as_bytes()).await.unwrap();
    socket
}

async fn reads(socket: &mut TcpStream, got: &mut Vec<u8>, until: &str) {
    let all = async {
        while !String::from_utf8_lossy(got).contains(until) {
            if socket.read_buf(got).await.unwrap() == 0 {
                return false;
            }
        }
        true
    };
    let found = timeout(PATIENCE, all).await;
    assert!(matches!(found, Ok(true)), "{until:?} never came: {}", String::from_utf8_lossy(got));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_and_pages_that_go_on_are_not_held_back_by_packing() {
    let server = Server::start(On::Sqlite).await;
    let ada = server.first("Ada").await;
    let room = ada.makes_room("Kitchen").await;
    server.assistant("echo", &room, "always").await;
    let cursor = ada.cursor(&room).await;
    let mut live = raw(&server, &ada, &format!("/live?at={cursor}&view=html")).await;
    let (mut heard, mut seen) = (Vec::new(), Vec::new());
    reads(&mut live, &mut heard, "event: caught-up").await;
    assert!(!String::from_utf8_lossy(&heard).to_lowercase().contains("content-encoding"));

    let script = "Please\n\n```script\nsay \"One.\\n\\nTwo.\\n\\nThr\"\nwait go\nsay ee.\n```";
    let question = ada.says(&room, script).await;
    let mut stream = ada.live(&room).await;
    let reply = stream.sees_reply_to(&question).await;
    stream.sees_so_far(&reply, "One.\n\nTwo.\n\nThr").await;
    reads(&mut live, &mut heard, "Two.").await;

    // The reply is still being written, and nothing lets it go on: what is finished of it is there all the same.
    let mut watch = raw(&server, &ada, &format!("/rooms/{room}/messages/{reply}/watch")).await;
    reads(&mut watch, &mut seen, "Two.").await;
    let so_far = String::from_utf8_lossy(&seen).into_owned();
    assert!(!so_far.contains("Three.") && !so_far.to_lowercase().contains("content-encoding"), "{so_far}");
    server.open("go");
    reads(&mut watch, &mut seen, "Three.").await;
    reads(&mut live, &mut heard, "\"state\":\"complete\"").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_site_says_how_it_is_installed() {
    let server = Server::start(On::Sqlite).await;
    let stranger = Person::stranger(&server.url);
    server.first("Ada").await;
    let page = ask(&stranger, "/sign-in", &[("accept-language", "zh-CN")]).await;
    let link = page.text().split("rel=\"manifest\" href=\"").nth(1).expect("a link").split('"').next().unwrap().to_owned();
    let found = ask(&stranger, &link, &[]).await;
    assert_eq!((found.status, found.header("content-type")), (200, "application/manifest+json"));
    let manifest: Value = serde_json::from_str(&found.text()).unwrap();
    assert_eq!((&manifest["lang"], &manifest["display"], &manifest["start_url"]), (&"zh-Hans".into(), &"standalone".into(), &"/".into()));
    let english: Value = serde_json::from_str(&ask(&stranger, "/manifest.webmanifest?lang=en", &[]).await.text()).unwrap();
    assert_eq!(english["id"], manifest["id"], "one app in every language");
    assert_ne!(english["description"], manifest["description"]);
    let icons = manifest["icons"].as_array().unwrap();
    for purpose in ["any", "maskable"] {
        for size in ["192x192", "512x512"] {
            assert!(icons.iter().any(|icon| icon["purpose"] == purpose && icon["sizes"] == size), "{purpose} {size}");
        }
    }
    for icon in icons {
        let picture = ask(&stranger, icon["src"].as_str().unwrap(), &[]).await;
        assert_eq!((picture.status, picture.header("content-type")), (200, icon["type"].as_str().unwrap()), "{icon}");
        if let Some(size) = icon["sizes"].as_str().and_then(|sizes| sizes.split('x').next()).and_then(|size| size.parse::<u32>().ok()) {
            // Width and height stand at a fixed place of every PNG.
            assert!(picture.body.starts_with(b"\x89PNG\r\n\x1a\n"), "{icon}");
            assert_eq!(picture.body[16..24], [size.to_be_bytes(), size.to_be_bytes()].concat(), "{icon}");
        }
    }
    // Whatever else stands in the address: of two languages the first, and what nobody knows is passed over.
    for (asked, lang) in [
        ("lang=zh-Hans&lang=en", "zh-Hans"),
        ("lang=en&lang=zh-Hans", "en"),
        ("lang=xx&a&lang=zh-Hans", "zh-Hans"),
        ("%ff&lang=zh-Hans", "zh-Hans"),
    ] {
        for path in ["/manifest.webmanifest", "/offline"] {
            let found = ask(&stranger, &format!("{path}?{asked}"), &[]).await;
            assert_eq!(found.status, 200, "{path}?{asked}");
            assert!(found.text().contains(&format!("\"{lang}\"")), "{path}?{asked}: {}", found.text());
        }
    }
    let touch = ask(&stranger, "/apple-touch-icon.png", &[]).await;
    assert_eq!((touch.status, touch.header("content-type")), (200, "image/png"));
    assert_eq!(ask(&stranger, "/icons/other.png", &[]).await.status, 404);

    let worker = ask(&stranger, "/service-worker.js", &[]).await;
    assert_eq!((worker.header("content-type"), worker.header("cache-control")), ("text/javascript; charset=utf-8", "no-cache"));
    let told = worker.text().lines().next().unwrap().trim_start_matches("self.parlor = ").trim_end_matches(';').to_owned();
    let told: Value = serde_json::from_str(&told).unwrap();
    let shell: Vec<&str> = told["shell"].as_array().unwrap().iter().map(|path| path.as_str().unwrap()).collect();
    for path in &shell {
        assert!(path.starts_with(&format!("/assets/{}/", told["build"].as_str().unwrap())), "{path}");
        assert_eq!(ask(&stranger, path, &[]).await.status, 200, "{path}");
    }
    // Whatever pages load is among it.
    for path in assets_of(&page.text()).iter().chain(&assets_of(&ask(&stranger, "/offline", &[]).await.text())) {
        assert!(shell.contains(&path.as_str()), "{path} is not kept");
    }
    let offline = ask(&stranger, "/offline?lang=zh-Hans&theme=dark", &[]).await;
    let text = offline.text();
    let head = text.split('>').nth(1).unwrap();
    assert!(head.contains("lang=\"zh-Hans\"") && head.contains("data-theme=\"dark\""), "{head}");
}
