//! What makes the site something that can be installed and opens without a network: its description, its icons, the service worker and the
//! page that it shows when nothing can be reached. None of it is private: it is the same for everybody.

use std::sync::LazyLock;

use axum::Json;
use axum::extract::{Path, RawQuery};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde_json::json;
use tokio::sync::OnceCell;
use url::form_urlencoded;

use super::assets;
use super::error::{Answer, Trouble};
use super::icon::{self, Ground};
use super::page::show;
use crate::view::{Chrome, Look, OfflinePage, Theme};
use crate::words::{Lang, Words};

/// The ground of a page, as `tokens.css` has it, in the form that systems read.
const PAPER: &str = "#fdfdfb";
/// How long an icon is kept, in seconds: it has one address for all builds, and changes once in years.
const ICON_KEEP: &str = "public, max-age=86400";

/// In which language and colours. The address says it: browsers fetch these without cookies.
/// Whatever else it says is passed over: these are fetched by systems, not by people who could be told.
fn look_of(address: Option<&str>, asks: Look) -> Look {
    let asked = || form_urlencoded::parse(address.unwrap_or_default().as_bytes());
    let lang = asked().filter(|(name, _)| name == "lang").find_map(|(_, tag)| Lang::of_tag(&tag));
    let theme = asked().filter(|(name, _)| name == "theme").find_map(|(_, name)| Theme::named(&name));
    Look { w: lang.map_or(asks.w, Words), theme: theme.unwrap_or(asks.theme) }
}

/// `GET /manifest.webmanifest?lang=…`
pub async fn manifest(look: Look, RawQuery(asked): RawQuery) -> Response {
    let Look { w, .. } = look_of(asked.as_deref(), look);
    let icon =
        |src: String, sizes: &str, kind: &str, purpose: &str| json!({ "src": src, "sizes": sizes, "type": kind, "purpose": purpose });
    let png = |name: &str, size: u32, purpose: &str| icon(format!("/icons/{name}.png"), &format!("{size}x{size}"), "image/png", purpose);
    let manifest = json!({
        // The app stays the same one whatever its first page or language.
        "id": "/",
        "start_url": "/",
        "scope": "/",
        "name": "Parlor",
        "short_name": "Parlor",
        "description": w.app_description(),
        "lang": w.0.tag(),
        "dir": "ltr",
        "display": "standalone",
        "background_color": PAPER,
        "theme_color": PAPER,
        "categories": ["social", "productivity"],
        "icons": [
            icon(format!("/assets/{}/icons/parlor.svg", assets::build()), "any", "image/svg+xml", "any"),
            png("parlor-192", 192, "any"),
            png("parlor-512", 512, "any"),
            png("maskable-192", 192, "maskable"),
            png("maskable-512", 512, "maskable"),
        ],
    });
    let headers = [(header::CONTENT_TYPE, "application/manifest+json"), (header::CACHE_CONTROL, "no-cache")];
    (headers, Json(manifest)).into_response()
}

/// An icon of which a system asks for a PNG, drawn when the first one does.
struct Icon {
    name: &'static str,
    size: u32,
    ground: Ground,
    drawn: OnceCell<Bytes>,
}

static ICONS: LazyLock<[Icon; 5]> = LazyLock::new(|| {
    let icon = |name, size, ground| Icon { name, size, ground, drawn: OnceCell::new() };
    [
        icon("parlor-192.png", 192, Ground::Clear),
        icon("parlor-512.png", 512, Ground::Clear),
        icon("maskable-192.png", 192, Ground::Filled),
        icon("maskable-512.png", 512, Ground::Filled),
        icon("apple-touch-icon.png", 180, Ground::Filled),
    ]
});

/// `GET /icons/{name}`
pub async fn icon(Path(name): Path<String>) -> Answer<Response> {
    let icon = ICONS.iter().find(|icon| icon.name == name).ok_or_else(Trouble::not_found)?;
    let draw = || async {
        let drawn = tokio::task::spawn_blocking(|| icon::png(icon.size, icon.ground)).await;
        drawn.map(Bytes::from).unwrap_or_default()
    };
    let drawn = icon.drawn.get_or_init(draw).await.clone();
    Ok(([(header::CONTENT_TYPE, "image/png"), (header::CACHE_CONTROL, ICON_KEEP)], drawn).into_response())
}

/// `GET /apple-touch-icon.png`, where some look without being told.
pub async fn apple_touch_icon() -> Answer<Response> {
    icon(Path("apple-touch-icon.png".to_owned())).await
}

/// `GET /service-worker.js`: the script, and before it what it has to know of this build. Browsers look here with each visit, past every
/// cache, and take what differs from what they have; so whatever a worker does wrong ends with the next one that is served here.
pub async fn service_worker() -> Answer<Response> {
    let script = assets::script("js/service-worker.js").await.ok_or_else(Trouble::not_found)?;
    let told = json!({ "build": assets::build(), "shell": assets::shell().collect::<Vec<_>>() });
    let headers = [(header::CONTENT_TYPE, "text/javascript; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")];
    Ok((headers, format!("self.parlor = {told};\n{script}")).into_response())
}

/// `GET /offline?lang=…&theme=…`: what a browser shows in place of a page when the server cannot be reached.
pub async fn offline(look: Look, RawQuery(asked): RawQuery) -> Answer<Response> {
    let look = look_of(asked.as_deref(), look);
    let mut response = show(&OfflinePage { chrome: Chrome::outside(assets::build(), look) })?;
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}
