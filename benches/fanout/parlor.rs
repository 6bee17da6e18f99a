//! Parlor itself: the release binary on a data folder of its own, with people, rooms and an assistant made through its front door. Streams
//! are opened as browsers do: with a session's cookie, from a cursor, in the HTML view.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

use serde_json::json;

use crate::load::{self, Ask, Post};
use crate::process::Server;
use crate::template::Template;
use crate::web::{self, call};
use crate::{REPLIES, VIEWERS};

/// Nobody may have more streams than this open at once.
const STREAMS_PER_PERSON: usize = 32;

pub struct Parlor {
    pub address: SocketAddr,
    room: String,
    /// Rooms in which the assistant answers everything.
    asking: Vec<String>,
    /// The people's cookies.
    people: Rc<[String]>,
    /// Where streams that are opened now begin.
    cursor: Rc<RefCell<String>>,
}

/// The binary: the one built with this, or another.
pub fn program() -> PathBuf {
    std::env::var_os("PARLOR_PROGRAM").map_or_else(|| option_env!("CARGO_BIN_EXE_parlor").unwrap_or("parlor").into(), PathBuf::from)
}

fn command(data: &Path) -> Command {
    let mut command = Command::new(program());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PARLOR_")) {
        command.env_remove(name);
    }
    command.arg("--data").arg(data);
    command
}

fn serve(folder: &Path, data: &Path) -> Result<(Server, Vec<String>), String> {
    let mut serve = command(data);
    // The people come from many addresses, of which the server must hear.
    serve
        .args(["serve", "--listen", "127.0.0.1:0", "--model", "off", "--posts-per-minute", "10000000"])
        .args(["--trusted-proxies", "127.0.0.1"]);
    Server::start(serve, &folder.join("parlor.log"), "Parlor is ready: ")
}

/// Where a server listens, from what it said.
fn place(said: &[String]) -> Result<(&str, SocketAddr), String> {
    let origin = said.first().ok_or("no address")?;
    let address = origin.trim_start_matches("http://").parse().map_err(|_| format!("{origin} is no address"))?;
    Ok((origin, address))
}

impl Parlor {
    /// A server with as many people in a room as it takes to follow it with so many streams.
    pub fn start(folder: &Path, streams: usize, provider: SocketAddr) -> Result<(Server, Self), String> {
        let data = folder.join("parlor");
        let (server, said) = serve(folder, &data)?;
        let (origin, address) = place(&said)?;
        let setup = said.iter().find_map(|line| line.strip_prefix("Make the first account: ")?.strip_prefix(origin));
        let owner = sign_up(address, setup.ok_or("no set-up link")?, "Ada", 0)?;
        let room = add_room(address, &owner, "Fan-out")?;

        let people = streams.div_ceil(STREAMS_PER_PERSON).max(VIEWERS).max(load::LANES);
        let invited = command(&data).args(["--json", "invite", "--uses", &people.to_string(), "--room", &room]).output();
        let invited = invited.map_err(|error| error.to_string())?;
        let link = serde_json::from_slice::<serde_json::Value>(&invited.stdout)
            .map_err(|_| format!("no invitation: {}", String::from_utf8_lossy(&invited.stderr)))?;
        let link = link["link"].as_str().and_then(|link| link.strip_prefix(origin)).ok_or("no link")?.to_owned();
        let people = in_parallel(people, |number| sign_up(address, &link, &format!("Guest {number}"), number))?;

        let added = command(&data)
            .args(["--json", "assistant", "add", "helper", "--base-url", &format!("http://{provider}/v1"), "--model", "scripted"])
            .output()
            .map_err(|error| error.to_string())?;
        let assistant = serde_json::from_slice::<serde_json::Value>(&added.stdout)
            .map_err(|_| format!("no assistant: {}", String::from_utf8_lossy(&added.stderr)))?;
        let assistant = assistant["id"].as_str().ok_or("no assistant")?.to_owned();
        let asking = in_parallel(REPLIES, |number| {
            let room = add_room(address, &owner, &format!("Reply {number}"))?;
            let path = format!("/api/rooms/{room}/assistants/{assistant}");
            call(address, "PATCH", &path, &json_of(&owner), r#"{"speaks":"always"}"#)?.expect(200)?;
            Ok(room)
        })?;
        in_parallel(REPLIES * VIEWERS, |number| {
            let path = format!("/api/rooms/{}/members", asking[number % REPLIES]);
            call(address, "POST", &path, &json_of(&people[number / REPLIES]), "{}")?.expect(201)
        })?;
        // Making accounts takes memory that streams would find free afterwards: what is measured is a server that has just begun.
        drop(server);
        let (server, said) = serve(folder, &data)?;
        let (_, address) = place(&said)?;
        Ok((server, Self { address, room, asking, people: people.into(), cursor: Rc::default() }))
    }

    /// A frame of a message of 200 bytes, as browsers get it.
    pub fn template(&self) -> Result<Template, String> {
        self.mark_place()?;
        let words = json!({ "text": load::text(&load::mark(0, 0)) }).to_string();
        let path = format!("/live?at={}&view=html", self.cursor.borrow());
        let post = || call(self.address, "POST", &self.messages(), &json_of(&self.people[0]), &words)?.expect(201).map(drop);
        Template::new(web::first_frame(self.address, &path, &cookie(&self.people[0]), "message", post)?.as_bytes())
    }

    /// From now on streams are opened from here.
    pub fn mark_place(&self) -> Result<(), String> {
        *self.cursor.borrow_mut() = cursor(self.address, &self.people[0], &self.room)?;
        Ok(())
    }

    fn messages(&self) -> String {
        format!("/api/rooms/{}/messages", self.room)
    }

    pub fn ask(&self) -> Ask {
        let (people, cursor, address) = (self.people.clone(), self.cursor.clone(), self.address);
        Rc::new(move |stream| {
            let person = cookie(&people[stream % people.len()]);
            format!("GET /live?at={}&view=html HTTP/1.1\r\nhost: {address}\r\n{person}accept: text/event-stream\r\n\r\n", cursor.borrow())
        })
    }

    pub fn post(&self) -> Post {
        let (people, path, address) = (self.people.clone(), self.messages(), self.address);
        Rc::new(move |lane, text| {
            let body = format!(r#"{{"text":"{text}"}}"#);
            let head =
                format!("POST {path} HTTP/1.1\r\nhost: {address}\r\n{}content-length: {}\r\n\r\n", json_of(&people[lane]), body.len());
            head + &body
        })
    }

    /// Opens streams of the first so many rooms in which the assistant answers, from where they are now.
    pub fn ask_replies(&self, rooms: usize) -> Result<Ask, String> {
        let asking = self.asking.iter().take(rooms);
        let cursors = asking.map(|room| cursor(self.address, &self.people[0], room)).collect::<Result<Vec<_>, _>>()?;
        let (people, address) = (self.people.clone(), self.address);
        Ok(Rc::new(move |stream| {
            let (person, cursor) = (cookie(&people[stream / rooms]), &cursors[stream % rooms]);
            format!("GET /live?at={cursor}&view=html HTTP/1.1\r\nhost: {address}\r\n{person}accept: text/event-stream\r\n\r\n")
        }))
    }

    /// Puts the questions, spread over the first so many rooms.
    pub fn question(&self, rooms: usize) -> Result<(), String> {
        for reply in 0..REPLIES {
            let path = format!("/api/rooms/{}/messages", self.asking[reply % rooms]);
            call(self.address, "POST", &path, &json_of(&self.people[0]), r#"{"text":"How is it done?"}"#)?.expect(201)?;
        }
        Ok(())
    }
}

fn cookie(person: &str) -> String {
    format!("cookie: {person}\r\n")
}

fn json_of(person: &str) -> String {
    format!("cookie: {person}\r\ncontent-type: application/json\r\n")
}

/// Makes an account with the form behind a link; gives its cookie. Each comes from an address of its own.
fn sign_up(address: SocketAddr, link: &str, name: &str, number: usize) -> Result<String, String> {
    let headers =
        format!("content-type: application/x-www-form-urlencoded\r\nx-forwarded-for: 10.0.{}.{}\r\n", number / 250, number % 250 + 1);
    let key = link.split_once("?key=").map(|(_, key)| format!("&key={key}")).unwrap_or_default();
    let form = format!("name={}&password=correct+horse+battery{key}", name.replace(' ', "+"));
    let answer = call(address, "POST", link, &headers, &form)?.expect(303)?;
    answer.cookie().ok_or_else(|| format!("no cookie for {name}"))
}

fn add_room(address: SocketAddr, owner: &str, name: &str) -> Result<String, String> {
    let room = call(address, "POST", "/api/rooms", &json_of(owner), &json!({ "name": name }).to_string())?.expect(201)?.json()?;
    room["id"].as_str().map(str::to_owned).ok_or_else(|| format!("no room: {room}"))
}

fn cursor(address: SocketAddr, person: &str, room: &str) -> Result<String, String> {
    let room = call(address, "GET", &format!("/api/rooms/{room}"), &cookie(person), "")?.expect(200)?.json()?;
    room["cursor"].as_str().map(str::to_owned).ok_or_else(|| format!("no cursor: {room}"))
}

/// Does it for each number, a few at a time.
fn in_parallel<T: Send>(count: usize, work: impl Fn(usize) -> Result<T, String> + Sync) -> Result<Vec<T>, String> {
    const AT_ONCE: usize = 8;
    let work = &work;
    let share =
        |begin: usize| (begin..count).step_by(AT_ONCE).map(move |number| Ok((number, work(number)?))).collect::<Result<Vec<_>, String>>();
    let mut all = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE).map(|begin| scope.spawn(move || share(begin))).collect();
        let shares = threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err("a thread broke".into())));
        shares.collect::<Result<Vec<_>, _>>().map(|shares| shares.into_iter().flatten().collect::<Vec<_>>())
    })?;
    all.sort_by_key(|(number, _)| *number);
    Ok(all.into_iter().map(|(_, made)| made).collect())
}
