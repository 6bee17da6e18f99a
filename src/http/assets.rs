//! Styles, scripts and icons, from inside the binary, under addresses that change with their content and are kept for ever.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use rust_embed::RustEmbed;
use sha2::{Digest, Sha256};

use super::error::{Answer, Trouble};

#[derive(RustEmbed)]
#[folder = "assets/"]
struct Files;

/// Names this set of assets: the beginning of a hash over all of them.
pub fn build() -> &'static str {
    static BUILD: LazyLock<String> = LazyLock::new(|| {
        let mut names: Vec<_> = Files::iter().collect();
        names.sort();
        let mut hash = Sha256::new();
        for name in names {
            hash.update(name.as_bytes());
            hash.update(Files::get(&name).map(|file| file.metadata.sha256_hash()).unwrap_or_default());
        }
        hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
    });
    &BUILD
}

/// An asset. An address of another build gets the present file too, but is not kept: a page from before an upgrade still works.
pub async fn serve(Path((build_name, path)): Path<(String, String)>) -> Answer<Response> {
    // Settings of the editors' type checker lie beside the scripts and are nobody's business.
    let file = Files::get(&path).filter(|_| !path.ends_with(".json")).ok_or_else(Trouble::not_found)?;
    let kind = match path.rsplit_once('.').map(|(_, ending)| ending) {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        _ => "application/octet-stream",
    };
    let keep = if build_name == build() { "public, max-age=31536000, immutable" } else { "no-cache" };
    let headers = [(header::CONTENT_TYPE, HeaderValue::from_static(kind)), (header::CACHE_CONTROL, HeaderValue::from_static(keep))];
    Ok((headers, file.data.into_owned()).into_response())
}

pub async fn favicon() -> Redirect {
    Redirect::temporary(&format!("/assets/{}/icons/parlor.svg", build()))
}
