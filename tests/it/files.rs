//! Files in messages: the bytes as they were sent, for members alone; pictures with previews; nothing left of what is cut off or deleted.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream;
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};
use parlor::chat::files::Files;
use parlor::chat::{Chat, ChatError};
use parlor::clock::Clock;
use parlor::live::LocalBus;
use parlor::store::Store;
use reqwest::header::HeaderMap;
use reqwest::{Body, Method};
use rustix::process::{Resource, Rlimit, prlimit};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::support::database::Database;
use crate::support::person::text;
use crate::support::{On, Options, PASSWORD, PATIENCE, Page, Person, Server, encoded, eventually, kitchen, kitchen_of, new_id, on_both};

const MIB: usize = 1024 * 1024;

async fn tries_to_upload(person: &Person, room: &str, name: &str, bytes: impl Into<Body>) -> Page {
    let path = format!("/api/rooms/{room}/files?{}", encoded(&[("name", name)]));
    // What it claims to be is not believed.
    person.send(person.request(Method::POST, &path).header("content-type", "image/png").body(bytes)).await
}

async fn uploads(person: &Person, room: &str, name: &str, bytes: impl Into<Body>) -> Value {
    let page = tries_to_upload(person, room, name, bytes).await;
    assert_eq!(page.status, 201, "{}", page.body);
    page.json()
}

async fn posts_files(person: &Person, room: &str, id: &str, words: &str, files: &[&Value]) -> Page {
    let files: Vec<&Value> = files.iter().map(|file| &file["id"]).collect();
    person.tries_to_post(room, json!({ "id": id, "text": words, "files": files })).await
}

/// Says something with files; gives the message's id.
async fn says_with(person: &Person, room: &str, words: &str, files: &[&Value]) -> String {
    let id = new_id();
    let page = posts_files(person, room, &id, words, files).await;
    assert_eq!(page.status, 201, "{}", page.body);
    id
}

/// What is read under an address, as bytes.
struct Read {
    status: u16,
    headers: HeaderMap,
    bytes: Vec<u8>,
}

impl Read {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn picture(&self) -> RgbaImage {
        image::load_from_memory(&self.bytes).expect("it is a picture").into_rgba8()
    }
}

async fn reads_with(person: &Person, path: &str, headers: &[(&'static str, &str)]) -> Read {
    let mut request = person.request(Method::GET, path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = timeout(PATIENCE, request.send()).await.expect("the server answers").unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    Read { status, headers, bytes: timeout(PATIENCE, answer.bytes()).await.expect("it ends").unwrap().to_vec() }
}

async fn reads(person: &Person, path: &str) -> Read {
    reads_with(person, path, &[]).await
}

fn url(file: &Value) -> String {
    text(&file["url"])
}

/// Under what a file's bytes lie.
async fn stored(server: &Server, file: &Value) -> String {
    let sql = format!("SELECT stored FROM files WHERE id = '{}'", text(&file["id"]));
    server.database.rows(&sql).await[0][0].clone().unwrap()
}

/// Every file below the folder of files.
fn on_disk(server: &Server) -> Vec<PathBuf> {
    fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => collect(&path, found),
                false => found.push(path),
            }
        }
    }
    let mut found = Vec::new();
    collect(&server.data().join("files"), &mut found);
    found
}

/// Folders of uploads that have no place yet.
fn arriving(server: &Server) -> usize {
    std::fs::read_dir(server.data().join("files/arriving")).unwrap().count()
}

fn noise(bytes: usize) -> Vec<u8> {
    (0..bytes as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

fn png(width: u32, height: u32) -> Vec<u8> {
    let image = RgbImage::from_fn(width, height, |x, y| Rgb([x as u8, y as u8, (x / 256 * 16 + y / 256) as u8]));
    encode(&DynamicImage::ImageRgb8(image), ImageFormat::Png)
}

fn encode(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A photo as a telephone makes it: lying on its side, with a note of that and of the place. Its left half is red, its right half blue.
fn photo() -> Vec<u8> {
    let image = RgbImage::from_fn(800, 400, |x, _| if x < 400 { Rgb([220, 10, 10]) } else { Rgb([10, 10, 220]) });
    let mut plain = Vec::new();
    JpegEncoder::new_with_quality(&mut plain, 90).encode_image(&image).unwrap();
    let mut note = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0".to_vec();
    note.extend_from_slice(b"48.8584 N 2.2945 E");
    let mut bytes = plain[..2].to_vec();
    bytes.extend_from_slice(&[0xff, 0xe1]);
    bytes.extend_from_slice(&(note.len() as u16 + 2).to_be_bytes());
    bytes.extend_from_slice(&note);
    bytes.extend_from_slice(&plain[2..]);
    bytes
}

/// A PNG of a few bytes that says of itself how large it is.
fn boastful_png(width: u32, height: u32) -> Vec<u8> {
    fn chunk(bytes: &mut Vec<u8>, kind: &[u8; 4], data: &[u8]) {
        let checked = [kind.as_slice(), data].concat();
        let mut crc = u32::MAX;
        for byte in &checked {
            crc ^= u32::from(*byte);
            for _ in 0..8 {
                crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
            }
        }
        bytes.extend_from_slice(&(data.len() as u32).to_be_bytes());
        bytes.extend_from_slice(&checked);
        bytes.extend_from_slice(&(!crc).to_be_bytes());
    }
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    let head = [&width.to_be_bytes()[..], &height.to_be_bytes()[..], &[8, 6, 0, 0, 0]].concat();
    chunk(&mut bytes, b"IHDR", &head);
    chunk(&mut bytes, b"IDAT", b"\x78\x9c\x63\x00\x00\x00\x01\x00\x01");
    chunk(&mut bytes, b"IEND", b"");
    bytes
}

/// A GIF of a few bytes whose one frame is as large as can be said.
fn boastful_gif() -> Vec<u8> {
    let mut bytes = b"GIF89a\xff\xff\xff\xff\x80\0\0\0\0\0\xff\xff\xff".to_vec();
    bytes.extend_from_slice(b"\x2c\0\0\0\0\xff\xff\xff\xff\0\x02\x02\x44\x01\0\x3b");
    bytes
}

/// A small GIF that moves.
fn moving_gif() -> Vec<u8> {
    let mut bytes = Vec::new();
    {
        let mut encoder = image::codecs::gif::GifEncoder::new(&mut bytes);
        for colour in [[255, 0, 0, 255], [0, 0, 255, 255]] {
            encoder.encode_frame(image::Frame::new(RgbaImage::from_pixel(40, 30, Rgba(colour)))).unwrap();
        }
    }
    bytes
}

on_both! {
    async fn what_is_sent_is_what_is_read(on: On) {
        let (server, ada, bob, room) = kitchen(on).await;
        let bytes = noise(300_000);
        let file = uploads(&ada, &room, "Übersicht 1.bin", bytes.clone()).await;
        assert_eq!((&file["name"], &file["kind"], &file["bytes"]), (&json!("Übersicht 1.bin"), &json!("file"), &json!(300_000)));
        assert_eq!((file.get("width"), &file["type"]), (None, &json!("application/octet-stream")));
        assert_eq!(url(&file), format!("/rooms/{room}/files/{}/%C3%9Cbersicht%201.bin", text(&file["id"])));
        // Before it is said, it is its sender's alone.
        assert_eq!(reads(&ada, &url(&file)).await.bytes, bytes);
        assert_eq!(reads(&bob, &url(&file)).await.status, 404);
        let note = uploads(&ada, &room, "note.txt", "Milk\nand 茶\n").await;
        assert_eq!((&note["type"], &note["kind"]), (&json!("text/plain"), &json!("file")));

        let mut tab = bob.live(&room).await;
        let mut page = bob.live_as(&room, "html").await;
        let id = says_with(&ada, &room, "Two things", &[&file, &note]).await;
        tab.sees("Two things").await;
        assert_eq!(tab.rows[&id].json["files"], json!([file, note]), "a second viewer hears of them at once");
        page.until("the message", |page| page.rows.contains_key(&id)).await;
        let html = page.rows[&id].html();
        assert!(html.contains(&format!("href=\"{}\" download", url(&file))) && html.contains("300 kB"), "{html}");
        assert_eq!(bob.message(&room, &id).await["files"], json!([file, note]));
        assert!(bob.message(&room, &ada.says(&room, "No more").await).await.get("files").is_none());

        let read = reads(&bob, &url(&file)).await;
        assert!(read.status == 200 && read.bytes == bytes);
        assert_eq!(read.header("content-disposition"), "attachment; filename=\"_bersicht 1.bin\"; filename*=UTF-8''%C3%9Cbersicht%201.bin");
        assert_eq!(read.header("content-security-policy"), "default-src 'none'; sandbox");
        assert_eq!((read.header("x-content-type-options"), read.header("content-length")), ("nosniff", "300000"));
        assert_eq!(read.header("cache-control"), "private, max-age=31536000, immutable");
        let read_note = reads(&bob, &url(&note)).await;
        assert!(read_note.header("content-disposition").starts_with("inline;"), "plain text is shown");
        assert_eq!(read_note.header("content-type"), "text/plain; charset=utf-8");
        assert_eq!(String::from_utf8(read_note.bytes).unwrap(), "Milk\nand 茶\n");

        // Parts of it, and nothing of it where it is known.
        let part = reads_with(&bob, &url(&file), &[("range", "bytes=1000-1999")]).await;
        assert_eq!((part.status, part.header("content-range")), (206, "bytes 1000-1999/300000"));
        assert_eq!(part.bytes, bytes[1000..2000]);
        let end = reads_with(&bob, &url(&file), &[("range", "bytes=-5"), ("if-range", read.header("etag"))]).await;
        assert_eq!((end.status, end.bytes.as_slice()), (206, &bytes[299_995..]));
        assert_eq!(reads_with(&bob, &url(&file), &[("range", "bytes=-5"), ("if-range", "\"other\"")]).await.bytes.len(), 300_000);
        let outside = reads_with(&bob, &url(&file), &[("range", "bytes=300000-")]).await;
        assert_eq!((outside.status, outside.header("content-range")), (416, "bytes */300000"));
        let known = reads_with(&bob, &url(&file), &[("if-none-match", read.header("etag"))]).await;
        assert_eq!((known.status, known.bytes.len()), (304, 0));
        assert_eq!(arriving(&server), 0);
        server.database.holds().await;
    }

    async fn who_is_no_member_finds_nothing(on: On) {
        let (server, ada, bob, room) = kitchen(on).await;
        let carol = server.person("Carol").await;
        let file = uploads(&ada, &room, "plan.png", png(600, 300)).await;
        let id = says_with(&ada, &room, "", &[&file]).await;
        assert_eq!(reads(&bob, &url(&file)).await.status, 200, "a guard: it is there");
        let json = [("accept", "application/json")];
        let nothing = reads_with(&ada, &format!("/rooms/{room}/files/{}/plan.png", new_id()), &json).await;
        let elsewhere = carol.makes_room("Hall").await;
        ada.removes(&room, &bob).await;
        for (who, path) in [
            (&carol, url(&file)),
            (&carol, url(&file).replace(&room, &elsewhere)),
            (&carol, format!("{}?w=720", url(&file))),
            (&bob, url(&file)),
            (&bob, format!("{}?w=360", url(&file))),
            (&Person::stranger(&server.url), url(&file)),
            (&ada, format!("/rooms/{room}/files/{id}/plan.png")),
            (&ada, format!("/rooms/{room}/files/nothing/plan.png")),
            (&ada, format!("{}?w=721", url(&file))),
        ] {
            let read = reads_with(who, &path, &json).await;
            assert_eq!((read.status, &read.bytes), (404, &nothing.bytes), "{path}");
            assert_eq!(read.header("etag"), "");
        }
        // Nor does one bring anything in.
        for who in [&carol, &bob] {
            let page = tries_to_upload(who, &room, "a.txt", "a").await;
            assert_eq!((page.status, page.code().as_str()), (404, "not_found"));
        }
        assert_eq!(tries_to_upload(&Person::stranger(&server.url), &room, "a.txt", "a").await.status, 401);
        // A program with a token is its person.
        let program = server.program("Ada").await;
        assert_eq!(reads(&program, &url(&file)).await.status, 200);
        assert_eq!(arriving(&server), 0);
    }

    async fn an_upload_is_its_senders_its_rooms_and_one_messages(on: On) {
        let (server, ada, bob, room) = kitchen(on).await;
        let other = ada.makes_room("Hall").await;
        let file = uploads(&ada, &room, "a.txt", "a").await;
        let second = uploads(&ada, &room, "b.txt", "b").await;
        let before = ada.room(&room).await["head"].clone();
        let refused = async |page: Page, code: &str| assert_eq!((page.status, page.code().as_str()), (422, code), "{}", page.body);
        refused(posts_files(&bob, &room, &new_id(), "Mine", &[&file]).await, "no_file").await;
        refused(posts_files(&ada, &other, &new_id(), "There", &[&file]).await, "no_file").await;
        refused(posts_files(&ada, &room, &new_id(), "Twice", &[&file, &file]).await, "no_file").await;
        refused(posts_files(&ada, &room, &new_id(), "None", &[&json!({ "id": new_id() })]).await, "no_file").await;
        refused(posts_files(&ada, &room, &new_id(), "  ", &[]).await, "empty").await;
        refused(posts_files(&ada, &room, &new_id(), "Many", &[&file; 11]).await, "too_many_files").await;
        assert_eq!(ada.room(&room).await["head"], before, "nothing of it took a number");
        // Said once, however often it is sent.
        let id = new_id();
        let first = posts_files(&ada, &room, &id, "", &[&file]).await;
        assert_eq!(first.status, 201, "files alone say enough: {}", first.body);
        assert_eq!(posts_files(&ada, &room, &id, "", &[&file]).await.ok(), first.json());
        for files in [&[&second][..], &[&file, &second][..], &[][..]] {
            let page = posts_files(&ada, &room, &id, "", files).await;
            assert!(page.status == 409 || (files.is_empty() && page.status == 422), "another post under the same id: {}", page.body);
        }
        refused(posts_files(&ada, &room, &new_id(), "Again", &[&file]).await, "no_file").await;
        assert_eq!(ada.messages(&room).await.len(), 1);
        // Ten at once are one.
        let (at_once, third) = (new_id(), uploads(&ada, &room, "c.txt", "c").await);
        let only = [&third];
        let answers = join_all((0..10).map(|_| posts_files(&ada, &room, &at_once, "At once", &only))).await;
        assert!(answers.iter().all(|page| page.status == 201 && page.json() == answers[0].json()));
        // A quote of files alone names them; an edit keeps them, and may take the words away.
        let quoting = bob.replies(&room, &id, "I see").await;
        assert_eq!(bob.message(&room, &quoting).await["reply_to"]["excerpt"], "a.txt");
        let edited = ada.edits(&room, &at_once, "Edited").await;
        assert_eq!(edited["files"], json!([third]));
        assert_eq!(ada.edits(&room, &at_once, "").await["files"], json!([third]));
        let plain = ada.says(&room, "Plain").await;
        let page = ada.call(Method::PATCH, &crate::support::person::message_path(&room, &plain), Some(json!({ "text": " " }))).await;
        assert_eq!((page.status, page.code().as_str()), (422, "empty"));
        // What is taken back is gone, and only its sender may.
        let path = |room: &str, file: &Value| format!("/api/rooms/{room}/files/{}", text(&file["id"]));
        for (who, path) in [(&bob, path(&room, &second)), (&ada, path(&other, &second)), (&ada, path(&room, &file))] {
            assert_eq!(who.call(Method::DELETE, &path, None).await.status, 404, "{path}");
        }
        assert_eq!(ada.call(Method::DELETE, &path(&room, &second), None).await.status, 204);
        assert_eq!(reads(&ada, &url(&second)).await.status, 404);
        assert_eq!(on_disk(&server).len(), 2, "{:?}", on_disk(&server));
        server.database.holds().await;
    }

    async fn a_deleted_message_takes_its_files_along(on: On) {
        let (server, ada, bob, room) = kitchen(on).await;
        let mut tab = bob.live(&room).await;
        let kept = uploads(&ada, &room, "kept.png", png(100, 100)).await;
        says_with(&ada, &room, "Stays", &[&kept]).await;
        let stays = on_disk(&server).len();
        let secret = uploads(&ada, &room, "secret.png", png(1000, 500)).await;
        let id = says_with(&ada, &room, "Goes", &[&secret]).await;
        tab.sees("Goes").await;
        assert_eq!(on_disk(&server).len(), stays + 4, "the original and three previews");
        let deleted = ada.deletes(&room, &id).await;
        assert!(deleted.get("files").is_none(), "{deleted}");
        tab.sees_state(&id, "deleted").await;
        assert!(tab.rows[&id].json.get("files").is_none() && !tab.rows[&id].json.to_string().contains("secret.png"));
        for path in [url(&secret), format!("{}?w=360", url(&secret))] {
            assert_eq!(reads(&ada, &path).await.status, 404);
        }
        assert_eq!(on_disk(&server).len(), stays, "{:?}", on_disk(&server));
        assert_eq!(server.database.number("SELECT COUNT(*) FROM files").await, 1);
        assert_eq!(server.database.number("SELECT COUNT(*) FROM messages WHERE files LIKE '%secret%' OR excerpt LIKE '%secret%'").await, 0);
        assert_eq!(reads(&bob, &url(&kept)).await.status, 200);
        // Sent again, the post brings nothing back.
        assert_eq!(posts_files(&ada, &room, &id, "Goes", &[&secret]).await.status, 201);
        assert_eq!(ada.message(&room, &id).await["state"], "deleted");
        server.database.holds().await;
    }

    async fn pictures_are_shown_upright_and_without_what_the_camera_noted(on: On) {
        let (server, ada, bob, room) = kitchen(on).await;
        let bytes = photo();
        let file = uploads(&ada, &room, "DSC_1.JPG", bytes.clone()).await;
        assert_eq!((&file["kind"], &file["type"]), (&json!("image"), &json!("image/jpeg")));
        assert_eq!((&file["width"], &file["height"]), (&json!(400), &json!(800)), "upright");
        let mut page = bob.live_as(&room, "html").await;
        let id = says_with(&ada, &room, "", &[&file]).await;
        page.until("the message", |page| page.rows.contains_key(&id)).await;
        let html = page.rows[&id].html();
        for part in [" width=\"192\" height=\"384\"", "alt=\"DSC_1.JPG\"", "loading=\"lazy\"", "decoding=\"async\"", &format!("src=\"{}?w=360\"", url(&file))] {
            assert!(html.contains(part), "{part} in {html}");
        }
        let original = reads(&bob, &url(&file)).await;
        assert!(original.bytes == bytes, "the original is kept as it was");
        assert!(original.header("content-disposition").starts_with("inline;") && original.header("content-type") == "image/jpeg");
        for (wanted, width) in [(360, 360), (720, 400), (1440, 400)] {
            let preview = reads(&bob, &format!("{}?w={wanted}", url(&file))).await;
            assert_eq!((preview.status, preview.header("content-type")), (200, "image/jpeg"), "{wanted}");
            assert_eq!((preview.header("content-security-policy"), preview.header("content-disposition")), ("default-src 'none'; sandbox", "inline"));
            assert!(!preview.bytes.windows(4).any(|four| four == b"Exif" || four == b"48.8"), "{wanted}");
            let picture = preview.picture();
            assert_eq!(picture.width(), width, "{wanted}");
            let (top, bottom) = (picture.get_pixel(10, 10), picture.get_pixel(10, picture.height() - 10));
            assert!(top[0] > 180 && top[2] < 60 && bottom[2] > 180 && bottom[0] < 60, "{top:?} {bottom:?}");
        }
        // What is transparent stays so; what is drawn stays sharp; what is small is not blown up.
        let glass = RgbaImage::from_fn(500, 100, |x, _| if x < 250 { Rgba([0, 0, 0, 0]) } else { Rgba([0, 200, 0, 255]) });
        let glass = uploads(&ada, &room, "glass.webp", encode(&DynamicImage::ImageRgba8(glass), ImageFormat::WebP)).await;
        assert_eq!((&glass["type"], &glass["width"]), (&json!("image/webp"), &json!(500)));
        let preview = reads(&ada, &format!("{}?w=360", url(&glass))).await;
        assert_eq!(preview.header("content-type"), "image/png");
        let picture = preview.picture();
        assert_eq!((picture.get_pixel(20, 20)[3], picture.get_pixel(300, 20)[3]), (0, 255));
        let small = uploads(&ada, &room, "small.png", png(30, 20)).await;
        let picture = reads(&ada, &format!("{}?w=1440", url(&small))).await.picture();
        assert_eq!((picture.width(), picture.height(), picture.get_pixel(7, 9).0), (30, 20, [7, 9, 0, 255]));
        // What moves goes on moving, unless somebody wants it still.
        let gif = moving_gif();
        let moving = uploads(&ada, &room, "wave.gif", gif.clone()).await;
        assert_eq!((&moving["kind"], &moving["type"]), (&json!("image"), &json!("image/gif")));
        assert_eq!(reads(&ada, &format!("{}?w=720", url(&moving))).await.bytes, gif);
        let still = reads(&ada, &format!("{}?w=720&still=1", url(&moving))).await;
        assert_eq!((still.header("content-type"), still.picture().get_pixel(5, 5)[0]), ("image/png", 255));
        let id = says_with(&ada, &room, "", &[&moving, &small]).await;
        page.until("the message", |page| page.rows.contains_key(&id)).await;
        let html = page.rows[&id].html();
        assert!(html.contains("data-count=\"2\"") && html.contains("prefers-reduced-motion"), "{html}");
        server.database.holds().await;
    }

    async fn nothing_that_is_sent_runs_or_breaks_anything(on: On) {
        let (server, ada, bob, room) = kitchen(on).await;
        let svg = "<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>";
        let torn = png(400, 400)[..2_000].to_vec();
        let cases: [(&str, Vec<u8>, &str); 10] = [
            ("huge.png", boastful_png(50_000, 50_000), "image/png"),
            ("broad.png", boastful_png(9_000, 9_000), "image/png"),
            ("bomb.gif", boastful_gif(), "image/gif"),
            ("logo.svg", svg.into(), "application/octet-stream"),
            ("logo2.svg", format!("<?xml version='1.0'?>\n{svg}").into(), "application/octet-stream"),
            ("cat.png", "<!doctype html><script>fetch('/api/me')</script>".into(), "application/octet-stream"),
            ("page.txt", "\u{feff} \n<!-- --><html><body onload=alert(1)>".into(), "application/octet-stream"),
            ("torn.png", torn, "image/png"),
            ("run.js", "#!/usr/bin/env node\nalert(1)".into(), "application/octet-stream"),
            ("paper.pdf", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n".to_vec(), "application/pdf"),
        ];
        let mut files = Vec::new();
        for (name, bytes, kind) in cases {
            let file = uploads(&ada, &room, name, bytes.clone()).await;
            assert_eq!((&file["kind"], &file["type"], file.get("width")), (&json!("file"), &json!(kind), None), "{name}");
            files.push((file, bytes));
        }
        let named: Vec<&Value> = files.iter().map(|(file, _)| file).collect();
        let id = says_with(&ada, &room, "", &named).await;
        for (file, bytes) in &files {
            for path in [url(file), format!("{}?w=720", url(file))] {
                let read = reads_with(&bob, &path, &[("accept", "text/html,image/svg+xml,*/*")]).await;
                assert!(read.status == 200 && read.bytes == *bytes, "{path}");
                assert!(read.header("content-disposition").starts_with("attachment;"), "{path}: {}", read.header("content-disposition"));
                assert_eq!(read.header("content-security-policy"), "default-src 'none'; sandbox", "{path}");
                assert_eq!((read.header("x-content-type-options"), read.header("content-type")), ("nosniff", file["type"].as_str().unwrap()));
            }
        }
        let page = bob.get(&format!("/rooms/{room}")).await;
        assert!(page.body.contains(&format!("id=\"m-{id}\"")) && !page.body.contains("<svg xmlns='http"), "its own page holds none of it");
        assert!(page.header("content-security-policy").contains("script-src 'self'"), "pages keep their own policy");
        // Names.
        for (name, kept) in [
            ("../../../../etc/passwd", "passwd"),
            ("..\\..\\boot.ini", "boot.ini"),
            ("invoice\u{202e}fdp.exe", "invoicefdp.exe"),
            ("a\u{0}b\r\nSet-Cookie: x=1.txt", "ab Set-Cookie: x=1.txt"),
            ("\"><img src=x onerror=alert(1)>.txt", "\"><img src=x onerror=alert(1)>.txt"),
            ("", "file"),
            ("..", "file"),
        ] {
            let file = uploads(&ada, &room, name, "x").await;
            assert_eq!(file["name"], kept, "{name:?}");
            let id = says_with(&ada, &room, "named", &[&file]).await;
            let read = reads(&bob, &url(&file)).await;
            assert_eq!((read.status, read.headers.contains_key("set-cookie") && read.header("set-cookie").contains("x=1")), (200, false));
            let html = text(&bob.call(Method::GET, &format!("/api/rooms/{room}/messages/{id}?view=html"), None).await.ok()["html"]);
            assert!(!html.contains("<img src=x"), "{html}");
        }
        assert!(on_disk(&server).iter().all(|path| path.starts_with(server.data().join("files"))));
        assert!(!server.log().contains("panicked"), "no decoder broke");
        server.database.holds().await;
    }

    async fn too_much_is_refused_and_leaves_nothing(on: On) {
        let (server, ada, bob, room) = kitchen(on).await;
        let page = tries_to_upload(&ada, &room, "empty.txt", "").await;
        assert_eq!((page.status, page.code().as_str()), (422, "empty_file"));
        let page = tries_to_upload(&ada, &room, "large.bin", vec![7; 26 * MIB]).await;
        assert_eq!((page.status, page.code().as_str()), (413, "too_large"));
        assert!(page.json()["error"]["message"].as_str().unwrap().contains("25 MB"));
        // The same where nobody says beforehand how much will come.
        let pieces = stream::iter((0..26).map(|_| Ok::<_, std::io::Error>(vec![7; MIB])));
        let page = tries_to_upload(&ada, &room, "large.bin", Body::wrap_stream(pieces)).await;
        assert_eq!((page.status, page.code().as_str()), (413, "too_large"));
        eventually("nothing is left", async || (arriving(&server) == 0).then_some(())).await;
        assert_eq!(on_disk(&server), Vec::<PathBuf>::new());
        // The largest that fits does.
        let file = uploads(&ada, &room, "fits.bin", vec![7; 25 * MIB]).await;
        assert_eq!(file["bytes"], 25 * MIB);
        // Uploads under way count as what they may become; those of others do not.
        let mut under_way = Vec::new();
        for n in 0..7 {
            under_way.push(begins_upload(&server, &ada, &room, 25 * MIB, 1000).await);
            eventually("it is under way", async || (arriving(&server) == n + 1).then_some(())).await;
        }
        let page = tries_to_upload(&ada, &room, "one more.txt", "one more").await;
        assert_eq!((page.status, page.code().as_str()), (413, "too_much"), "{}", page.body);
        uploads(&bob, &room, "his.txt", "his").await;
        // Cut off, they leave nothing, and there is room again.
        drop(under_way);
        eventually("nothing is left", async || (arriving(&server) == 0).then_some(())).await;
        eventually("there is room", async || (tries_to_upload(&ada, &room, "one more.txt", "one more").await.status == 201).then_some(())).await;
        // So it is once the message is said.
        says_with(&ada, &room, "", &[&file]).await;
        server.database.holds().await;
    }

    async fn one_person_keeps_so_much_and_no_more(on: On) {
        let server = Server::with(on, Options::args(&["--files-per-person", "50"])).await;
        let (ada, bob, room) = kitchen_of(&server).await;
        let hall = ada.makes_room("Hall").await;
        let first = uploads(&ada, &room, "first.bin", vec![1; 25 * MIB]).await;
        let message = says_with(&ada, &room, "", &[&first]).await;
        // Whatever comes at once, into whichever room, with its length or without: one of these fits, and not two.
        let sends = async |n: usize| {
            let bytes = vec![n as u8; 20 * MIB];
            let body = if n.is_multiple_of(2) { Body::from(bytes) } else { Body::wrap_stream(stream::iter([Ok::<_, std::io::Error>(bytes)])) };
            tries_to_upload(&ada, if n < 2 { &room } else { &hall }, "more.bin", body).await
        };
        let answers = join_all((0..4).map(sends)).await;
        let taken: Vec<&Page> = answers.iter().filter(|page| page.status == 201).collect();
        assert_eq!(taken.len(), 1);
        for refused in answers.iter().filter(|page| page.status != 201) {
            assert_eq!((refused.status, refused.code().as_str()), (413, "all_kept"), "{}", refused.body);
            assert!(refused.body.contains("50 MB") && refused.body.contains("Delete messages"), "{}", refused.body);
        }
        eventually("nothing else is left", async || (arriving(&server) == 0 && on_disk(&server).len() == 2).then_some(())).await;
        // By form, in Chinese, and small: it is said before there is anything to store, and what was typed comes back.
        let form = form(&[("id", &new_id()), ("as", &ada.id), ("text", "My letter")], &[("a.bin", vec![1; 6 * MIB])]);
        let request = ada.request(Method::POST, &format!("/rooms/{room}/messages")).header("content-type", "multipart/form-data; boundary=between");
        let refused = ada.send(request.header("accept", "text/html").header("accept-language", "zh").body(form)).await;
        assert!(refused.status == 413 && refused.body.contains("My letter</textarea>") && refused.body.contains("每人可用的 50 MB"), "{}", refused.body);
        // Others have their own, what is small still fits, and what is deleted makes room at once.
        uploads(&bob, &room, "his.bin", vec![2; 20 * MIB]).await;
        uploads(&ada, &room, "small.txt", "small").await;
        assert_eq!(sends(4).await.status, 413);
        ada.deletes(&room, &message).await;
        assert_eq!(sends(4).await.status, 201);
        server.database.holds().await;
    }

    async fn a_small_picture_does_not_wait_for_large_ones(on: On) {
        let (server, ada, bob, room) = kitchen(on).await;
        let large = encode(&DynamicImage::new_luma8(7000, 7000), ImageFormat::Png);
        let length = large.len() as u64;
        let mut posters = JoinSet::new();
        for _ in 0..4 {
            let (ada, room, large) = (ada.clone(), room.clone(), large.clone());
            posters.spawn(async move { uploads(&ada, &room, "poster.png", large).await });
        }
        let whole = |path: &PathBuf| path.ends_with("original") && path.metadata().is_ok_and(|file| file.len() == length);
        eventually("all of them have come", async || (on_disk(&server).iter().filter(|path| whole(path)).count() == 4).then_some(())).await;
        // One large picture is looked at after the other; what is small or no picture is through before the last of them.
        let picture = uploads(&bob, &room, "small.png", png(400, 300)).await;
        assert_eq!((&picture["width"], &picture["height"]), (&json!(400), &json!(300)));
        uploads(&bob, &room, "notes.txt", "notes").await;
        let mut through = Vec::new();
        while let Some(poster) = posters.try_join_next() {
            through.push(poster.unwrap());
        }
        assert!(through.len() < 4, "they were all looked at first");
        through.extend(posters.join_all().await);
        assert!(through.iter().all(|poster| poster["width"] == 7000), "{through:?}");
    }

    async fn uploads_survive_a_crash_whole_or_not_at_all(on: On) {
        let (server, ada, bob, room) = kitchen(on).await;
        let said = uploads(&ada, &room, "said.png", png(400, 300)).await;
        says_with(&ada, &room, "Said", &[&said]).await;
        let waiting = uploads(&ada, &room, "waiting.txt", "waiting").await;
        let moved = uploads(&ada, &room, "moved.png", png(50, 50)).await;
        let erased = uploads(&ada, &room, "erased.txt", "erased").await;
        let _under_way = begins_upload(&server, &ada, &room, MIB, 500_000).await;
        eventually("it is under way", async || (arriving(&server) == 1).then_some(())).await;
        server.kill9().await;
        assert_eq!(arriving(&server), 1, "a guard: something was left");
        // As if it had ended between the row and the place, and between an erasure in the database and on disk.
        let name = stored(&server, &moved).await;
        let place = server.data().join("files").join(&name[name.len() - 2..]).join(&name);
        std::fs::rename(&place, server.data().join("files/arriving").join(&name)).unwrap();
        server.database.execute(&format!("UPDATE files SET erased = TRUE, name = '' WHERE id = '{}'", text(&erased["id"]))).await;
        server.restart().await;
        assert_eq!(arriving(&server), 0);
        assert_eq!(server.database.number("SELECT COUNT(*) FROM files").await, 3);
        // One preview for each of the two pictures that are small, and another for the one that is larger.
        assert_eq!(on_disk(&server).len(), 6, "{:?}", on_disk(&server));
        assert_eq!(reads(&ada, &url(&erased)).await.status, 404);
        assert_eq!(reads(&bob, &url(&said)).await.bytes, png(400, 300));
        // What waited can still be said.
        says_with(&ada, &room, "Late", &[&waiting, &moved]).await;
        assert_eq!(reads(&bob, &url(&waiting)).await.bytes, b"waiting");
        assert_eq!(reads(&bob, &url(&moved)).await.bytes, png(50, 50));
        server.database.holds().await;
    }

    async fn what_cannot_be_recovered_keeps_nothing_else_from_it(on: On) {
        let (server, ada, _bob, room) = kitchen(on).await;
        let mut files = Vec::new();
        for n in 0..8 {
            files.push(uploads(&ada, &room, &format!("{n}.txt"), format!("file {n}")).await);
        }
        let stale = uploads(&ada, &room, "stale.txt", "stale").await;
        server.kill9().await;
        // As if it had ended before they had their places, and something else stood where two of them go.
        let mut places = Vec::new();
        for (n, file) in files.iter().enumerate() {
            let name = stored(&server, file).await;
            let place = server.data().join("files").join(&name[name.len() - 2..]).join(&name);
            std::fs::rename(&place, server.data().join("files/arriving").join(&name)).unwrap();
            if n % 4 == 1 {
                std::fs::create_dir(&place).unwrap();
                std::fs::write(place.join("odd"), "in the way").unwrap();
            }
            places.push(place);
        }
        server.database.execute(&format!("UPDATE files SET erased = TRUE, name = '' WHERE id = '{}'", text(&stale["id"]))).await;
        server.restart().await;
        assert_eq!(arriving(&server), 2, "those two wait; they are not lost");
        for (n, file) in files.iter().enumerate().filter(|(n, _)| n % 4 != 1) {
            assert_eq!(reads(&ada, &url(file)).await.bytes, format!("file {n}").as_bytes());
        }
        assert_eq!(server.database.number("SELECT COUNT(*) FROM files WHERE erased").await, 0, "the rest of the recovery was done");
        let log = server.log();
        assert_eq!(log.matches("a file that had come cannot be put into its place").count(), 2, "each is said");
        for place in [&places[1], &places[5]] {
            std::fs::remove_dir_all(place).unwrap();
        }
        server.restart().await;
        assert_eq!(arriving(&server), 0);
        for (n, file) in files.iter().enumerate() {
            assert_eq!(reads(&ada, &url(file)).await.bytes, format!("file {n}").as_bytes());
        }
        server.database.holds().await;
    }

    async fn what_nobody_says_goes_after_a_day(on: On) {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::new(on, folder.path()).await;
        let clock = Clock::manual(1_700_000_000_000);
        let store = Store::open(&database.url(), clock.clone(), Arc::<LocalBus>::default()).await.unwrap();
        let files = Files::open(&folder.path().join("files"), None, TaskTracker::new()).await.unwrap();
        let chat = Chat::new(store, 6000).with_files(files);
        let ada = chat.add_person("Ada", PASSWORD, true).await.unwrap().id;
        let room = chat.add_room(ada, "Kitchen", "", false).await.unwrap().id;
        let upload = async |name: &str| {
            let mut upload = chat.begin_upload(ada, room, name, Some(5)).await.unwrap();
            upload.write(b"bytes").await.unwrap();
            chat.finish_upload(upload).await.unwrap()
        };
        let is_there = async |id| chat.file(ada, room, id, None, false).await.is_ok_and(|found| found.path.exists());
        // Something else lies where its bytes were, which is not removed as a folder: that keeps nothing else.
        let stuck = upload("stuck.txt").await;
        let stuck_place = chat.file(ada, room, stuck.id, None, false).await.unwrap().path.parent().unwrap().to_owned();
        std::fs::remove_dir_all(&stuck_place).unwrap();
        std::fs::write(&stuck_place, "in the way").unwrap();
        let old = upload("old.txt").await;
        let old_place = chat.file(ada, room, old.id, None, false).await.unwrap().path;
        let said = upload("said.txt").await;
        let id = parlor::domain::id::MessageId(clock.new_id());
        let post = parlor::chat::messages::Post { id, text: String::new(), reply_to: None, files: vec![said.id] };
        chat.post(ada, room, post).await.unwrap();
        clock.advance(Duration::from_secs(23 * 60 * 60));
        let young = upload("young.txt").await;
        chat.sweep_files().await.unwrap();
        assert!(is_there(old.id).await && is_there(said.id).await && is_there(young.id).await);
        clock.advance(Duration::from_secs(61 * 60));
        assert!(chat.sweep_files().await.is_err(), "it is said, and tried again");
        assert!(matches!(chat.file(ada, room, old.id, None, false).await, Err(ChatError::NotFound)));
        assert!(!old_place.exists());
        std::fs::remove_file(&stuck_place).unwrap();
        chat.sweep_files().await.unwrap();
        assert!(is_there(said.id).await && is_there(young.id).await);
        assert_eq!(database.number("SELECT COUNT(*) FROM files").await, 2);
        chat.store().close().await;
    }

    async fn the_form_brings_files_without_script(on: On) {
        let (server, ada, bob, room) = kitchen(on).await;
        let path = format!("/rooms/{room}/messages");
        let page = ada.get(&format!("/rooms/{room}")).await;
        assert!(page.body.contains("enctype=\"multipart/form-data\""), "the composer's form can carry files");
        assert!(page.body.contains("name=\"file\"") && page.body.contains("type=\"file\""));
        let send_as = async |who: &Person, id: &str, words: &str, files: &[(&str, Vec<u8>)]| {
            let form = form(&[("id", id), ("as", &who.id), ("text", words)], files);
            let request = who.request(Method::POST, &path).header("content-type", "multipart/form-data; boundary=between");
            who.send(request.header("accept", "text/html").body(form)).await
        };
        let send = async |id: &str, words: &str, files: &[(&str, Vec<u8>)]| send_as(&ada, id, words, files).await;
        let id = new_id();
        let both = [("notes.txt", b"One\n".to_vec()), ("a.png", png(64, 64))];
        let answer = send(&id, "Line one\r\nline two", &both).await;
        assert_eq!((answer.status, answer.header("location")), (303, format!("/rooms/{room}#m-{id}").as_str()), "{}", answer.body);
        let message = bob.message(&room, &id).await;
        assert_eq!(message["text"], "Line one\nline two");
        let names: Vec<&Value> = message["files"].as_array().unwrap().iter().map(|file| &file["name"]).collect();
        assert_eq!(names, ["notes.txt", "a.png"]);
        assert_eq!(reads(&bob, &url(&message["files"][0])).await.bytes, b"One\n");
        let page = bob.get(&format!("/rooms/{room}")).await;
        assert!(page.body.contains(&url(&message["files"][1])), "the page shows it: {}", page.body);
        // The browser sends the form again: the same message. With another file it is another message.
        let (rows, bytes) = (server.database.number("SELECT COUNT(*) FROM files").await, on_disk(&server).len());
        assert_eq!(send(&id, "Line one\r\nline two", &both).await.status, 303);
        let other = [("notes.txt", b"Two\n".to_vec()), ("a.png", png(64, 64))];
        let refused = send(&id, "Line one\r\nline two", &other).await;
        assert_eq!(refused.status, 409);
        assert!(refused.body.contains("line two</textarea>"), "typed text is kept: {}", refused.body);
        assert_eq!(ada.messages(&room).await.len(), 1);
        assert_eq!((server.database.number("SELECT COUNT(*) FROM files").await, on_disk(&server).len()), (rows, bytes), "and no file stays");
        // Nothing chosen: an empty part without a name, as browsers send it. Nothing written: the files say it.
        let plain = new_id();
        assert_eq!(send(&plain, "Only words", &[("", Vec::new())]).await.status, 303);
        assert!(bob.message(&room, &plain).await.get("files").is_none());
        let alone = new_id();
        assert_eq!(send(&alone, "", &[("x.txt", b"x".to_vec())]).await.status, 303);
        assert_eq!(bob.message(&room, &alone).await["text"], "");
        assert_eq!(send(&new_id(), "", &[("", Vec::new())]).await.status, 422);
        // Too large, too many: the words come back, nothing is said, nothing stays.
        let (said, bytes) = (ada.messages(&room).await.len(), on_disk(&server).len());
        let refused = send(&new_id(), "My long letter", &[("ok.txt", b"ok".to_vec()), ("large.bin", vec![1; 26 * MIB])]).await;
        assert_eq!(refused.status, 413);
        assert!(refused.body.contains("My long letter</textarea>") && refused.body.contains("25 MB"), "{}", refused.body);
        let many: Vec<(&str, Vec<u8>)> = (0..11).map(|_| ("x.txt", b"x".to_vec())).collect();
        let refused = send(&new_id(), "My long letter", &many).await;
        assert_eq!(refused.status, 422);
        assert!(refused.body.contains("My long letter</textarea>") && refused.body.contains("At most 10 files"), "{}", refused.body);
        assert_eq!((ada.messages(&room).await.len(), on_disk(&server).len()), (said, bytes));
        // Signed out meanwhile, or no member: what was typed is there to be copied.
        let stranger = Person::stranger(&server.url);
        let refused = send_as(&stranger, &new_id(), "Unsent", &both).await;
        assert!(refused.status == 401 && refused.body.contains("Unsent"), "{}", refused.body);
        ada.removes(&room, &bob).await;
        let refused = send_as(&bob, &new_id(), "Too late", &[("x.txt", b"x".to_vec())]).await;
        assert!(refused.status == 404 && refused.body.contains("Too late"), "{}", refused.body);
        assert_eq!((arriving(&server), on_disk(&server).len()), (0, bytes));
        server.database.holds().await;
    }

    async fn an_assistant_hears_of_files_by_name(on: On) {
        let (server, ada, _bob, room) = kitchen(on).await;
        server.assistant("Echo", &room, "mention").await;
        let mut tab = ada.live(&room).await;
        let picture = uploads(&ada, &room, "cat.png", png(10, 10)).await;
        let notes = uploads(&ada, &room, "notes.txt", "Milk").await;
        let question = says_with(&ada, &room, "@Echo what is this?", &[&picture, &notes]).await;
        let reply = tab.sees_reply_to(&question).await;
        let row = tab.sees_state(&reply, "complete").await;
        assert!(row.text().contains("[picture: cat.png]\n[file: notes.txt]"), "{}", row.text());
    }
}

/// A form as a browser packs it, with `between` between its parts.
fn form(fields: &[(&str, &str)], files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut form = Vec::new();
    for (name, value) in fields {
        form.extend(format!("--between\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").bytes());
    }
    for (name, bytes) in files {
        let head = format!("content-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\ncontent-type: application/octet-stream");
        form.extend(format!("--between\r\n{head}\r\n\r\n").bytes());
        form.extend_from_slice(bytes);
        form.extend_from_slice(b"\r\n");
    }
    form.extend_from_slice(b"--between--\r\n");
    form
}

/// Sends the head of an upload and the beginning of its bytes, and holds the connection.
async fn begins_upload(server: &Server, person: &Person, room: &str, bytes: usize, sent: usize) -> TcpStream {
    let address = server.url.strip_prefix("http://").unwrap();
    let mut socket = TcpStream::connect(address).await.unwrap();
    let cookies: Vec<String> = person.cookies().iter().map(|(name, value)| format!("{name}={value}")).collect();
    let head = format!(
        "POST /api/rooms/{room}/files?name=half.bin HTTP/1.1\r\nhost: {address}\r\ncookie: {}\r\norigin: {}\r\nsec-fetch-site: same-origin\r\n\
         content-length: {bytes}\r\n\r\n",
        cookies.join("; "),
        server.url
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.write_all(&noise(sent)).await.unwrap();
    socket
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_said_in_words_and_leaves_nothing() {
    let (server, ada, _bob, room) = kitchen(On::Sqlite).await;
    let before = uploads(&ada, &room, "before.bin", noise(MIB)).await;
    let limit = |most: Option<u64>| prlimit(Some(server.pid()), Resource::Fsize, Rlimit { current: most, maximum: None }).unwrap();
    let database = std::fs::metadata(server.data().join("parlor.db-wal")).map_or(0, |file| file.len()).max(4 * MIB as u64);
    limit(Some(database));
    let page = tries_to_upload(&ada, &room, "more.bin", noise(8 * MIB)).await;
    assert_eq!((page.status, page.code().as_str()), (507, "disk_full"), "{}", page.body);
    eventually("nothing is left", async || (arriving(&server) == 0).then_some(())).await;
    assert_eq!(on_disk(&server).len(), 1);
    limit(None);
    let after = uploads(&ada, &room, "more.bin", noise(8 * MIB)).await;
    says_with(&ada, &room, "Both", &[&before, &after]).await;
}

/// A browser that sends what is refused hears why, over the very connection on which it still sends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_still_sends_hears_the_refusal() {
    let (server, ada, _bob, room) = kitchen(On::Sqlite).await;
    let mut socket = begins_upload(&server, &ada, &room, 30 * MIB, MIB).await;
    for _ in 0..29 {
        socket.write_all(&vec![1; MIB]).await.expect("the server reads on");
    }
    let mut answer = vec![0; 12];
    timeout(PATIENCE, socket.read_exact(&mut answer)).await.expect("it answers").unwrap();
    assert_eq!(String::from_utf8_lossy(&answer), "HTTP/1.1 413");
}
