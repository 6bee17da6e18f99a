//! Somebody at a browser, or a program with a token: cookies, forms, calls and streams, as the product is used.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Once};

use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Client, ClientBuilder, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::stream::{Refused, Stream};
use super::{PATIENCE, encoded, new_id};

/// Somebody who uses a server. Cheap to clone; clones share cookies.
#[derive(Clone)]
pub struct Person {
    /// Empty until somebody is signed in.
    pub id: String,
    pub name: String,
    base: String,
    client: Client,
    cookies: Arc<Mutex<BTreeMap<String, String>>>,
    token: Option<String>,
    /// Sent with each request, such as what a proxy adds.
    extra: HeaderMap,
}

/// An answer that was read whole.
#[derive(Clone, Debug)]
pub struct Page {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Page {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("this is no JSON ({error}): {} {}", self.status, self.body))
    }

    /// The error's stable code.
    pub fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_else(|| panic!("no error's code: {}", self.body)).to_owned()
    }

    /// The JSON of a call that went well.
    pub fn ok(&self) -> Value {
        assert!((200..300).contains(&self.status), "{}: {}", self.status, self.body);
        self.json()
    }

    /// Goes where a redirection points, as far as it leads.
    pub async fn follow(self, person: &Person) -> Self {
        let mut page = self;
        for _ in 0..10 {
            match page.header("location").to_owned() {
                to if to.is_empty() => return page,
                to => page = person.get(&to).await,
            }
        }
        panic!("redirections without an end")
    }

    /// The text between the first `before` and the next `after`.
    pub fn between(&self, before: &str, after: &str) -> &str {
        let (_, rest) = self.body.split_once(before).unwrap_or_else(|| panic!("no {before:?} in {}", self.body));
        rest.split_once(after).unwrap_or_else(|| panic!("no {after:?} after {before:?}")).0
    }
}

impl Person {
    /// Somebody whom the server does not know.
    pub fn stranger(base: &str) -> Self {
        Self::with_client(base, |client| client)
    }

    /// The same at a server with TLS, believing this certificate (PEM) alone.
    pub fn stranger_over_tls(base: &str, certificate: &str) -> Self {
        let certificate = reqwest::Certificate::from_pem(certificate.as_bytes()).expect("a certificate");
        Self::with_client(base, |client| client.tls_certs_only([certificate]))
    }

    fn with_client(base: &str, set: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Self {
        static PROVIDER: Once = Once::new();
        PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
        let client = Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
        let client = set(client).build().expect("a client can be made");
        Self {
            id: String::new(),
            name: String::new(),
            base: base.to_owned(),
            client,
            cookies: Arc::default(),
            token: None,
            extra: HeaderMap::new(),
        }
    }

    /// A program with a bearer token.
    pub fn program(base: &str, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..Self::stranger(base) }
    }

    /// The same with a header in each request.
    pub fn with_header(mut self, name: &'static str, value: &str) -> Self {
        self.extra.insert(name, HeaderValue::from_str(value).unwrap());
        self
    }

    /// With id and name, as the server knows this person.
    pub async fn known(self) -> Self {
        let me = self.call(Method::GET, "/api/me", None).await.ok();
        Self { id: text(&me["id"]), name: text(&me["name"]), ..self }
    }

    /// A request with this person's cookies or token. `path` may be a whole address of this server.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let path = path.strip_prefix(&self.base).unwrap_or(path);
        let reads = matches!(method, Method::GET | Method::HEAD);
        // A fragment stays in the browser.
        let path = path.split('#').next().unwrap_or_default();
        let mut request = self.client.request(method, format!("{}{path}", self.base)).headers(self.extra.clone());
        if let Some(token) = &self.token {
            return request.bearer_auth(token);
        }
        let cookies: Vec<String> = self.cookies.lock().unwrap().iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            request = request.header("cookie", cookies.join("; "));
        }
        // What every browser says of a page's own writes.
        let told = self.extra.contains_key("origin") || self.extra.contains_key("sec-fetch-site");
        match reads || told {
            true => request,
            false => request.header("origin", &self.base).header("sec-fetch-site", "same-origin"),
        }
    }

    pub async fn send(&self, request: RequestBuilder) -> Page {
        let response = timeout(PATIENCE, request.send()).await.expect("the server answers").expect("the server can be reached");
        self.keep_cookies(&response);
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = timeout(PATIENCE, response.text()).await.expect("the answer ends").expect("the answer can be read");
        Page { status, headers, body }
    }

    fn keep_cookies(&self, response: &Response) {
        let mut cookies = self.cookies.lock().unwrap();
        for cookie in response.headers().get_all("set-cookie") {
            let cookie = cookie.to_str().unwrap();
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            match value.is_empty() || cookie.contains("Max-Age=0") {
                true => cookies.remove(name),
                false => cookies.insert(name.to_owned(), value.to_owned()),
            };
        }
    }

    /// The cookies as a browser would send them: for another client that is to be this person.
    pub fn cookies(&self) -> Vec<(String, String)> {
        self.cookies.lock().unwrap().iter().map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    pub fn set_cookie(&self, name: &str, value: &str) {
        self.cookies.lock().unwrap().insert(name.to_owned(), value.to_owned());
    }

    pub async fn get(&self, path: &str) -> Page {
        self.send(self.request(Method::GET, path)).await
    }

    /// Sends a form.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        let request = self.request(Method::POST, path).header("content-type", "application/x-www-form-urlencoded");
        self.send(request.body(encoded(fields))).await
    }

    /// Calls the API.
    pub async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Page {
        let request = self.request(method, path);
        let request = match body {
            Some(body) => request.header("content-type", "application/json").body(body.to_string()),
            None => request,
        };
        self.send(request).await
    }

    // ---- accounts ----

    pub async fn signs_out(&self) -> Page {
        self.post("/sign-out", &[]).await
    }

    /// Makes an invitation on the page for administrators; gives the link's path.
    pub async fn invites(&self, uses: u32) -> String {
        let page = self.post("/people/invites", &[("uses", &uses.to_string()), ("days", "7")]).await;
        assert_eq!(page.status, 200, "{}", page.body);
        format!("/invite/{}", page.between("/invite/", "\""))
    }

    // ---- rooms ----

    pub async fn makes_room(&self, name: &str) -> String {
        let room = self.call(Method::POST, "/api/rooms", Some(json!({ "name": name }))).await.ok();
        text(&room["id"])
    }

    pub async fn makes_private_room(&self, name: &str) -> String {
        let room = self.call(Method::POST, "/api/rooms", Some(json!({ "name": name, "private": true }))).await.ok();
        text(&room["id"])
    }

    pub async fn joins(&self, room: &str) {
        self.call(Method::POST, &format!("/api/rooms/{room}/members"), Some(json!({}))).await.ok();
    }

    pub async fn adds(&self, room: &str, person: &Self) {
        self.call(Method::POST, &format!("/api/rooms/{room}/members"), Some(json!({ "name": person.name }))).await.ok();
    }

    pub async fn removes(&self, room: &str, person: &Self) {
        let page = self.call(Method::DELETE, &format!("/api/rooms/{room}/members/{}", person.id), None).await;
        assert_eq!(page.status, 204, "{}", page.body);
    }

    pub async fn leaves(&self, room: &str) {
        let page = self.post(&format!("/rooms/{room}/leave"), &[]).await;
        assert_eq!(page.status, 303, "{}", page.body);
    }

    /// The room as the API describes it, with its cursor.
    pub async fn room(&self, room: &str) -> Value {
        self.call(Method::GET, &format!("/api/rooms/{room}"), None).await.ok()
    }

    pub async fn cursor(&self, room: &str) -> String {
        text(&self.room(room).await["cursor"])
    }

    // ---- messages ----

    /// Says something; gives the message's id.
    pub async fn says(&self, room: &str, words: &str) -> String {
        self.posts(room, json!({ "id": new_id(), "text": words })).await
    }

    pub async fn replies(&self, room: &str, to: &str, words: &str) -> String {
        self.posts(room, json!({ "id": new_id(), "text": words, "reply_to": to })).await
    }

    async fn posts(&self, room: &str, post: Value) -> String {
        let posted = self.tries_to_post(room, post).await;
        assert_eq!(posted.status, 201, "{}", posted.body);
        text(&posted.json()["id"])
    }

    pub async fn tries_to_post(&self, room: &str, post: Value) -> Page {
        self.call(Method::POST, &format!("/api/rooms/{room}/messages"), Some(post)).await
    }

    pub async fn edits(&self, room: &str, id: &str, words: &str) -> Value {
        self.call(Method::PATCH, &message_path(room, id), Some(json!({ "text": words }))).await.ok()
    }

    pub async fn deletes(&self, room: &str, id: &str) -> Value {
        self.call(Method::DELETE, &message_path(room, id), None).await.ok()
    }

    pub async fn message(&self, room: &str, id: &str) -> Value {
        self.call(Method::GET, &message_path(room, id), None).await.ok()
    }

    /// The latest messages, in order of place.
    pub async fn messages(&self, room: &str) -> Vec<Value> {
        let page = self.call(Method::GET, &format!("/api/rooms/{room}/messages"), None).await.ok();
        page["messages"].as_array().unwrap().clone()
    }

    pub async fn stops(&self, room: &str, id: &str) -> Value {
        self.call(Method::POST, &format!("{}/stop", message_path(room, id)), Some(json!({}))).await.ok()
    }

    pub async fn retries(&self, room: &str, id: &str) -> Value {
        self.call(Method::POST, &format!("{}/retry", message_path(room, id)), Some(json!({}))).await.ok()
    }

    pub async fn continues(&self, room: &str, id: &str) -> Value {
        self.call(Method::POST, &format!("{}/continue", message_path(room, id)), Some(json!({}))).await.ok()
    }

    // ---- live ----

    /// What a tab shows: the room's latest messages and cursor of one state, then its stream from there.
    pub async fn live(&self, room: &str) -> Stream {
        self.live_as(room, "text").await
    }

    /// The same in another view.
    pub async fn live_as(&self, room: &str, view: &str) -> Stream {
        let page = self.call(Method::GET, &format!("/api/rooms/{room}/messages?view={view}"), None).await.ok();
        let cursor = text(&page["cursor"]);
        let mut stream = self.stream(&format!("/rooms/{room}/live?at={cursor}&view={view}")).await;
        stream.loaded(room, page["messages"].as_array().unwrap(), &cursor);
        stream
    }

    /// The stream after a cursor, knowing nothing of what was before it.
    pub async fn live_at(&self, room: &str, cursor: &str) -> Stream {
        let mut stream = self.stream(&format!("/rooms/{room}/live?{}", encoded(&[("at", cursor)]))).await;
        cursor.clone_into(&mut stream.last_event_id);
        stream
    }

    pub async fn stream(&self, path: &str) -> Stream {
        match self.tries_stream(path).await {
            Ok(stream) => stream,
            Err(refused) => panic!("no stream of {path}: {refused:?}"),
        }
    }

    pub async fn tries_stream(&self, path: &str) -> Result<Stream, Refused> {
        self.tries_stream_with(path, &[]).await
    }

    pub async fn tries_stream_with(&self, path: &str, headers: &[(&'static str, &str)]) -> Result<Stream, Refused> {
        let mut request = self.request(Method::GET, path).header("accept", "text/event-stream");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = timeout(PATIENCE, request.send()).await.expect("the server answers").expect("the server can be reached");
        Stream::open(response, &self.name).await
    }
}

pub fn message_path(room: &str, id: &str) -> String {
    format!("/api/rooms/{room}/messages/{id}")
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}
