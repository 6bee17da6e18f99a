//! Styles, scripts and icons, from inside the binary, under addresses that change with their content and are kept for ever.
//!
//! Everything is read once, and packed at most once in each coding, when the first reader asks for it so. `css/all.css` names the style
//! sheets in their order; what is served under its name is all of them in one: a page's first paint waits for one answer, not for a dozen.
//! A script is served with all the modules that it imports in it (`script.rs`). Comments stay here. The few words that styles show are in
//! it too, in all languages, from the catalogue.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use bytes::Bytes;
use rust_embed::RustEmbed;
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;
use tracing::error;

use super::compress::{Coding, pack_well};
use super::error::{Answer, Trouble};
use super::security::MerePart;
use super::{script, strip};
use crate::words::{Lang, Words};

/// The sheet whose imports are put into it.
const ALL_STYLES: &str = "css/all.css";

/// The sheet that is made here.
const WORDS: &str = "words.css";

/// The scripts that pages name; what else there is travels inside them.
const PAGES_ASK_FOR: [&str; 4] = ["door.js", "offline.js", "room.js", "worker.js"];

#[derive(RustEmbed)]
#[folder = "assets/"]
struct Files;

/// One file as it is served.
struct Asset {
    kind: &'static str,
    source: Bytes,
    /// The file's name, if it is a script: then more goes out than stands in it.
    script: Option<String>,
    ready: OnceCell<Ready>,
    gzip: OnceCell<Bytes>,
    brotli: OnceCell<Bytes>,
}

/// What goes out, not packed.
struct Ready {
    bytes: Bytes,
    /// The beginning of a hash over it.
    hash: String,
}

struct Assets {
    files: BTreeMap<String, Asset>,
    build: String,
}

static ASSETS: LazyLock<Assets> = LazyLock::new(Assets::read);

impl Assets {
    fn read() -> Self {
        let mut files = BTreeMap::new();
        let mut hash = Sha256::new();
        let names: BTreeSet<_> = Files::iter().collect();
        for name in names {
            // Settings of the editors' type checker lie beside the scripts and are nobody's business.
            let Some(kind) = kind(&name) else { continue };
            let Some(file) = Files::get(&name) else { continue };
            let source: Bytes = match name.ends_with(".css") {
                true => strip::style(&with_imports(&String::from_utf8_lossy(&file.data))).into(),
                false => file.data.into_owned().into(),
            };
            hash.update(name.as_bytes());
            hash.update(Sha256::digest(&source));
            let script = name.strip_prefix("js/").map(str::to_owned);
            let asset = Asset { kind, source, script, ready: OnceCell::new(), gzip: OnceCell::new(), brotli: OnceCell::new() };
            files.insert(name.into_owned(), asset);
        }
        Self { files, build: hex(&hash.finalize()) }
    }
}

fn hex(hash: &[u8]) -> String {
    hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

fn kind(path: &str) -> Option<&'static str> {
    match path.rsplit_once('.')?.1 {
        "css" => Some("text/css; charset=utf-8"),
        "js" => Some("text/javascript; charset=utf-8"),
        "svg" => Some("image/svg+xml"),
        "png" => Some("image/png"),
        _ => None,
    }
}

/// A style sheet with each `@import "other.css";` on a line of its own replaced by that sheet.
fn with_imports(sheet: &str) -> String {
    let imported = |line: &str| {
        let name = line.trim().strip_prefix("@import \"")?.strip_suffix("\";")?.to_owned();
        if name == WORDS {
            return Some(said_by_styles());
        }
        let file = Files::get(&format!("css/{name}"))?;
        Some(String::from_utf8_lossy(&file.data).into_owned())
    };
    sheet.lines().map(|line| imported(line).unwrap_or_else(|| line.to_owned()) + "\n").collect()
}

/// What styles show in words, each as a custom property in each language: markup that is stored once for readers of all languages is named
/// by them, without script too.
fn said_by_styles() -> String {
    let one = |lang: Lang| {
        let w = Words(lang);
        // The number is the style sheet's to count.
        let counted = w.show_all_lines("\0");
        let (before, after) = counted.split_once('\0').unwrap_or((&counted, ""));
        format!(
            ":root:lang({}) {{ --word-all: {} counter(line) {}; --word-less: {}; --word-back: {}; }}",
            lang.tag(),
            quoted(before),
            quoted(after),
            quoted(w.show_less()),
            quoted(w.back_to_text()),
        )
    };
    format!("@layer tokens {{ {} }}", Lang::ALL.map(one).join(" "))
}

/// A string of CSS.
fn quoted(text: &str) -> String {
    let text: String = text.chars().flat_map(|c| matches!(c, '"' | '\\').then_some('\\').into_iter().chain([c])).collect();
    format!("\"{text}\"")
}

/// Names this set of assets: the beginning of a hash over all of them.
pub fn build() -> &'static str {
    &ASSETS.build
}

/// The text of a script, whole.
pub async fn script(path: &str) -> Option<String> {
    let asset = ASSETS.files.get(path)?;
    Some(String::from_utf8_lossy(&asset.ready().await.bytes).into_owned())
}

/// The source of a module by its file's name.
fn module(name: &str) -> Option<String> {
    ASSETS.files.get(&format!("js/{name}")).map(|asset| String::from_utf8_lossy(&asset.source).into_owned())
}

/// Addresses of everything that a page may ask for in this build: what a browser that has no network still needs.
pub fn shell() -> impl Iterator<Item = String> {
    let wanted = |path: &str| match path.split_once('/') {
        Some(("css", _)) => path == ALL_STYLES,
        Some(("js", script)) => PAGES_ASK_FOR.contains(&script),
        _ => true,
    };
    ASSETS.files.keys().filter(move |path| wanted(path)).map(|path| format!("/assets/{}/{path}", build()))
}

impl Asset {
    /// What goes out. Scripts are put together when somebody asks for them first, beside everything else: it takes a while.
    async fn ready(&'static self) -> &'static Ready {
        let make = || async move {
            let whole = match &self.script {
                None => None,
                Some(name) => tokio::task::spawn_blocking(move || script::whole(name, &module)).await.ok(),
            };
            let bytes = match whole {
                None => self.source.clone(),
                Some(Ok(whole)) => whole.into(),
                Some(Err(why)) => {
                    // A test over all scripts says so first. The module as it is works too, with a request for each of its imports.
                    error!(%why, "a script cannot be put together");
                    self.source.clone()
                }
            };
            Ready { hash: hex(&Sha256::digest(&bytes)), bytes }
        };
        self.ready.get_or_init(make).await
    }

    /// Its bytes in this coding; as they are if that is not worth it.
    async fn packed(&'static self, coding: Coding) -> (Coding, Bytes) {
        let ready = self.ready().await;
        let kept = match coding {
            Coding::Brotli => &self.brotli,
            Coding::Gzip => &self.gzip,
            Coding::Identity => return (Coding::Identity, ready.bytes.clone()),
        };
        let pack = || async move {
            let packed = tokio::task::spawn_blocking(move || pack_well(&ready.bytes, coding)).await;
            packed.ok().flatten().filter(|packed| packed.len() < ready.bytes.len()).unwrap_or_else(|| ready.bytes.clone())
        };
        let bytes = kept.get_or_init(pack).await.clone();
        match bytes.len() < ready.bytes.len() {
            true => (coding, bytes),
            false => (Coding::Identity, bytes),
        }
    }
}

/// An asset. An address of another build gets the present file too, but is not kept: a page from before an upgrade still works.
pub async fn serve(Path((build_name, path)): Path<(String, String)>, headers: HeaderMap) -> Answer<Response> {
    let asset = ASSETS.files.get(&path).ok_or_else(Trouble::not_found)?;
    let keep = if build_name == build() { "public, max-age=31536000, immutable" } else { "no-cache" };
    let (coding, bytes) = asset.packed(Coding::asked(&headers)).await;
    let name = coding.name();
    let tag = format!("\"{}-{}\"", asset.ready().await.hash, name.as_ref().and_then(|name| name.to_str().ok()).unwrap_or("id"));
    let is_known = headers.get(header::IF_NONE_MATCH).and_then(|known| known.to_str().ok()).is_some_and(|known| knows(known, &tag));
    let mut response = match is_known {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => {
            let mut response = bytes.into_response();
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.kind));
            response.headers_mut().extend(name.map(|name| (header::CONTENT_ENCODING, name)));
            response
        }
    };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    if asset.kind.starts_with("text/") && !path.ends_with("worker.js") {
        response.extensions_mut().insert(MerePart);
    }
    response.headers_mut().extend(HeaderValue::from_str(&tag).ok().map(|tag| (header::ETAG, tag)));
    Ok(response)
}

/// Whether `If-None-Match` names this tag, also one that a proxy has made weak.
fn knows(said: &str, tag: &str) -> bool {
    said.split(',').map(str::trim).any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}

pub async fn favicon() -> Redirect {
    Redirect::temporary(&format!("/assets/{}/icons/parlor.svg", build()))
}
