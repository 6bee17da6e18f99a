//! The web: every route on one screen, and the short stack of layers around them. The only place that knows axum, cookies and status codes.
//!
//! A handler is a sentence: extract, call one verb of `chat`, answer. What goes wrong is a `Trouble` (`error.rs`), which becomes a
//! page or JSON at the very edge. Pages work without script; the script uses the same JSON API as every program.

pub mod accept;
mod accounts;
mod api;
mod assets;
mod client;
mod commands;
mod compress;
mod connection;
mod error;
mod extract;
mod files;
mod health;
mod icon;
mod install;
mod live;
mod look;
mod members;
mod messages;
mod outflow;
mod page;
mod people;
mod reactions;
mod reading;
mod rooms;
mod saw;
mod script;
mod search;
mod security;
mod session;
mod stream_check;
mod strip;
pub mod tls;
mod uploads;
mod usage;
mod watch;
mod wire;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{delete, get, patch, post, put};
use tokio_util::sync::CancellationToken;
use tower_http::csrf::CsrfLayer;

use crate::chat::Chat;
use crate::live::Hub;

pub use client::Proxies;

/// Largest body of a form or a call, in bytes.
const BODY_BYTES: usize = 256 * 1024;

/// What every handler may need. Cheap to clone.
#[derive(Clone)]
pub struct Site(Arc<Parts>);

pub struct Parts {
    pub chat: Chat,
    pub hub: Hub,
    /// Where the site is reached from outside, for links; nothing if that is to be taken from each request.
    pub public_url: Option<String>,
    pub proxies: Proxies,
    /// Opens the set-up page to whoever is not on this machine.
    pub setup_key: String,
    /// Cancelled when the server begins to shut down.
    pub stopping: CancellationToken,
    pub checks: stream_check::Open,
}

impl Site {
    pub fn new(chat: Chat, hub: Hub, public_url: Option<String>, proxies: Proxies, setup_key: String, stopping: CancellationToken) -> Self {
        Self(Arc::new(Parts { chat, hub, public_url, proxies, setup_key, stopping, checks: stream_check::Open::default() }))
    }
}

impl std::ops::Deref for Site {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// All routes and layers. Serve it with the peers' addresses (`axum::extract::ConnectInfo<SocketAddr>`).
pub fn router(site: Site) -> Router {
    let pages = Router::new()
        .route("/", get(rooms::home))
        .route("/setup", get(accounts::setup_page).post(accounts::set_up))
        .route("/sign-in", get(accounts::sign_in_page).post(accounts::sign_in))
        .route("/sign-out", post(accounts::sign_out))
        .route("/look", post(look::choose))
        .route("/invite/{secret}", get(accounts::join_page).post(accounts::accept_invite))
        .route("/account", get(accounts::account_page))
        .route("/account/password", post(accounts::change_password))
        .route("/account/sessions/{id}/end", post(accounts::end_session))
        .route("/account/tokens/{id}/revoke", post(accounts::revoke_token))
        .route("/search", get(search::page))
        .route("/people", get(people::page))
        .route("/people/invites", post(people::add_invite))
        .route("/people/invites/{id}/revoke", post(people::revoke_invite))
        .route("/people/{id}/talk", post(reading::talk_form))
        .route("/people/{id}/disable", post(people::disable))
        .route("/people/{id}/enable", post(people::enable))
        .route("/usage", get(usage::page))
        .route("/rooms", get(rooms::list).post(rooms::add))
        .route("/rooms/{room}", get(rooms::show))
        .route("/rooms/{room}/join", post(rooms::join))
        .route("/rooms/{room}/leave", post(rooms::leave))
        .route("/rooms/{room}/read", post(reading::read_form))
        .route("/rooms/{room}/favourite", post(reading::favourite_form))
        .route("/rooms/{room}/settings", get(rooms::settings).post(rooms::change))
        .route("/rooms/{room}/members", get(members::page).post(rooms::add_member))
        .route("/rooms/{room}/members/{person}/remove", post(rooms::remove_member))
        .route("/rooms/{room}/assistants", post(rooms::put_assistant))
        .route("/rooms/{room}/assistants/{assistant}/remove", post(rooms::take_assistant))
        .route("/rooms/{room}/messages", post(messages::post))
        .route("/rooms/{room}/messages/{id}", get(messages::show))
        .route("/rooms/{room}/messages/{id}/watch", get(watch::reply))
        .route("/rooms/{room}/messages/{id}/saw", get(saw::page))
        .route("/rooms/{room}/messages/{id}/reactions", post(reactions::form))
        .route("/rooms/{room}/messages/{id}/edit", post(messages::edit))
        .route("/rooms/{room}/messages/{id}/delete", post(messages::delete))
        .route("/rooms/{room}/messages/{id}/stop", post(messages::stop))
        .route("/rooms/{room}/messages/{id}/retry", post(messages::retry))
        .route("/rooms/{room}/messages/{id}/continue", post(messages::continue_reply))
        .layer(from_fn(security::pages_are_private));
    let api = Router::new()
        .route("/me", get(api::me))
        .route("/search", get(search::call))
        .route("/people", get(members::people))
        .route("/rooms", get(api::rooms).post(api::add_room))
        .route("/rooms/{room}", get(api::room).patch(api::change_room))
        .route("/rooms/{room}/files", post(uploads::upload))
        .route("/rooms/{room}/files/{id}", delete(uploads::discard))
        .route("/rooms/{room}/messages", get(api::messages).post(api::post))
        .route("/rooms/{room}/messages/{id}", get(api::message).patch(api::edit).delete(api::delete))
        .route("/rooms/{room}/messages/{id}/saw", get(saw::call))
        .route("/rooms/{room}/commands", post(commands::post))
        .route("/rooms/{room}/messages/{id}/reactions", post(reactions::call))
        .route("/rooms/{room}/messages/{id}/stop", post(api::stop))
        .route("/rooms/{room}/messages/{id}/retry", post(api::retry))
        .route("/rooms/{room}/messages/{id}/continue", post(api::continue_reply))
        .route("/rooms/{room}/read", post(reading::read))
        .route("/rooms/{room}/favourite", put(reading::add_favourite).delete(reading::remove_favourite))
        .route("/rooms/{room}/typing", post(reading::typing))
        .route("/people/{person}/talk", post(reading::talk))
        .route("/rooms/{room}/members", get(api::members).post(api::add_member))
        .route("/rooms/{room}/members/{person}", delete(api::remove_member))
        .route("/rooms/{room}/assistants/{assistant}", patch(api::put_assistant).delete(api::take_assistant))
        .route("/rooms/{room}/live", get(live::room))
        .fallback(error::no_such_call)
        .layer(from_fn(security::pages_are_private));
    // `Origin` and `Sec-Fetch-Site` decide which writes come from our own pages; programs send neither.
    let csrf = CsrfLayer::new().with_rejection_response(security::cross_site);
    Router::new()
        .merge(pages)
        .nest("/api", api)
        .route("/rooms/{room}/files/{id}/{name}", get(files::show))
        .route("/rooms/{room}/live", get(live::room))
        .route("/live", get(live::several))
        .fallback(error::not_found)
        .layer(from_fn_with_state(site.clone(), error::with_rooms))
        .layer(session::layer(&site))
        .layer(from_fn_with_state(site.clone(), compress::pages))
        .route("/web/StreamChat", get(stream_check::stream))
        .route("/web/stream-chat", get(stream_check::page))
        .route("/assets/{build}/{*path}", get(assets::serve))
        .route("/favicon.ico", get(assets::favicon))
        .route("/emoji/{name}", get(reactions::emoji))
        .route("/manifest.webmanifest", get(install::manifest))
        .route("/icons/{name}", get(install::icon))
        .route("/apple-touch-icon.png", get(install::apple_touch_icon))
        .route("/service-worker.js", get(install::service_worker))
        .route("/offline", get(install::offline))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(csrf)
        .layer(from_fn(security::headers))
        .layer(from_fn_with_state(site.clone(), client::identify))
        .layer(from_fn_with_state(site.clone(), error::at_the_edge))
        .with_state(site)
}
