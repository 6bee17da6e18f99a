//! Files: first the bytes, then the message that takes them; read by the room's members; gone with their message.
//!
//! An upload streams into a folder of its own (`shelf.rs`) and is looked at once it is whole (`inspect.rs`). It waits a day for its message.
//! How files go is in `erasure.rs`.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};
use tokio::io::{AsyncWriteExt, BufWriter};
use tokio_util::task::TaskTracker;

use super::inspect::{HEAD, Inspector, media_type};
use super::shelf::{Arriving, Shelf};
use super::{Chat, ChatError, room_of};
use crate::domain::Invalid;
use crate::domain::file::{FILE_BYTES, FILE_LEAST, FILES_MAX, File, WAITING_BYTES, file_name};
use crate::domain::id::{FileId, MessageId, PersonId, RoomId};
use crate::store::files::{self, NewFile};
use crate::store::{Conn, Patience, StoreError, accounts};

/// What one person may keep in all rooms together, in bytes, unless the settings say otherwise: a picture a day for years.
pub const PER_PERSON: u64 = 2048 * 1024 * 1024;
/// No less than the largest file.
pub const PER_PERSON_LEAST: u64 = FILE_BYTES;
/// Written to disk at once, in bytes.
const WRITE: usize = 256 * 1024;
/// What an upload under way counts as, at least, in bytes: each holds a connection, a file and a buffer, so one person has fifty at most.
const UNDER_WAY_LEAST: u64 = 4 * 1024 * 1024;

/// Where files lie, and what comes in at the moment. Cheap to clone.
#[derive(Clone)]
pub struct Files(Arc<Inner>);

struct Inner {
    shelf: Shelf,
    inspector: Inspector,
    /// How much one person may keep, in bytes, if that is limited.
    per_person: Option<u64>,
    /// What each person's uploads under way may take, in bytes.
    under_way: Mutex<HashMap<PersonId, u64>>,
    /// Owns what must come to its end although whoever asked for it has gone.
    tasks: TaskTracker,
}

impl Files {
    /// The folder is made if it is not there. `per_person`: how much one person may keep, in bytes.
    pub async fn open(folder: &Path, per_person: Option<u64>, tasks: TaskTracker) -> io::Result<Self> {
        let shelf = Shelf::open(folder).await?;
        Ok(Self(Arc::new(Inner { shelf, inspector: Inspector::default(), per_person, under_way: Mutex::default(), tasks })))
    }

    pub(super) fn shelf(&self) -> &Shelf {
        &self.0.shelf
    }

    /// What must come to its end although whoever asked for it has gone.
    pub(super) fn tasks(&self) -> &TaskTracker {
        &self.0.tasks
    }

    /// Counts an upload that begins; gives also what all of this person's under way may take together.
    fn begin(&self, person: PersonId, bytes: u64) -> (Share, u64) {
        let mut under_way = self.0.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let together = under_way.entry(person).or_default();
        *together += bytes;
        (Share { files: self.clone(), person, bytes }, *together)
    }
}

/// An upload's part in what its person may have under way, given back when it is dropped.
struct Share {
    files: Files,
    person: PersonId,
    bytes: u64,
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut under_way = self.files.0.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(together) = under_way.get_mut(&self.person) {
            *together = together.saturating_sub(self.bytes);
            if *together == 0 {
                under_way.remove(&self.person);
            }
        }
    }
}

/// Bytes that are coming in. Dropped before it is finished, it leaves nothing.
pub struct Upload {
    person: PersonId,
    room: RoomId,
    name: String,
    /// The post it came with, and its place there: what gives the same upload the same id.
    post: Option<(MessageId, usize, Sha256)>,
    arriving: Arriving,
    writer: BufWriter<tokio::fs::File>,
    bytes: u64,
    head: Vec<u8>,
    share: Share,
}

impl Upload {
    /// The upload is a part of a form, which a browser may send again as it was: the same bytes at the same place are the same file.
    pub fn of_post(mut self, message: MessageId, place: usize) -> Self {
        self.post = Some((message, place, Sha256::new()));
        self
    }

    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), ChatError> {
        self.bytes += bytes.len() as u64;
        if self.bytes > FILE_BYTES {
            return Err(too_large().into());
        }
        let missing = HEAD.saturating_sub(self.head.len()).min(bytes.len());
        self.head.extend_from_slice(&bytes[..missing]);
        if let Some((_, _, hash)) = &mut self.post {
            hash.update(bytes);
        }
        self.writer.write_all(bytes).await.map_err(|error| on_disk(&error))
    }
}

/// A file to be read.
#[derive(Clone, Debug)]
pub struct Found {
    pub file: File,
    pub path: PathBuf,
    /// Names these bytes and no others.
    pub tag: String,
    /// It is a preview, not the file itself.
    pub is_preview: bool,
}

impl Chat {
    /// Begins to take an upload in, for a member of the room. `bytes`: how many will come, if that is known.
    pub async fn begin_upload(&self, person: PersonId, room: RoomId, name: &str, bytes: Option<u64>) -> Result<Upload, ChatError> {
        let files = self.files()?;
        let (share, under_way) = files.begin(person, bytes.unwrap_or(FILE_BYTES).clamp(UNDER_WAY_LEAST, FILE_BYTES));
        let waiting = {
            let mut reader = self.store.reader().await?;
            let conn = &mut reader.conn();
            room_of(conn, room, person).await?;
            if bytes.is_some_and(|bytes| bytes > FILE_BYTES) {
                return Err(too_large().into());
            }
            // Said before it is sent, where it is known; it counts when it is stored.
            has_room(conn, person, files.0.per_person, bytes.unwrap_or_default().max(FILE_LEAST)).await?;
            files::waiting(conn, person).await?
        };
        if waiting + under_way > WAITING_BYTES {
            return Err(too_much().into());
        }
        let stored = self.clock().new_id().simple().to_string();
        let arriving = files.shelf().arrive(stored).await.map_err(|error| on_disk(&error))?;
        let file = tokio::fs::File::create(arriving.original()).await.map_err(|error| on_disk(&error))?;
        let writer = BufWriter::with_capacity(WRITE, file);
        Ok(Upload { person, room, name: file_name(name), post: None, arriving, writer, bytes: 0, head: Vec::new(), share })
    }

    /// The upload is whole: looks at it and stores it. It is there when this returns.
    pub async fn finish_upload(&self, upload: Upload) -> Result<File, ChatError> {
        if upload.bytes == 0 {
            return Err(Invalid::new("empty_file", "The file is empty: there is nothing to send.").into());
        }
        let chat = self.clone();
        // Whoever goes away now leaves either nothing or a whole file with its row.
        let stored = self.files()?.tasks().spawn(async move { chat.store_upload(upload).await });
        stored.await.unwrap_or(Err(ChatError::Store(StoreError::Closed)))
    }

    async fn store_upload(&self, upload: Upload) -> Result<File, ChatError> {
        let files = self.files()?;
        let Upload { person, room, name, post, arriving, mut writer, bytes, head, share } = upload;
        writer.flush().await.map_err(|error| on_disk(&error))?;
        drop(writer);
        let picture = files.0.inspector.picture(arriving.original(), arriving.folder().to_owned());
        let (media_type, size) = match picture.await.map_err(|error| on_disk(&error))? {
            Some(picture) => (picture.media_type, Some(picture.size)),
            None => (media_type(&head), None),
        };
        arriving.flush().await.map_err(|error| on_disk(&error))?;
        let id = match post {
            Some((message, place, hash)) => part_of(person, message, place, &name, hash),
            None => FileId(self.clock().new_id()),
        };
        let file = File { id, name, media_type: media_type.to_owned(), bytes, size };
        let stored = arriving.stored.clone();
        let new = file.clone();
        let per_person = files.0.per_person;
        let inserted = self
            .store
            .write(Patience::Refuse, move |tx| {
                Box::pin(async move {
                    let at = tx.now();
                    if per_person.is_some() {
                        // Of several at once each sees those before it.
                        accounts::hold(&mut tx.conn(), person).await?;
                    }
                    let is_new = files::insert(&mut tx.conn(), &NewFile { file: new, stored, room, person, at }).await?;
                    if is_new {
                        has_room(&mut tx.conn(), person, per_person, 0).await?;
                    }
                    Ok::<_, ChatError>(is_new)
                })
            })
            .await;
        let is_new = match inserted {
            Ok(is_new) => is_new,
            Err(error) => {
                if matches!(error, ChatError::Store(StoreError::Unknown(_))) {
                    // The row may be there: the next start looks, and places the bytes or removes them.
                    arriving.keep();
                }
                return Err(error);
            }
        };
        // Of a form that was sent again the first one's bytes are there already.
        if is_new && let Err(error) = files.shelf().place(arriving).await {
            self.erase_waiting(person, room, id).await?;
            return Err(on_disk(&error));
        }
        drop(share);
        Ok(file)
    }

    /// A file for a member of its room, or its preview at most so wide. One that no message has taken is there for who sent it alone.
    /// `still`: also of a picture that may move.
    pub async fn file(&self, person: PersonId, room: RoomId, id: FileId, width: Option<u32>, still: bool) -> Result<Found, ChatError> {
        let shelf = self.files()?.shelf();
        let found = {
            let mut reader = self.store.reader().await?;
            let conn = &mut reader.conn();
            room_of(conn, room, person).await?;
            files::find(conn, room, id).await?.filter(|found| found.is_taken || found.person == person).ok_or(ChatError::NotFound)?
        };
        let file = found.file;
        let preview = width.filter(|_| still || !file.may_move()).and_then(|width| file.preview(width));
        let (path, tag) = match preview {
            Some(width) => (shelf.preview(&found.stored, width), format!("{}-{width}", found.stored)),
            None => (shelf.original(&found.stored), found.stored),
        };
        Ok(Found { file, path, tag, is_preview: preview.is_some() })
    }

    pub(super) fn files(&self) -> Result<&Files, ChatError> {
        self.files.as_ref().ok_or(ChatError::NotFound)
    }
}

/// The id of a file that came with a post: the same for the same bytes at the same place of the same post.
fn part_of(person: PersonId, message: MessageId, place: usize, name: &str, bytes: Sha256) -> FileId {
    let mut hash = Sha256::new();
    for part in [person.to_string(), message.to_string(), place.to_string(), name.to_owned()] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.update(bytes.finalize());
    let mut id = [0; 16];
    id.copy_from_slice(&hash.finalize()[..16]);
    FileId(uuid::Builder::from_custom_bytes(id).into_uuid())
}

/// What the disk refuses, as the database would say it.
pub(super) fn on_disk(error: &io::Error) -> ChatError {
    ChatError::Store(match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => StoreError::Full,
        _ => StoreError::Undone(format!("the folder of files: {error}").into()),
    })
}

fn too_large() -> Invalid {
    Invalid::new(
        "too_large",
        format!("The file is too large: at most {} MB fit. Make it smaller, or send a link.", FILE_BYTES / 1024 / 1024),
    )
}

fn too_much() -> Invalid {
    let sentence = format!(
        "Too many of your files wait to be sent: at most {} MB at once. Send or remove some of them first; after a day they go by themselves.",
        WAITING_BYTES / 1024 / 1024
    );
    Invalid::new("too_much", sentence)
}

/// Whether a person may keep so many bytes more, besides what the rows say.
async fn has_room(conn: &mut Conn<'_>, person: PersonId, per_person: Option<u64>, more: u64) -> Result<(), ChatError> {
    let Some(most) = per_person else { return Ok(()) };
    match files::kept(conn, person).await?.saturating_add(more) <= most {
        true => Ok(()),
        false => Err(all_kept(most).into()),
    }
}

fn all_kept(most: u64) -> Invalid {
    let sentence = format!(
        "Your files fill the {} MB that one person may keep here. Delete messages whose files nobody needs, or ask who runs the server for more.",
        most / 1024 / 1024
    );
    Invalid::new("all_kept", sentence)
}

pub fn too_many_files() -> Invalid {
    Invalid::new("too_many_files", format!("At most {FILES_MAX} files fit into one message: send the others in another."))
}
