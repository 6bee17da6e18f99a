//! Who may touch a data folder: one process at a time holds its lock. While a server does, orders reach it through a socket there.
//!
//! The socket is for the server's own user alone (mode 0600 in a folder of mode 0700): who can open it could read the database too. A socket
//! whose server has died is replaced by the next one, which is safe because the lock says who lives. Addresses of sockets are at most
//! 107 bytes long, so longer paths go by way of the open folder.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{Instant, sleep, timeout};
use tracing::warn;

use super::order::{self, Order, Outcome};
use crate::chat::Chat;
use crate::clock::Clock;
use crate::config::Config;
use crate::live::LocalBus;
use crate::store::Store;

const LOCK: &str = "lock";
const SOCKET: &str = "parlor.sock";
const DATABASE_KIND: &str = "database-kind";
/// Longest address of a socket that can be given as it is, in bytes.
const ADDRESS_BYTES: usize = 100;
/// An order and its answer, at most.
const ORDER_BYTES: u64 = 1024 * 1024;
/// How long a server waits for a command that works on the folder, and a command for a server that starts or for another command.
const SERVER_PATIENCE: Duration = Duration::from_secs(3);
const COMMAND_PATIENCE: Duration = Duration::from_secs(15);
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How long carrying out an order may take: the slowest hashes a password on a busy machine.
const ANSWER: Duration = Duration::from_secs(30);

/// Makes the data folder, for its owner alone, if it is not there.
pub fn make_data_folder(data: &Path) -> Result<(), String> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data)
        .map_err(|error| format!("The data folder {} cannot be made ({error}): choose another with --data.", data.display()))
}

/// Notes which kind of database the folder's server uses, for [`check_database`]. Never its address, which may hold a password.
pub fn remember_database(config: &Config) -> Result<(), String> {
    let path = config.data.join(DATABASE_KIND);
    fs::write(&path, config.database_kind()).map_err(|error| format!("{} cannot be written: {error}.", path.display()))
}

/// Refuses to work on a new, empty database when the folder's server was started with another one by flag: what is done there would
/// be seen by nobody.
fn check_database(config: &Config) -> Result<(), String> {
    let kind = fs::read_to_string(config.data.join(DATABASE_KIND)).unwrap_or_default();
    match kind.is_empty() || kind == config.database_kind() {
        true => Ok(()),
        false => Err(format!(
            "The server of {} was last started with a {kind} database, and this command would use a {} one: give the address with PARLOR_DATABASE, \
             or as a line “database = …” in parlor.toml.",
            config.data.display(),
            config.database_kind()
        )),
    }
}

/// The lock on a data folder, held as long as this lives.
pub struct Lock {
    data: PathBuf,
    /// Closing it, also by a crash, lets go.
    _file: File,
}

impl Lock {
    /// For a server, or word that another one runs.
    pub async fn for_server(data: &Path) -> Result<Self, String> {
        let until = Instant::now() + SERVER_PATIENCE;
        loop {
            if let Some(lock) = Self::take(data)? {
                return Ok(lock);
            }
            if Instant::now() >= until {
                return Err(format!("A server runs on {} already: stop it first, or choose another folder with --data.", data.display()));
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    fn take(data: &Path) -> Result<Option<Self>, String> {
        let path = data.join(LOCK);
        let unusable =
            |error: &dyn std::fmt::Display| format!("{} cannot be locked ({error}): check who owns the data folder.", path.display());
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path).map_err(|error| unusable(&error))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { data: data.to_owned(), _file: file })),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => Err(unusable(&error)),
        }
    }
}

/// An address for the folder's socket, and what must stay open while it is used.
struct Address {
    path: PathBuf,
    _folder: Option<File>,
}

impl Address {
    fn of(data: &Path) -> io::Result<Self> {
        let path = data.join(SOCKET);
        if path.as_os_str().len() <= ADDRESS_BYTES {
            return Ok(Self { path, _folder: None });
        }
        let folder = File::open(data)?;
        Ok(Self { path: PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", folder.as_raw_fd())), _folder: Some(folder) })
    }
}

/// Takes orders for a running server.
pub struct Desk {
    path: PathBuf,
    task: tokio::task::JoinHandle<()>,
}

impl Desk {
    /// Opens the socket. That the lock is held says that a socket which is there belongs to nobody alive.
    pub fn open(lock: &Lock, chat: Chat, origin: String) -> Result<Self, String> {
        let path = lock.data.join(SOCKET);
        let unusable = |error: io::Error| format!("The socket {} cannot be opened: {error}.", path.display());
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unusable(error)),
            _ => {}
        }
        let address = Address::of(&lock.data).map_err(unusable)?;
        let listener = UnixListener::bind(&address.path).map_err(unusable)?;
        fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(unusable)?;
        let task = tokio::spawn(take_orders(listener, chat, origin.into()));
        Ok(Self { path, task })
    }

    pub fn close(self) {
        self.task.abort();
        let _ = fs::remove_file(&self.path);
    }
}

async fn take_orders(listener: UnixListener, chat: Chat, origin: Arc<str>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let (chat, origin) = (chat.clone(), origin.clone());
                tokio::spawn(async move {
                    if let Err(error) = timeout(ANSWER, answer(stream, &chat, &origin)).await.unwrap_or(Ok(())) {
                        warn!(%error, "a command went away before its answer");
                    }
                });
            }
            Err(error) => {
                warn!(%error, "commands cannot be taken; trying again");
                sleep(LOOK_AGAIN).await;
            }
        }
    }
}

/// What goes back over the socket.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Reply {
    Done(Outcome),
    Refused(String),
}

async fn answer(stream: UnixStream, chat: &Chat, origin: &str) -> io::Result<()> {
    let (input, mut output) = stream.into_split();
    let mut line = String::new();
    BufReader::new(input.take(ORDER_BYTES)).read_line(&mut line).await?;
    let reply = match serde_json::from_str::<Order>(&line) {
        Ok(order) => order::carry_out(chat, origin, order).await.map_or_else(Reply::Refused, Reply::Done),
        Err(_) => Reply::Refused("The server does not know this command: it is of another version. Restart it.".into()),
    };
    let mut bytes = serde_json::to_vec(&reply)?;
    bytes.push(b'\n');
    output.write_all(&bytes).await
}

/// Does it here under the lock, or sends it to whoever holds that.
pub async fn carry_out(config: &Config, order: Order) -> Result<Outcome, String> {
    let until = Instant::now() + COMMAND_PATIENCE;
    loop {
        if let Some(_lock) = Lock::take(&config.data)? {
            check_database(config)?;
            let clock = Clock::system();
            let store = Store::open(&config.database, clock, Arc::new(LocalBus::default())).await.map_err(|error| error.to_string())?;
            let chat = Chat::new(store.clone(), config.posts_per_minute);
            let done = order::carry_out(&chat, &config.origin(config.listen), order).await;
            store.close().await;
            return done;
        }
        if let Ok(stream) = connect(&config.data).await {
            return send(stream, &order).await;
        }
        // A server that is starting, or another command.
        if Instant::now() >= until {
            return Err(format!("{} is in use, but no server answers there. If one hangs, end it and try again.", config.data.display()));
        }
        sleep(LOOK_AGAIN).await;
    }
}

async fn connect(data: &Path) -> io::Result<UnixStream> {
    let address = Address::of(data)?;
    UnixStream::connect(&address.path).await
}

async fn send(stream: UnixStream, order: &Order) -> Result<Outcome, String> {
    let lost = |error: &dyn std::fmt::Display| {
        format!("The server went away before it answered ({error}). Look whether it was done, then try again.")
    };
    let (input, mut output) = stream.into_split();
    let mut bytes = serde_json::to_vec(order).map_err(|error| lost(&error))?;
    bytes.push(b'\n');
    output.write_all(&bytes).await.map_err(|error| lost(&error))?;
    let mut line = String::new();
    let read = timeout(ANSWER, BufReader::new(input.take(ORDER_BYTES)).read_line(&mut line)).await;
    read.map_err(|error| lost(&error))?.map_err(|error| lost(&error))?;
    match serde_json::from_str::<Reply>(&line).map_err(|error| lost(&error))? {
        Reply::Done(outcome) => Ok(outcome),
        Reply::Refused(sentence) => Err(sentence),
    }
}
