//! Wires the parts of a running server, and ends them in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::chat::Chat;
use crate::chat::files::Files;
use crate::clock::Clock;
use crate::config::{Config, ModelChoice};
use crate::http::accept::{Accept, Shared};
use crate::http::tls::{self, Certificate};
use crate::http::{Site, router};
use crate::live::{Hub, LocalBus};
use crate::model::{self, BuiltinModel, Settings};
use crate::reply::{Connections, Engine};
use crate::store::Store;

/// How often what has expired is deleted.
const SWEEP: Duration = Duration::from_secs(60 * 60);
/// Between two writes that put older messages into the index of words.
const INDEX_PAUSE: Duration = Duration::from_millis(20);
/// When the server ends although something has not: every part has its own, shorter time.
const LONGEST_END: Duration = Duration::from_secs(9);

/// How long requests under way may still take at the end.
const LAST_ANSWERS: Duration = Duration::from_secs(1);
/// Open files kept for everything that is not a connection: databases, providers, the model.
const OTHER_FILES: u64 = 256;
/// Connections at most, where the system sets no limit.
const MOST_CONNECTIONS: u64 = 1_000_000;
/// Connections that may wait to be accepted. When thousands come back at one moment, who finds no room here waits for seconds or is reset
/// by the system, which may allow fewer (`net.core.somaxconn`).
const BACKLOG: u32 = 4096;

/// The folder of files, inside the data folder.
const FILES: &str = "files";

/// A server that runs.
pub struct App {
    pub address: SocketAddr,
    pub chat: Chat,
    /// Part of the link with which the first account is made from elsewhere.
    pub setup_key: String,
    hub: Hub,
    engine: Engine,
    model: Option<BuiltinModel>,
    store: Store,
    stopping: CancellationToken,
    streams_end: CancellationToken,
    /// Ends the accept loop.
    closed: CancellationToken,
    connections: TaskTracker,
    tasks: TaskTracker,
}

impl App {
    /// Opens the database, starts every part and listens. The error is one sentence.
    pub async fn start(config: &Config) -> Result<Self, String> {
        let clock = Clock::system();
        let bus = Arc::new(LocalBus::default());
        let store = Store::open(&config.database, clock.clone(), bus.clone()).await.map_err(|error| error.to_string())?;
        let tasks = TaskTracker::new();
        let (stopping, streams_end) = (CancellationToken::new(), CancellationToken::new());
        let hub = Hub::new(store.clone(), tasks.clone(), streams_end.clone());
        let model = builtin_model(config, &tasks)?;
        let connections = Arc::new(Connections::new(config.limits, model.clone(), clock.clone()));
        let engine =
            Engine::start(store.clone(), connections, tasks.clone(), config.is_alone()).await.map_err(|error| error.to_string())?;
        bus.connect(vec![Arc::new(hub.clone()), Arc::new(engine.clone())]);
        let folder = config.data.join(FILES);
        let files = Files::open(&folder, config.files_per_person, tasks.clone())
            .await
            .map_err(|error| format!("The folder {} cannot be made ({error}): check that it can be written to.", folder.display()))?;
        let chat = Chat::new(store.clone(), config.posts_per_minute).with_files(files);
        if let Err(error) = chat.recover_files().await {
            warn!(%error, "what was left of uploads cannot be tidied up; trying again later");
        }
        let setup_key = clock.new_secret();
        let site =
            Site::new(chat.clone(), hub.clone(), config.public_url.clone(), config.proxies.clone(), setup_key.clone(), stopping.clone());
        let listener = listen(config.listen).map_err(|error| {
            format!("Cannot listen on {} ({error}): stop what listens there, or choose another address with --listen.", config.listen)
        })?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        let tls = match &config.tls {
            Some(files) => {
                let certificate = Certificate::read(files.clone())?;
                let acceptor = certificate.acceptor()?;
                tasks.spawn(watch_certificate(certificate, stopping.clone()));
                Some(acceptor)
            }
            None => None,
        };
        let (closed, connections) = (CancellationToken::new(), TaskTracker::new());
        let accept = Accept {
            listener,
            shared: Shared { router: router(site), stopping: stopping.clone(), tasks: connections.clone() },
            places: config.max_connections.unwrap_or_else(places),
            tls,
            closed: closed.clone(),
        };
        tasks.spawn(accept.run());
        tasks.spawn(sweep(chat.clone(), stopping.clone()));
        tasks.spawn(index_older(chat.clone(), stopping.clone()));
        info!(listen.address = %address, database.kind = config.database_kind(), "listening");
        Ok(Self { address, chat, setup_key, hub, engine, model, store, stopping, streams_end, closed, connections, tasks })
    }

    /// Ends in order: no new posts, every stream told, replies given their time, the rest written, within ten seconds.
    pub async fn shutdown(self) {
        info!(streams = self.hub.count(), "shutting down");
        self.stopping.cancel();
        let ending = async {
            tokio::join!(self.hub.shutdown(), self.engine.shutdown());
            if let Some(model) = &self.model {
                model.shutdown().await;
            }
            self.closed.cancel();
            self.connections.close();
            if timeout(LAST_ANSWERS, self.connections.wait()).await.is_err() {
                warn!("some requests are cut off");
            }
            self.streams_end.cancel();
            self.store.close().await;
            self.tasks.close();
            self.tasks.wait().await;
        };
        if timeout(LONGEST_END, ending).await.is_err() {
            warn!("something did not end in time; what is stored is whole, and the next start marks what was cut off");
        }
        // Sockets that are still open belong to readers that take nothing; they end with the process.
        info!("ended");
    }
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A server that is started again need not wait until the last one's connections are forgotten.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// How many connections there is room for: as many as the system lets us open files, which is asked for in full.
fn places() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if limit.current < limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
    {
        warn!(%error, "the limit of open files stays as it is");
    }
    let files = getrlimit(Resource::Nofile).current.unwrap_or(MOST_CONNECTIONS);
    files.saturating_sub(OTHER_FILES).clamp(OTHER_FILES, MOST_CONNECTIONS) as usize
}

/// Reads the certificate again when its files change.
async fn watch_certificate(certificate: Arc<Certificate>, stopping: CancellationToken) {
    while stopping.run_until_cancelled(tokio::time::sleep(tls::LOOK_EVERY)).await.is_some() {
        certificate.look_again();
    }
}

/// The model inside, if there is a file for it.
fn builtin_model(config: &Config, tasks: &TaskTracker) -> Result<Option<BuiltinModel>, String> {
    let file = match &config.model {
        ModelChoice::Off => return Ok(None),
        ModelChoice::File(file) if file.is_file() => file.clone(),
        ModelChoice::File(file) => return Err(format!("There is no model {}: check --model.", file.display())),
        ModelChoice::InData => match model::files::default_model(&config.data).map_err(|error| error.to_string())? {
            Some(installed) => installed.path,
            None => {
                warn!(
                    "there is no built-in model: add one with “parlor model add FILE”, or connect a provider with “parlor assistant add”"
                );
                return Ok(None);
            }
        },
    };
    let mut settings = Settings::new(file).map_err(|error| format!("This program's own file cannot be found: {error}."))?;
    settings.unload_after = config.model_idle;
    Ok(Some(BuiltinModel::new(settings, tasks)))
}

/// Messages from before there was an index of words come into it between the writes of people, who must not notice.
async fn index_older(chat: Chat, stopping: CancellationToken) {
    loop {
        let pause = match chat.index_older().await {
            Ok(true) => INDEX_PAUSE,
            Ok(false) => return,
            Err(error) => {
                warn!(%error, "older messages cannot be made searchable; trying again later");
                SWEEP
            }
        };
        if stopping.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return;
        }
    }
}

async fn sweep(chat: Chat, stopping: CancellationToken) {
    let mut ticks = tokio::time::interval(SWEEP);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stopping.cancelled() => return,
        }
        if let Err(error) = chat.sweep_sessions().await {
            warn!(%error, "expired sessions cannot be deleted; trying again later");
        }
        if let Err(error) = chat.sweep_files().await {
            warn!(%error, "files that nobody sent cannot be removed; trying again later");
        }
    }
}
