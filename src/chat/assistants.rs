//! Assistants: made and removed by who runs the server, put into rooms by the rooms' owners.

use super::accounts::taken;
use super::{Chat, ChatError, managed_room, talk_is_fixed};
use crate::domain::Invalid;
use crate::domain::assistant::{Assistant, Provider, Speaks};
use crate::domain::id::{AssistantId, PersonId, RoomId};
use crate::domain::name::{self, Name};
use crate::store::accounts::NameOwner;
use crate::store::{Patience, Tx, accounts, assistants, rooms};

/// What a new assistant is made of.
#[derive(Clone, Debug)]
pub struct NewAssistant {
    pub name: String,
    pub provider: Provider,
    pub base_url: String,
    pub model: String,
    pub key_env: Option<String>,
    pub headers: Vec<(String, String)>,
    pub system_prompt: String,
}

impl NewAssistant {
    /// Everything that can be checked without asking the server.
    fn parse(self) -> Result<(Name, Self), Invalid> {
        let name = Name::parse(&self.name)?;
        if self.provider == Provider::OpenAi {
            let url =
                url::Url::parse(&self.base_url).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.host_str().is_some());
            let Some(url) = url else {
                return Err(Invalid::new(
                    "bad_base_url",
                    "The base URL must be the address of the server's API, such as https://models.example.org/v1.",
                ));
            };
            if !url.username().is_empty() || url.password().is_some() {
                return Err(Invalid::new(
                    "bad_base_url",
                    "The base URL must not contain a name or password: name the variable that holds the key with --key-env.",
                ));
            }
            if self.model.trim().is_empty() {
                return Err(Invalid::new("bad_model", "Say which of the server's models is meant, with --model."));
            }
        }
        if let Some(var) = &self.key_env
            && (var.is_empty() || !var.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
        {
            return Err(Invalid::new(
                "bad_key_env",
                "--key-env is the name of an environment variable, such as OPENAI_API_KEY, not the key itself.",
            ));
        }
        Ok((name, self))
    }
}

impl Chat {
    /// Makes an assistant; with a room, puts it there.
    pub async fn add_assistant(&self, new: NewAssistant, room: Option<(RoomId, Speaks)>) -> Result<Assistant, ChatError> {
        let (name, new) = new.parse()?;
        let id = AssistantId(self.clock().new_id());
        self.store
            .write(Patience::Wait, move |tx| {
                Box::pin(async move {
                    if !accounts::take_name(&mut tx.conn(), &name, NameOwner::Assistant(id)).await? {
                        return Err(taken(&name));
                    }
                    let assistant = Assistant {
                        id,
                        name: name.as_str().to_owned(),
                        provider: new.provider,
                        base_url: new.base_url.trim_end_matches('/').to_owned(),
                        model: new.model,
                        key_env: new.key_env,
                        headers: new.headers,
                        system_prompt: new.system_prompt,
                        created_at: tx.now(),
                        removed: false,
                    };
                    assistants::insert(&mut tx.conn(), &assistant).await?;
                    if let Some((room, speaks)) = room {
                        let rev = tx.advance(room).await?;
                        if rooms::find(&mut tx.conn(), room).await?.is_some_and(|room| room.kind.is_direct()) {
                            return Err(talk_is_fixed());
                        }
                        put(tx, room, id, speaks, rev).await?;
                    }
                    Ok(assistant)
                })
            })
            .await
    }

    /// Removes an assistant from all rooms and frees its name. What it wrote stays.
    pub async fn remove_assistant(&self, given_name: &str) -> Result<Assistant, ChatError> {
        let key = name::key(given_name);
        let shown = given_name.trim().to_owned();
        self.store
            .write(Patience::Wait, move |tx| {
                Box::pin(async move {
                    let nobody = || Invalid::new("no_assistant", format!("There is no assistant of the name “{shown}”."));
                    let Some(NameOwner::Assistant(id)) = accounts::owner_of_name(&mut tx.conn(), &key).await? else {
                        return Err(nobody().into());
                    };
                    let assistant = assistants::find(&mut tx.conn(), id).await?.ok_or_else(nobody)?;
                    for room in assistants::rooms_of(&mut tx.conn(), id).await? {
                        let rev = tx.advance(room).await?;
                        take(tx, room, id, rev).await?;
                    }
                    assistants::remove(&mut tx.conn(), id).await?;
                    Ok(assistant)
                })
            })
            .await
    }

    /// All that there are, by name.
    pub async fn assistants(&self) -> Result<Vec<Assistant>, ChatError> {
        let mut snapshot = self.store.snapshot().await?;
        Ok(assistants::list(&mut snapshot.conn()).await?)
    }

    /// Puts an assistant into a room, or changes when it speaks there.
    pub async fn put_assistant(&self, by: PersonId, room: RoomId, id: AssistantId, speaks: Speaks) -> Result<(), ChatError> {
        self.store
            .write(Patience::Refuse, move |tx| {
                Box::pin(async move {
                    let rev = tx.advance(room).await?;
                    managed_room(&mut tx.conn(), room, by).await?;
                    let assistant = assistants::find(&mut tx.conn(), id).await?;
                    assistant.filter(|a| !a.removed).ok_or(ChatError::NotFound)?;
                    put(tx, room, id, speaks, rev).await
                })
            })
            .await
    }

    pub async fn take_assistant(&self, by: PersonId, room: RoomId, id: AssistantId) -> Result<(), ChatError> {
        self.store
            .write(Patience::Refuse, move |tx| {
                Box::pin(async move {
                    let rev = tx.advance(room).await?;
                    managed_room(&mut tx.conn(), room, by).await?;
                    match take(tx, room, id, rev).await? {
                        true => Ok(()),
                        false => Err(ChatError::NotFound),
                    }
                })
            })
            .await
    }
}

/// Under the number `rev`, which was taken first: it holds the room on Postgres, and everyone takes rooms before their rows.
async fn put(tx: &mut Tx, room: RoomId, id: AssistantId, speaks: Speaks, rev: i64) -> Result<(), ChatError> {
    assistants::put_into_room(&mut tx.conn(), room, id, speaks).await?;
    Ok(rooms::touch(&mut tx.conn(), room, rev, false).await?)
}

async fn take(tx: &mut Tx, room: RoomId, id: AssistantId, rev: i64) -> Result<bool, ChatError> {
    if !assistants::take_from_room(&mut tx.conn(), room, id).await? {
        return Ok(false);
    }
    rooms::touch(&mut tx.conn(), room, rev, false).await?;
    Ok(true)
}
