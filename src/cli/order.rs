//! What the command line can ask for: the same order is carried out here, on the database, or by the server that holds it.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::chat::Chat;
use crate::chat::assistants::NewAssistant;
use crate::domain::Millis;
use crate::domain::assistant::Speaks;
use crate::model::files::{Added, Installed};

/// One thing to do. It may hold a password: it is never logged, and has no `Debug`.
#[derive(Deserialize, Serialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub enum Order {
    AddUser {
        name: String,
        admin: bool,
        password: String,
    },
    ListUsers,
    ResetPassword {
        name: String,
        password: String,
    },
    Invite {
        uses: i64,
        days: i64,
        room: Option<String>,
    },
    AddToken {
        name: String,
    },
    ListTokens,
    RevokeToken {
        id: String,
    },
    AddRoom {
        name: String,
        private: bool,
    },
    ListRooms,
    AddAssistant {
        handle: String,
        provider: String,
        base_url: String,
        model: String,
        key_env: Option<String>,
        headers: Vec<(String, String)>,
        system_prompt: String,
        speaks: String,
        room: Option<String>,
    },
    ListAssistants,
    RemoveAssistant {
        handle: String,
    },
}

/// What came of it, for people and for scripts.
#[derive(Debug, Deserialize, Serialize)]
pub struct Outcome {
    text: String,
    json: Value,
}

impl Outcome {
    fn new(text: impl Into<String>, json: Value) -> Self {
        Self { text: text.into(), json }
    }

    /// Rows as columns of even width.
    fn table(head: &[&str], rows: &[Vec<String>], json: Value) -> Self {
        let width = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
            cells.chain([head[column].len()]).max().unwrap_or(0)
        };
        let line = |cells: Vec<&str>| {
            let padded: Vec<String> =
                cells.iter().enumerate().map(|(column, cell)| format!("{cell:<width$}", width = width(column))).collect();
            padded.join("  ").trim_end().to_owned()
        };
        let lines = std::iter::once(line(head.to_vec())).chain(rows.iter().map(|row| line(row.iter().map(String::as_str).collect())));
        Self::new(lines.collect::<Vec<_>>().join("\n"), json)
    }

    pub fn print(&self, as_json: bool) {
        match as_json {
            true => println!("{}", self.json),
            false => println!("{}", self.text),
        }
    }

    pub fn model_added(added: &Added) -> Self {
        let what = if added.already_there { "was there already" } else { "is in place" };
        let sum = if added.verified { "its sum is the known one" } else { "its sum is not known to this program" };
        Self::new(
            format!("{} {what}; {sum} (SHA-256 {}). A running server takes it after a restart.", added.name, added.sha256),
            json!({ "name": added.name, "path": added.path, "bytes": added.bytes, "sha256": added.sha256, "verified": added.verified, "already_there": added.already_there }),
        )
    }

    pub fn models(models: &[Installed]) -> Self {
        let rows: Vec<Vec<String>> = models.iter().map(|m| vec![m.name.clone(), m.bytes.to_string()]).collect();
        let json = models.iter().map(|m| json!({ "name": m.name, "bytes": m.bytes, "path": m.path })).collect();
        Self::table(&["model", "bytes"], &rows, json)
    }
}

/// Does what is ordered. `origin` is where people reach the server. The error is one sentence.
pub async fn carry_out(chat: &Chat, origin: &str, order: Order) -> Result<Outcome, String> {
    let sentence = |error: crate::chat::ChatError| error.to_string();
    Ok(match order {
        Order::AddUser { name, admin, password } => {
            let person = chat.add_person(&name, &password, admin).await.map_err(sentence)?;
            let role = if person.admin { " as an administrator" } else { "" };
            Outcome::new(
                format!("{} has an account{role}.", person.name),
                json!({ "id": person.id, "name": person.name, "admin": person.admin }),
            )
        }
        Order::ListUsers => {
            let people = chat.people().await.map_err(sentence)?;
            let state = |p: &crate::domain::person::Person| if p.disabled { "disabled" } else { "" }.to_owned();
            let role = |p: &crate::domain::person::Person| if p.admin { "administrator" } else { "member" }.to_owned();
            let rows: Vec<Vec<String>> = people.iter().map(|p| vec![p.name.clone(), role(p), day(p.created_at), state(p)]).collect();
            let json = people
                .iter()
                .map(|p| json!({ "id": p.id, "name": p.name, "admin": p.admin, "disabled": p.disabled, "created_at": p.created_at }))
                .collect();
            Outcome::table(&["name", "role", "since", "state"], &rows, json)
        }
        Order::ResetPassword { name, password } => {
            let person = chat.reset_password(&name, &password).await.map_err(sentence)?;
            Outcome::new(
                format!("{} has a new password and is signed out everywhere.", person.name),
                json!({ "id": person.id, "name": person.name }),
            )
        }
        Order::Invite { uses, days, room } => {
            let room = match room {
                Some(room) => Some(chat.room_named(&room).await.map_err(sentence)?.id),
                None => None,
            };
            let (id, secret) = chat.add_invite(None, room, uses, days).await.map_err(sentence)?;
            let link = format!("{origin}/invite/{secret}");
            Outcome::new(link.clone(), json!({ "id": id, "link": link, "uses": uses, "days": days }))
        }
        Order::AddToken { name } => {
            let person = chat.person_named(&name).await.map_err(sentence)?;
            let (id, secret) = chat.add_token(person.id).await.map_err(sentence)?;
            Outcome::new(secret.clone(), json!({ "id": id, "person": person.name, "token": secret }))
        }
        Order::ListTokens => {
            let tokens = chat.tokens(None).await.map_err(sentence)?;
            let used = |t: &crate::store::tokens::Token| t.used_at.map_or("never".to_owned(), day);
            let state = |t: &crate::store::tokens::Token| if t.revoked { "revoked" } else { "" }.to_owned();
            let rows: Vec<Vec<String>> =
                tokens.iter().map(|t| vec![t.id.to_string(), t.person_name.clone(), day(t.created_at), used(t), state(t)]).collect();
            let json = tokens
                .iter()
                .map(|t| json!({ "id": t.id, "person": t.person_name, "created_at": t.created_at, "used_at": t.used_at, "revoked": t.revoked }))
                .collect();
            Outcome::table(&["id", "person", "made", "last used", "state"], &rows, json)
        }
        Order::RevokeToken { id } => {
            let no_token = || format!("There is no token {id} that could be revoked: see “parlor token list”.");
            let token = id.parse().map_err(|_| no_token())?;
            chat.revoke_token(None, token).await.map_err(|error| match error {
                crate::chat::ChatError::NotFound => no_token(),
                error => error.to_string(),
            })?;
            Outcome::new("The token is revoked.", json!({ "id": id, "revoked": true }))
        }
        Order::AddRoom { name, private } => {
            let room = chat.add_room_for_admins(&name, private).await.map_err(sentence)?;
            Outcome::new(
                format!("The room “{}” is there: {}", room.name, room.id),
                json!({ "id": room.id, "name": room.name, "private": room.private }),
            )
        }
        Order::ListRooms => {
            let rooms = chat.every_room().await.map_err(sentence)?;
            let kind = |r: &crate::domain::room::Room| if r.private { "private" } else { "open" }.to_owned();
            let rows: Vec<Vec<String>> = rooms.iter().map(|r| vec![r.id.to_string(), r.name.clone(), kind(r), r.topic.clone()]).collect();
            let json = rooms.iter().map(|r| json!({ "id": r.id, "name": r.name, "private": r.private, "topic": r.topic })).collect();
            Outcome::table(&["id", "name", "kind", "topic"], &rows, json)
        }
        Order::AddAssistant { handle, provider, base_url, model, key_env, headers, system_prompt, speaks, room } => {
            let provider = provider.parse().map_err(|error: crate::domain::Invalid| error.sentence)?;
            let speaks: Speaks = speaks.parse().map_err(|error: crate::domain::Invalid| error.sentence)?;
            let room = match room {
                Some(room) => Some((chat.room_named(&room).await.map_err(sentence)?.id, speaks)),
                None => None,
            };
            let new = NewAssistant { name: handle, provider, base_url, model, key_env, headers, system_prompt };
            let assistant = chat.add_assistant(new, room).await.map_err(sentence)?;
            let place = if room.is_some() { "" } else { " Put it into a room in that room's settings." };
            Outcome::new(format!("{} is connected.{place}", assistant.name), json!({ "id": assistant.id, "name": assistant.name }))
        }
        Order::ListAssistants => {
            let all = chat.assistants().await.map_err(sentence)?;
            // Headers may hold keys and are not shown.
            let rows: Vec<Vec<String>> = all
                .iter()
                .map(|a| {
                    vec![
                        a.name.clone(),
                        a.provider.as_str().to_owned(),
                        a.model.clone(),
                        a.base_url.clone(),
                        a.key_env.clone().unwrap_or_default(),
                    ]
                })
                .collect();
            let json = all
                .iter()
                .map(|a| json!({ "id": a.id, "name": a.name, "provider": a.provider.as_str(), "model": a.model, "base_url": a.base_url, "key_env": a.key_env }))
                .collect();
            Outcome::table(&["name", "provider", "model", "base URL", "key from"], &rows, json)
        }
        Order::RemoveAssistant { handle } => {
            let assistant = chat.remove_assistant(&handle).await.map_err(sentence)?;
            Outcome::new(
                format!("{} is removed. What it wrote stays.", assistant.name),
                json!({ "id": assistant.id, "name": assistant.name }),
            )
        }
    })
}

fn day(at: Millis) -> String {
    crate::view::when::iso(&at).chars().take(10).collect()
}
