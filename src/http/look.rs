//! How a reader's pages look: the language and the colours, by what the browser asks for or by choice. The choice is kept in two cookies,
//! so that it holds in front of the door as well, and for this browser alone.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::accounts::safe_path;
use super::client::Client;
use super::extract::Fields;
use crate::view::{Look, Theme};
use crate::words::{Lang, Words};

const LANG: &str = "parlor_lang";
const THEME: &str = "parlor_theme";
/// How long a choice is kept, in seconds: as long as browsers keep anything.
const KEPT: u32 = 400 * 24 * 60 * 60;

/// What the headers of a request say.
pub fn of(headers: &HeaderMap) -> Look {
    let accepted = || headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).map(Lang::accepted).unwrap_or_default();
    Look {
        w: Words(cookie(headers, LANG).and_then(Lang::of_tag).unwrap_or_else(accepted)),
        theme: cookie(headers, THEME).and_then(Theme::named).unwrap_or_default(),
    }
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(found, _)| *found == name).map(|(_, value)| value).next()
}

impl<S: Sync> FromRequestParts<S> for Look {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(of(&parts.headers))
    }
}

#[derive(Debug, Deserialize)]
pub struct Choice {
    /// A tag that the interface speaks; anything else goes back to what the browser asks for.
    lang: Option<String>,
    /// `light` or `dark`; anything else goes with the system.
    theme: Option<String>,
    /// Where the form was.
    next: Option<String>,
}

/// `POST /look`: keeps what was chosen and goes back. What the form does not name stays as it is.
pub async fn choose(client: Client, headers: HeaderMap, Fields(choice): Fields<Choice>) -> Response {
    let mut response = Redirect::to(safe_path(choice.next.as_deref().or(came_from(&headers).as_deref()))).into_response();
    let lang = choice.lang.map(|tag| (LANG, Lang::of_tag(&tag).map(Lang::tag)));
    let theme = choice.theme.map(|name| (THEME, Theme::named(&name).and_then(Theme::chosen)));
    for (name, value) in [lang, theme].into_iter().flatten() {
        let secure = if client.secure { "; Secure" } else { "" };
        let age = if value.is_some() { KEPT } else { 0 };
        let line = format!("{name}={}; Path=/; Max-Age={age}; SameSite=Lax{secure}", value.unwrap_or_default());
        // Names and values are constants of ours.
        if let Ok(line) = HeaderValue::from_str(&line) {
            response.headers_mut().append(header::SET_COOKIE, line);
        }
    }
    response
}

/// The page of ours that the form stood on: its path alone, whatever host it names.
fn came_from(headers: &HeaderMap) -> Option<String> {
    let page = url::Url::parse(headers.get(header::REFERER)?.to_str().ok()?).ok()?;
    Some(page[url::Position::BeforePath..url::Position::AfterQuery].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_goes_before_what_the_browser_asks_for() {
        let look = |pairs: &[(header::HeaderName, &'static str)]| {
            of(&pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect())
        };
        assert_eq!(look(&[]), Look::default());
        assert_eq!(look(&[(header::ACCEPT_LANGUAGE, "zh-CN")]).w.0, Lang::Zh);
        let chosen = look(&[(header::ACCEPT_LANGUAGE, "zh-CN"), (header::COOKIE, "id=1; parlor_lang=en; parlor_theme=dark")]);
        assert_eq!((chosen.w.0, chosen.theme), (Lang::En, Theme::Dark));
        assert_eq!(look(&[(header::ACCEPT_LANGUAGE, "zh"), (header::COOKIE, "parlor_lang=rubbish; parlor_theme=pink")]).w.0, Lang::Zh);
    }
}
