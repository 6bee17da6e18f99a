//! The task that keeps the model's process: starts it when it is wanted, carries requests to it and events back, notices when it dies or hangs, and
//! starts it again, with pauses that grow while it keeps failing.
//!
//! One task owns everything here, so there is no lock. It is in one of three places: *asleep* (no process), *resting* (waiting before the next
//! start), *running*. Whatever happens, every request ends with [`Event::End`] or one error.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep_until};

use crate::model::child::{Settings, Status};
use crate::model::error::Refusal;
use crate::model::pipe::{Ask, Load, Tell};
use crate::model::process::Process;
use crate::model::{Event, Info, ModelError, Request};

/// How long the process may take to end by itself. Then it is killed.
pub const FAREWELL: Duration = Duration::from_secs(2);

/// Loading takes a fraction of a second for a small model, minutes for a huge one on a slow disk. After this it hangs.
const LOAD_LIMIT: Duration = Duration::from_secs(300);

/// A process that should be writing says something with every step, which takes a fraction of a second for
/// a small model and seconds for a huge one. After this it hangs.
const SILENCE_LIMIT: Duration = Duration::from_secs(120);

/// The longest pause between two starts.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What handles ask of the task.
#[derive(Debug)]
pub enum Call {
    Warm(oneshot::Sender<Result<Info, ModelError>>),
    Generate { id: u64, request: Box<Request>, events: Events },
    Cancel(u64),
    ShutDown(oneshot::Sender<()>),
}

type Events = UnboundedSender<Result<Event, ModelError>>;

/// Keeps the process until [`Call::ShutDown`], or until all handles are gone.
pub async fn supervise(settings: Settings, calls: UnboundedReceiver<Call>, status: watch::Sender<Status>) {
    let mut supervisor = Supervisor { settings, calls, status, wanted: Wanted::default(), pauses: Pauses::default(), refusal: None };
    let answer = supervisor.keep().await;
    supervisor.wanted.fail(&ModelError::ShuttingDown);
    supervisor.status.send_replace(Status::Gone);
    if let Some(answer) = answer {
        let _ = answer.send(());
    }
}

struct Supervisor {
    settings: Settings,
    calls: UnboundedReceiver<Call>,
    status: watch::Sender<Status>,
    wanted: Wanted,
    pauses: Pauses,
    /// Why the worker could not serve the file, if that is how it ended last. Trying again at once would end the same way, so until the pause is
    /// over this is the answer.
    refusal: Option<ModelError>,
}

/// Everybody who waits for something.
#[derive(Default)]
struct Wanted {
    warm: Vec<oneshot::Sender<Result<Info, ModelError>>>,
    /// Requests for a process that is not ready yet, in order.
    unsent: Vec<(u64, Box<Request>)>,
    replies: HashMap<u64, Events>,
}

/// Somebody asked to shut down, and wants to know when it is done; or nobody is left to ask for anything.
type Leave = Option<oneshot::Sender<()>>;

/// How a run of the process ended.
enum Over {
    Leave(Leave),
    /// Nobody asked for a while.
    Idle,
    /// It crashed, hung or refused.
    Failed,
}

impl Supervisor {
    async fn keep(&mut self) -> Leave {
        loop {
            self.status.send_replace(if self.pauses.due() { Status::Asleep } else { Status::Resting });
            while self.wanted.is_empty() {
                if let Some(leave) = self.next_call().await {
                    return leave;
                }
                self.answer_with_refusal();
            }
            if let Some(leave) = self.rest().await {
                return leave;
            }
            if self.wanted.is_empty() {
                continue;
            }
            match self.run().await {
                Over::Leave(leave) => return leave,
                Over::Idle => {}
                Over::Failed => self.pauses.failed(Instant::now()),
            }
        }
    }

    /// Waits for one call and notes what it wants.
    async fn next_call(&mut self) -> Option<Leave> {
        match self.calls.recv().await {
            None => Some(None),
            Some(Call::ShutDown(answer)) => Some(Some(answer)),
            Some(Call::Warm(answer)) => {
                self.wanted.warm.push(answer);
                None
            }
            Some(Call::Generate { id, request, events }) => {
                self.wanted.unsent.push((id, request));
                self.wanted.replies.insert(id, events);
                None
            }
            Some(Call::Cancel(id)) => {
                self.wanted.cancel(id);
                None
            }
        }
    }

    fn answer_with_refusal(&mut self) {
        if let Some(refusal) = self.refusal.as_ref().filter(|_| !self.pauses.due()) {
            self.wanted.fail(refusal);
        }
    }

    /// Waits until the next start is due. Calls are taken meanwhile: a cancelled request must not start a process.
    async fn rest(&mut self) -> Option<Leave> {
        while !self.pauses.due() && !self.wanted.is_empty() {
            let until = self.pauses.until;
            tokio::select! {
                leave = self.next_call() => if leave.is_some() { return leave },
                () = sleep_at(until) => {}
            }
        }
        None
    }

    /// Runs the process until it ends, by whatever cause. Afterwards nobody waits who was asked for in it.
    async fn run(&mut self) -> Over {
        self.refusal = None;
        let mut process = match self.start() {
            Ok(process) => process,
            Err(error) => {
                let error = ModelError::CannotStart(format!("{error}."));
                tracing::warn!(error = %error, "built-in model");
                self.refuse(error);
                return Over::Failed;
            }
        };
        let pid = process.pid();
        self.status.send_replace(Status::Starting { pid });
        tracing::info!(model.pid = pid, model.file = %self.settings.file.display(), "built-in model: loading");

        let over = self.converse(&mut process).await;
        let cut_off = self.wanted.replies.len();
        // Before anybody hears of it, so that nobody who has heard is still told the old id.
        self.status.send_replace(Status::Resting);
        match (&over, &self.refusal) {
            (Over::Failed, None) => self.wanted.fail(&ModelError::Ended),
            (Over::Failed, Some(refusal)) => self.wanted.fail(refusal),
            (Over::Leave(_), _) => self.wanted.fail(&ModelError::ShuttingDown),
            (Over::Idle, _) => {}
        }
        let how = process.end(FAREWELL).await;
        match (&over, &self.refusal) {
            (Over::Failed, None) => {
                tracing::warn!(model.pid = pid, model.exit = how, replies.cut_off = cut_off, "built-in model: process ended");
            }
            (Over::Failed, Some(refusal)) => tracing::warn!(model.pid = pid, model.exit = how, error = %refusal, "built-in model"),
            (Over::Idle | Over::Leave(_), _) => tracing::info!(model.pid = pid, model.exit = how, "built-in model: unloaded"),
        }
        over
    }

    fn start(&self) -> io::Result<Process> {
        let file = std::path::absolute(&self.settings.file)?;
        let file = file.into_os_string().into_string().map_err(|_| io::Error::other("the path of the model is not UTF-8"))?;
        let mut process = Process::start(&self.settings.command)?;
        let Settings { context_tokens, slots, threads, .. } = self.settings;
        process.ask(&Ask::Load(Load { file, context_tokens, slots, threads }))?;
        Ok(process)
    }

    /// Carries calls and events until there is a reason to stop.
    async fn converse(&mut self, process: &mut Process) -> Over {
        let mut info: Option<Info> = None;
        let mut heard = Instant::now();
        loop {
            let deadline = match (&info, self.wanted.replies.is_empty()) {
                (None, _) => Some(heard + LOAD_LIMIT),
                (Some(_), false) => Some(heard + SILENCE_LIMIT),
                (Some(_), true) => self.settings.unload_after.map(|after| heard + after),
            };
            tokio::select! {
                call = self.calls.recv() => {
                    let sent = match call {
                        None => return Over::Leave(None),
                        Some(Call::ShutDown(answer)) => return Over::Leave(Some(answer)),
                        Some(Call::Warm(answer)) => {
                            match &info {
                                Some(info) => drop(answer.send(Ok(info.clone()))),
                                None => self.wanted.warm.push(answer),
                            }
                            Ok(())
                        }
                        Some(Call::Generate { id, request, events }) => {
                            // Silence counts from the first request on.
                            if info.is_some() && self.wanted.replies.is_empty() {
                                heard = Instant::now();
                            }
                            self.wanted.replies.insert(id, events);
                            match &info {
                                Some(_) => self.wanted.send(process, id, *request),
                                None => {
                                    self.wanted.unsent.push((id, request));
                                    Ok(())
                                }
                            }
                        }
                        Some(Call::Cancel(id)) => {
                            let sent = self.wanted.cancel(id);
                            if sent { process.ask(&Ask::Cancel { id }) } else { Ok(()) }
                        }
                    };
                    if let Err(error) = sent {
                        tracing::warn!(%error, "built-in model: pipe");
                        return Over::Failed;
                    }
                }
                told = process.next() => {
                    heard = Instant::now();
                    match told {
                        Ok(Some(Tell::Ready(ready))) => {
                            let pid = process.pid();
                            tracing::info!(model.pid = pid, model.name = ready.name, model.load_ms = ready.load_ms, "built-in model: ready");
                            for (id, request) in std::mem::take(&mut self.wanted.unsent) {
                                if self.wanted.send(process, id, *request).is_err() {
                                    return Over::Failed;
                                }
                            }
                            for answer in self.wanted.warm.drain(..) {
                                let _ = answer.send(Ok(ready.clone()));
                            }
                            self.status.send_replace(Status::Ready { pid, info: ready.clone() });
                            info = Some(ready);
                        }
                        Ok(Some(Tell::Error { id: None, sentence, .. })) => {
                            // A process that served for a while and then gave up has crashed politely; one that never did refuses the file.
                            match &info {
                                Some(_) => tracing::warn!(error = sentence, "built-in model"),
                                None => self.refusal = Some(ModelError::CannotStart(sentence)),
                            }
                            return Over::Failed;
                        }
                        Ok(Some(tell)) => {
                            if matches!(tell, Tell::End { .. }) {
                                self.pauses = Pauses::default();
                            }
                            self.wanted.tell(tell);
                        }
                        Ok(None) => return Over::Failed,
                        Err(error) => {
                            tracing::warn!(%error, "built-in model: pipe");
                            return Over::Failed;
                        }
                    }
                }
                () = sleep_at(deadline) => {
                    if info.is_some() && self.wanted.replies.is_empty() {
                        return Over::Idle;
                    }
                    tracing::warn!(silent_s = heard.elapsed().as_secs(), "built-in model: hangs");
                    return Over::Failed;
                }
            }
        }
    }

    fn refuse(&mut self, error: ModelError) {
        self.wanted.fail(&error);
        self.refusal = Some(error);
    }
}

impl Wanted {
    fn is_empty(&self) -> bool {
        self.warm.is_empty() && self.replies.is_empty()
    }

    /// Sends a request to a process that is ready. One that fits in no frame is refused here.
    fn send(&mut self, process: &mut Process, id: u64, request: Request) -> io::Result<()> {
        match process.ask(&Ask::Generate { id, request }) {
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                if let Some(events) = self.replies.remove(&id) {
                    let _ = events.send(Err(ModelError::TooLong("The conversation is too long for this model.".to_owned())));
                }
                Ok(())
            }
            sent => sent,
        }
    }

    /// Forgets a reply. True if the process knows of it and must be told.
    fn cancel(&mut self, id: u64) -> bool {
        let before = self.unsent.len();
        self.unsent.retain(|(unsent, _)| *unsent != id);
        self.replies.remove(&id).is_some() && self.unsent.len() == before
    }

    /// Passes an event on to who waits for it. One for a cancelled reply crossed the cancel on its way.
    fn tell(&mut self, tell: Tell) {
        let (id, events, over) = match tell {
            Tell::Ready(_) | Tell::Error { id: None, .. } => return,
            Tell::Started { id, prompt_tokens, cached_tokens } => {
                (id, [Some(Ok(Event::Started { prompt_tokens, cached_tokens })), None], false)
            }
            Tell::Reading { id, tokens } => (id, [Some(Ok(Event::Reading { tokens })), None], false),
            Tell::Piece { id, text } => (id, [Some(Ok(Event::Piece(text))), None], false),
            Tell::End { id, finish, prompt_tokens, completion_tokens } => {
                (id, [Some(Ok(Event::Usage { prompt_tokens, completion_tokens })), Some(Ok(Event::End(finish)))], true)
            }
            Tell::Error { id: Some(id), refusal, sentence } => {
                let error = match refusal {
                    Refusal::TooLong => ModelError::TooLong(sentence),
                    Refusal::Busy => ModelError::Busy,
                    Refusal::Failed => ModelError::Failed(sentence),
                };
                (id, [Some(Err(error)), None], true)
            }
        };
        if let Some(reply) = self.replies.get(&id) {
            for event in events.into_iter().flatten() {
                let _ = reply.send(event);
            }
        }
        if over {
            self.replies.remove(&id);
        }
    }

    /// Ends everybody's waiting with an error.
    fn fail(&mut self, error: &ModelError) {
        self.unsent.clear();
        for (_, events) in self.replies.drain() {
            let _ = events.send(Err(error.clone()));
        }
        for answer in self.warm.drain(..) {
            let _ = answer.send(Err(error.clone()));
        }
    }
}

/// When the process may be started again: at once after the first failure, then after 1, 2, 4 … seconds, until a reply has been written.
#[derive(Debug, Default, Clone, Copy)]
struct Pauses {
    failures: u32,
    until: Option<Instant>,
}

impl Pauses {
    fn failed(&mut self, now: Instant) {
        let pause = match self.failures {
            0 => Duration::ZERO,
            more => Duration::from_secs(1u64 << (more - 1).min(10)).min(LONGEST_PAUSE),
        };
        self.failures += 1;
        self.until = Some(now + pause);
    }

    fn due(&self) -> bool {
        self.until.is_none_or(|until| until <= Instant::now())
    }
}

/// Sleeps until then; for ever without a time.
async fn sleep_at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_half_a_minute() {
        let now = Instant::now();
        let mut pauses = Pauses::default();
        let waits: Vec<u64> = (0..9)
            .map(|_| {
                pauses.failed(now);
                pauses.until.unwrap().duration_since(now).as_secs()
            })
            .collect();
        assert_eq!(waits, [0, 1, 2, 4, 8, 16, 30, 30, 30]);
    }
}
