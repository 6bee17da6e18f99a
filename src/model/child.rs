//! The app's handle on the built-in model: ask for a reply, get a stream of events.
//!
//! The process behind it starts at the first use, is started again after a crash, and may be let go when nobody asks for long; who asks sees of all
//! that a delay or one error. One background task (`supervisor.rs`) keeps it; that belongs to the tracker that the app passes in
//! and ends with [`BuiltinModel::shutdown`].

use std::ffi::OsString;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use std::{env, io, thread};

use futures_util::Stream;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::{oneshot, watch};
use tokio_util::task::TaskTracker;

use crate::model::supervisor::{self, Call};
use crate::model::{Event, Info, ModelError, Request, worker};

/// What to run, and how.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The GGUF file.
    pub file: PathBuf,
    /// Tokens of context for all conversations together. SmolLM2 needs about 23 kB of memory for each.
    pub context_tokens: u32,
    /// Conversations written at the same time; more wait.
    pub slots: u32,
    /// Threads that compute.
    pub threads: u32,
    /// The process is let go when nobody has asked for so long; never if none.
    pub unload_after: Option<Duration>,
    /// How the process is started.
    pub command: WorkerCommand,
}

impl Settings {
    /// Settings that suit a small model on a machine that has other things to do.
    ///
    /// # Errors
    /// If this program's own file cannot be found.
    pub fn new(file: impl Into<PathBuf>) -> io::Result<Self> {
        // All cores would be one too many: llama.cpp's threads spin while they wait for the slowest, which on a busy machine is the one that lost
        // its core to the chat.
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        let threads = u32::try_from(cores.saturating_sub(1).max(1)).unwrap_or(1);
        let file = file.into();
        Ok(Self { file, context_tokens: 8192, slots: 4, threads, unload_after: None, command: WorkerCommand::this_program()? })
    }
}

/// The program that serves as a worker, with the arguments that make it one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerCommand {
    pub program: PathBuf,
    pub args: Vec<OsString>,
}

impl WorkerCommand {
    /// The running program itself. On Linux as the very file that runs, even if an update has replaced it on disk since: both ends of the pipe
    /// must be of one version.
    ///
    /// # Errors
    /// If the system cannot say which file that is.
    pub fn this_program() -> io::Result<Self> {
        let running = Path::new("/proc/self/exe");
        let program = if cfg!(target_os = "linux") && running.exists() { running.to_owned() } else { env::current_exe()? };
        Ok(Self { program, args: vec![worker::SUBCOMMAND.into()] })
    }
}

/// What the process is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// There is none; the next request starts it.
    Asleep,
    /// It loads the model.
    Starting {
        pid: u32,
    },
    Ready {
        pid: u32,
        info: Info,
    },
    /// It failed and is started again after a pause, once somebody asks.
    Resting,
    /// [`BuiltinModel::shutdown`] was called.
    Gone,
}

impl Status {
    /// The process's id, if there is one.
    pub fn pid(&self) -> Option<u32> {
        match self {
            Self::Starting { pid } | Self::Ready { pid, .. } => Some(*pid),
            Self::Asleep | Self::Resting | Self::Gone => None,
        }
    }
}

/// The built-in model. Cheap to clone; all clones are one process.
#[derive(Debug, Clone)]
pub struct BuiltinModel {
    calls: UnboundedSender<Call>,
    status: watch::Receiver<Status>,
    next_id: Arc<AtomicU64>,
}

impl BuiltinModel {
    /// Starts the background task, but no process yet. Needs a tokio runtime. The tracker owns the task; before waiting for the tracker, call
    /// [`shutdown`](Self::shutdown).
    pub fn new(settings: Settings, tasks: &TaskTracker) -> Self {
        let (calls, receiver) = mpsc::unbounded_channel();
        let (sender, status) = watch::channel(Status::Asleep);
        tasks.spawn(supervisor::supervise(settings, receiver, sender));
        Self { calls, status, next_id: Arc::new(AtomicU64::new(1)) }
    }

    /// Loads the model, if it is not loaded, so that the first reply need not wait for it.
    ///
    /// # Errors
    /// Why it cannot be loaded.
    pub async fn warm(&self) -> Result<Info, ModelError> {
        let (answer, answered) = oneshot::channel();
        // Should the task be gone, the sender is dropped with the call, and so is the answer.
        let _ = self.calls.send(Call::Warm(answer));
        answered.await.unwrap_or(Err(ModelError::ShuttingDown))
    }

    /// Writes a reply. The request is on its way when this returns; drop the stream to cancel it.
    pub fn generate(&self, request: Request) -> Generation {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        // Unbounded, because the model's tokens bound it: a reader that is slow, or gone, must not hold up the replies of others.
        let (sender, events) = mpsc::unbounded_channel();
        let request = Request { sampling: request.sampling.sane(), ..request };
        let _ = self.calls.send(Call::Generate { id, request: Box::new(request), events: sender });
        Generation { id, events, calls: self.calls.clone(), over: false }
    }

    /// What the process is doing now, and a way to wait for it to change.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// The process's id, if there is one.
    pub fn pid(&self) -> Option<u32> {
        self.status.borrow().pid()
    }

    /// Ends the process and the background task. Replies under way end with [`ModelError::ShuttingDown`]. Returns when both are gone; at the latest
    /// after two seconds.
    pub async fn shutdown(&self) {
        let (answer, answered) = oneshot::channel();
        let _ = self.calls.send(Call::ShutDown(answer));
        let _ = answered.await;
    }
}

/// The events of one reply. Ends after [`Event::End`] or an error. Dropping it earlier cancels the reply.
#[derive(Debug)]
pub struct Generation {
    id: u64,
    events: UnboundedReceiver<Result<Event, ModelError>>,
    calls: UnboundedSender<Call>,
    over: bool,
}

impl Stream for Generation {
    type Item = Result<Event, ModelError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.over {
            return Poll::Ready(None);
        }
        // The channel ends without an end of the reply only if the task is gone.
        let event = ready!(self.events.poll_recv(context)).unwrap_or(Err(ModelError::ShuttingDown));
        self.over = matches!(event, Ok(Event::End(_)) | Err(_));
        Poll::Ready(Some(event))
    }
}

impl Drop for Generation {
    fn drop(&mut self) {
        if !self.over {
            let _ = self.calls.send(Call::Cancel(self.id));
        }
    }
}
