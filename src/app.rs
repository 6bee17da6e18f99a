//! Wires the parts of a running server, and ends them in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::chat::Chat;
use crate::clock::Clock;
use crate::config::{Config, ModelChoice};
use crate::http::{Site, router};
use crate::live::{Hub, LocalBus};
use crate::model::{self, BuiltinModel, Settings};
use crate::reply::{Connections, Engine};
use crate::store::Store;

/// How often what has expired is deleted.
const SWEEP: Duration = Duration::from_secs(60 * 60);
/// When the server ends although something has not: every part has its own, shorter time.
const LONGEST_END: Duration = Duration::from_secs(9);

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
    tasks: TaskTracker,
    serving: tokio::task::JoinHandle<std::io::Result<()>>,
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
        let chat = Chat::new(store.clone(), config.posts_per_minute);
        let setup_key = clock.new_secret();
        let site =
            Site::new(chat.clone(), hub.clone(), config.public_url.clone(), config.proxies.clone(), setup_key.clone(), stopping.clone());
        let listener = TcpListener::bind(config.listen).await.map_err(|error| {
            format!("Cannot listen on {} ({error}): stop what listens there, or choose another address with --listen.", config.listen)
        })?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        // Every event goes out when it is written, not when a packet is full.
        let listener = listener.tap_io(|stream| {
            if let Err(error) = stream.set_nodelay(true) {
                warn!(%error, "a connection keeps Nagle's algorithm");
            }
        });
        let service = router(site).into_make_service_with_connect_info::<SocketAddr>();
        let ended = stopping.clone();
        let serving = tokio::spawn(async move { axum::serve(listener, service).with_graceful_shutdown(ended.cancelled_owned()).await });
        tasks.spawn(sweep(chat.clone(), stopping.clone()));
        info!(listen.address = %address, database.kind = config.database_kind(), "listening");
        Ok(Self { address, chat, setup_key, hub, engine, model, store, stopping, streams_end, tasks, serving })
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
            self.streams_end.cancel();
            self.store.close().await;
            self.tasks.close();
            self.tasks.wait().await;
        };
        if timeout(LONGEST_END, ending).await.is_err() {
            warn!("something did not end in time; what is stored is whole, and the next start marks what was cut off");
        }
        // Connections that are still open belong to clients that do not close; they end with the process.
        self.serving.abort();
        info!("ended");
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
    }
}
