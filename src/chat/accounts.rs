//! Accounts: the first one, sign-in, passwords, and who may still come in.

use std::net::IpAddr;

use super::{Chat, ChatError};
use crate::domain::Invalid;
use crate::domain::assistant::{Assistant, Provider, Speaks};
use crate::domain::cursor::Epoch;
use crate::domain::id::{AssistantId, PersonId, RoomId};
use crate::domain::name::{self, NAME_CHARS, Name};
use crate::domain::person::{Password, Person};
use crate::domain::room::{Role, Room, RoomKind};
use crate::store::accounts::NameOwner;
use crate::store::{Announcement, Patience, Revocation, Tx, accounts, assistants, rooms, sessions, tokens};

/// Names tried for the built-in assistant: the first is almost always free.
const ASSISTANT_NAMES: [&str; 3] = ["Parlor", "Assistant", "Parlor Assistant"];
/// How much of a name that is given at the door is looked at, in characters: no name is longer, and normalising multiplies.
const SIGN_IN_CHARS: usize = 4 * NAME_CHARS;
/// The room in which the first person finds themselves.
const FIRST_ROOM: &str = "Living room";

/// Somebody who gave the right password.
pub struct SignedIn {
    pub person: Person,
    /// The hash that the password fitted.
    by: String,
}

impl Chat {
    /// Whether nobody has an account yet.
    pub async fn is_new(&self) -> Result<bool, ChatError> {
        let mut snapshot = self.store.snapshot().await?;
        Ok(!accounts::any(&mut snapshot.conn()).await?)
    }

    /// Makes the first account, an administrator, in a room with the built-in assistant.
    pub async fn set_up(&self, name: &str, password: &str, address: IpAddr) -> Result<(Person, RoomId), ChatError> {
        self.throttles.stranger(address)?;
        let (name, password) = (Name::parse(name)?, Password::parse(password)?);
        let hash = self.passwords.hash(password).await?;
        let clock = self.clock().clone();
        self.store
            .write(Patience::Refuse, move |tx| {
                Box::pin(async move {
                    if accounts::any(&mut tx.conn()).await? {
                        return Err(already_set_up());
                    }
                    let person = insert_person(tx, PersonId(clock.new_id()), &name, true, &hash).await?;
                    let assistant = insert_builtin(tx, AssistantId(clock.new_id())).await?;
                    // On Postgres two may come this far at once; then the second has waited for the assistant's name until the first was done.
                    if accounts::list(&mut tx.conn()).await?.len() > 1 {
                        return Err(already_set_up());
                    }
                    let room = Room {
                        id: RoomId(clock.new_id()),
                        name: FIRST_ROOM.to_owned(),
                        topic: String::new(),
                        kind: RoomKind::Room,
                        private: false,
                        epoch: Epoch(u128::from_be_bytes(clock.random())),
                        head: 1,
                        rev: 1,
                        created_at: tx.now(),
                    };
                    rooms::insert(&mut tx.conn(), &room).await?;
                    let now = tx.now();
                    rooms::add_member(&mut tx.conn(), room.id, person.id, Role::Owner, now).await?;
                    if let Some(assistant) = assistant {
                        assistants::put_into_room(&mut tx.conn(), room.id, assistant, Speaks::Always).await?;
                    }
                    Ok((person, room.id))
                })
            })
            .await
    }

    /// Makes an account from the command line, where whoever holds the data folder decides.
    pub async fn add_person(&self, name: &str, password: &str, admin: bool) -> Result<Person, ChatError> {
        let (name, password) = (Name::parse(name)?, Password::parse(password)?);
        let hash = self.passwords.hash(password).await?;
        let id = PersonId(self.clock().new_id());
        self.store.write(Patience::Wait, move |tx| Box::pin(async move { insert_person(tx, id, &name, admin, &hash).await })).await
    }

    /// The person of that name and password. Unknown names, wrong passwords and disabled accounts get the same answer after the same work.
    pub async fn sign_in(&self, given_name: &str, password: String, address: IpAddr) -> Result<SignedIn, ChatError> {
        let key = name::key(&given_name.chars().take(SIGN_IN_CHARS).collect::<String>());
        self.throttles.sign_in(&key, address)?;
        let (person, hash) = {
            let mut snapshot = self.store.snapshot().await?;
            let conn = &mut snapshot.conn();
            match accounts::find_by_name(conn, &key).await? {
                Some(person) => {
                    let hash = accounts::password_hash(conn, person.id).await?;
                    (Some(person), hash)
                }
                None => (None, None),
            }
        };
        let right = self.passwords.verify(password, hash.clone(), &self.clock().new_secret()).await?;
        let person = person.filter(|person| right && !person.disabled).ok_or(ChatError::WrongPassword)?;
        Ok(SignedIn { person, by: hash.unwrap_or_default() })
    }

    /// Whether what somebody signed in by still holds, now that their session is stored. A password that was changed while it was being
    /// verified has ended all sessions that there were; one that was stored just after must not live on.
    pub async fn still_holds(&self, signed_in: &SignedIn) -> Result<bool, ChatError> {
        let mut snapshot = self.store.snapshot().await?;
        let conn = &mut snapshot.conn();
        let hash = accounts::password_hash(conn, signed_in.person.id).await?;
        let person = accounts::find(conn, signed_in.person.id).await?;
        Ok(hash.as_ref() == Some(&signed_in.by) && person.is_some_and(|person| !person.disabled))
    }

    /// Changes one's own password and ends one's other sessions and all tokens' streams; `keep` is the session it is done in.
    pub async fn change_password(
        &self,
        person: PersonId,
        current: String,
        new: &str,
        keep: String,
        address: IpAddr,
    ) -> Result<(), ChatError> {
        self.throttles.sign_in(&person.to_string(), address)?;
        let new = Password::parse(new)?;
        let hash = {
            let mut snapshot = self.store.snapshot().await?;
            accounts::password_hash(&mut snapshot.conn(), person).await?
        };
        if !self.passwords.verify(current, hash, "").await? {
            return Err(Invalid::new("wrong_password", "The present password is not right.").into());
        }
        let hash = self.passwords.hash(new).await?;
        self.store.write(Patience::Refuse, move |tx| Box::pin(async move { set_password(tx, person, &hash, Some(&keep)).await })).await
    }

    /// Gives somebody a new password, from the command line; all their sessions end.
    pub async fn reset_password(&self, given_name: &str, password: &str) -> Result<Person, ChatError> {
        let hash = self.passwords.hash(Password::parse(password)?).await?;
        let person = self.person_named(given_name).await?;
        let id = person.id;
        self.store.write(Patience::Wait, move |tx| Box::pin(async move { set_password(tx, id, &hash, None).await })).await?;
        Ok(person)
    }

    /// The person of that name, or a sentence that says there is none.
    pub async fn person_named(&self, given_name: &str) -> Result<Person, ChatError> {
        let mut snapshot = self.store.snapshot().await?;
        let found = accounts::find_by_name(&mut snapshot.conn(), &name::key(given_name)).await?;
        found.ok_or_else(|| Invalid::new("nobody", format!("There is nobody of the name “{}”.", given_name.trim())).into())
    }

    pub async fn people(&self) -> Result<Vec<Person>, ChatError> {
        let mut snapshot = self.store.snapshot().await?;
        Ok(accounts::list(&mut snapshot.conn()).await?)
    }

    /// Shuts an account out or lets it in again. Its sessions end, its tokens are refused while it is disabled.
    pub async fn set_disabled(&self, by: PersonId, person: PersonId, disabled: bool) -> Result<(), ChatError> {
        self.store
            .write(Patience::Refuse, move |tx| {
                Box::pin(async move {
                    accounts::hold_admins(&mut tx.conn()).await?;
                    require_admin(tx, by).await?;
                    accounts::find(&mut tx.conn(), person).await?.ok_or(ChatError::NotFound)?;
                    accounts::set_disabled(&mut tx.conn(), person, disabled).await?;
                    if accounts::count_active_admins(&mut tx.conn()).await? == 0 {
                        return Err(ChatError::Forbidden("This is the last administrator: make another one first."));
                    }
                    if disabled {
                        sessions::delete_of_person(&mut tx.conn(), person, None).await?;
                        tx.announce(Announcement::Revoked(Revocation::Person(person)));
                    }
                    Ok(())
                })
            })
            .await
    }
}

fn already_set_up() -> ChatError {
    ChatError::conflict("set_up", "Somebody has made the first account already: sign in, or ask for an invitation.")
}

/// A new account's rows, or word that the name is taken.
pub(super) async fn insert_person(tx: &mut Tx, id: PersonId, name: &Name, admin: bool, hash: &str) -> Result<Person, ChatError> {
    if !accounts::take_name(&mut tx.conn(), name, NameOwner::Person(id)).await? {
        return Err(taken(name));
    }
    let person = Person { id, name: name.as_str().to_owned(), admin, disabled: false, created_at: tx.now() };
    accounts::insert(&mut tx.conn(), &person, hash).await?;
    Ok(person)
}

/// What is said of a name that is taken, or that looks like one that is.
pub(super) fn taken(name: &Name) -> ChatError {
    ChatError::conflict("name_taken", format!("The name “{name}”, or one that looks like it, is taken: choose another."))
}

pub(super) async fn require_admin(tx: &mut Tx, person: PersonId) -> Result<(), ChatError> {
    match accounts::find(&mut tx.conn(), person).await? {
        Some(person) if person.admin && !person.disabled => Ok(()),
        _ => Err(ChatError::Forbidden("Only an administrator may do that.")),
    }
}

async fn set_password(tx: &mut Tx, person: PersonId, hash: &str, keep: Option<&str>) -> Result<(), ChatError> {
    let now = tx.now();
    accounts::set_password(&mut tx.conn(), person, hash, now).await?;
    for ended in sessions::delete_of_person(&mut tx.conn(), person, keep).await? {
        tx.announce(Announcement::Revoked(Revocation::Credential(ended)));
    }
    if keep.is_none() {
        // Somebody else reset it: whatever was open is closed, tokens' streams too. The tokens stay, they are listed and revoked by name.
        for token in tokens::list(&mut tx.conn(), Some(person)).await? {
            tx.announce(Announcement::Revoked(Revocation::Credential(token.id.to_string())));
        }
    }
    Ok(())
}

/// The built-in assistant, under the first of its names that is free.
async fn insert_builtin(tx: &mut Tx, id: AssistantId) -> Result<Option<AssistantId>, ChatError> {
    for name in ASSISTANT_NAMES {
        let name = Name::parse(name)?;
        if accounts::take_name(&mut tx.conn(), &name, NameOwner::Assistant(id)).await? {
            let assistant = Assistant {
                id,
                name: name.as_str().to_owned(),
                provider: Provider::Builtin,
                base_url: String::new(),
                model: String::new(),
                key_env: None,
                headers: Vec::new(),
                system_prompt: String::new(),
                created_at: tx.now(),
                removed: false,
            };
            assistants::insert(&mut tx.conn(), &assistant).await?;
            return Ok(Some(id));
        }
    }
    Ok(None)
}
