//! One reply from claim to end: chunks → commits → deltas → the end, in one transaction.
//!
//! Nothing is shown that is not stored: a piece of text is committed, and the same commit announces it. The first goes out at once, then
//! at most one commit every 33 ms, on a beat that all replies share. Every write proves that the attempt is still this run's; one that is refused ends the run, and the row
//! says why. Stop closes the provider's connection at once, also while a commit is under way.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::connect::Connections;
use super::prompt::{self, Built};
use super::provider::{Chunk, ChunkStream, Finish, ProviderError, Usage};
use crate::domain::Millis;
use crate::domain::assistant::Assistant;
use crate::domain::message::{EXCERPT_CHARS, Facts, Part, StateKind, utf16_len};
use crate::domain::prompt::Record;
use crate::render;
use crate::store::attempts::{Claim, Job, SoFar};
use crate::store::messages::{Body, Ending};
use crate::store::{Announcement, ChunkDelta, Patience, Store, StoreError, assistants, attempts, messages, prompts, reading, rooms};

/// Least time between two commits of one reply's text: thirty a second look like a stream, and each costs a flush of the disk.
const FLUSH_EVERY: Duration = Duration::from_millis(33);
/// A flush may come so much before its time: timers are late by a little, and a beat must not be missed for that.
const TOLERANCE: Duration = Duration::from_millis(5);
/// All replies keep the same beat, so that twenty of them share one commit, and one flush of the disk, instead of needing one each.
static BEAT: LazyLock<Instant> = LazyLock::new(Instant::now);
/// Pauses between attempts to write when the database fails: the first, and the longest.
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_LONGEST: Duration = Duration::from_secs(5);

/// What is said of a reply that the server's own end cut off.
pub(super) const SHUT_DOWN: &str = "The server was stopped while this was being written.";
pub(super) const CRASHED: &str = "The server ended while this was being written.";
/// And of one that could not be stored for as long as a model may be silent: whoever sends it has given up by then.
const NOT_STORED: &str = "The server could not store this for a while, so it was ended. Continue from here.";

/// How a run is told to end early.
#[derive(Clone, Debug, Default)]
pub(super) struct Signals {
    /// Somebody wants it to stop, or the attempt is no longer this run's.
    pub stop: CancellationToken,
    /// The server shuts down and has waited long enough.
    pub shutdown: CancellationToken,
}

pub(super) struct Run {
    pub store: Store,
    pub connections: Arc<Connections>,
    pub job: Job,
    pub claim: Claim,
    pub signals: Signals,
}

/// What a run needs to begin.
struct Task {
    built: Built,
    assistant: Assistant,
}

/// What has come so far and what of it is stored.
struct Text {
    /// Stored and announced.
    stored: SoFar,
    /// Came since.
    waiting: SoFar,
    /// What the model was given, until that is stored too: with the first text, or else with the end. So it costs no commit of its own, and
    /// wherever there is text, it can be seen what it was made from.
    given: Option<Record>,
}

/// How the provider's part of a run ended.
enum Came {
    End {
        finish: Finish,
    },
    Error(ProviderError),
    /// The database took nothing for too long.
    NotStored,
    /// The attempt is not to be written any more, for a reason that its row tells.
    Stopped,
    ShutDown,
}

/// The first beat at or after an instant.
fn beat_after(at: Instant) -> Instant {
    let since = at.saturating_duration_since(*BEAT).as_nanos();
    let beats = since.div_ceil(FLUSH_EVERY.as_nanos());
    *BEAT + FLUSH_EVERY * u32::try_from(beats).unwrap_or(u32::MAX)
}

impl Run {
    /// Runs to the end, whatever happens.
    pub async fn run(self) {
        let (job, began) = (&self.job, self.store.clock().now());
        // What is stored must be known before anything is written: an end without it would erase what a continued reply began with. If the
        // server shuts down before that, the row stays as it is, and the next start marks it.
        let Some((so_far, task)) = self.prepare().await else { return };
        let mut text = Text { stored: so_far, waiting: SoFar::default(), given: None };
        let mut facts = Facts::default();
        let came = match task {
            Some(task) => self.write_reply(task, &mut text, &mut facts, began).await,
            None => Came::Error(ProviderError::Misconfigured("the server's database failed. Look at the server's log.".into())),
        };
        facts.total_ms = Some(self.store.clock().now() - began);
        let ending = self.end(&text, came, facts).await;
        info!(room.id = %job.room, message.id = %job.message, attempt = job.attempt, reply.state = ending, "a reply ended");
    }

    /// Reads all that the run needs, in one state of the database; tries until it can, or the server shuts down.
    /// Where rows make no sense there is no task, and the reply ends with what is stored of it: that does not get better by waiting.
    async fn prepare(&self) -> Option<(SoFar, Option<Task>)> {
        let mut pause = RETRY_FIRST;
        loop {
            let read = async {
                let so_far = self.read_so_far().await?;
                match self.read_task(&so_far).await {
                    Ok(task) => Ok((so_far, task)),
                    Err(StoreError::Corrupt(why)) => {
                        error!(message.id = %self.job.message, error = %why, "a reply cannot be begun");
                        Ok((so_far, None))
                    }
                    Err(error) => Err(error),
                }
            };
            match read.await {
                Ok(task) => return Some(task),
                Err(error) => {
                    warn!(message.id = %self.job.message, %error, "a reply cannot be begun; trying again");
                    tokio::select! {
                        () = sleep(pause) => {}
                        () = self.signals.shutdown.cancelled() => return None,
                    }
                    pause = (pause * 2).min(RETRY_LONGEST);
                }
            }
        }
    }

    /// Nothing if the reply is no longer there.
    async fn read_task(&self, so_far: &SoFar) -> Result<Option<Task>, StoreError> {
        let mut snapshot = self.store.snapshot().await?;
        let conn = &mut snapshot.conn();
        let Some(reply) = messages::find(conn, self.job.room, self.job.message).await? else { return Ok(None) };
        let Some(assistant) = assistants::find(conn, self.job.assistant).await? else { return Ok(None) };
        let now = self.store.clock().now();
        let built = prompt::build(conn, self.job.room, self.job.question, &reply.message, &assistant, &so_far.answer, now).await?;
        Ok(Some(Task { built, assistant }))
    }

    async fn read_so_far(&self) -> Result<SoFar, StoreError> {
        let mut snapshot = self.store.snapshot().await?;
        attempts::so_far(&mut snapshot.conn(), self.job.message, self.job.attempt).await
    }

    async fn write_reply(&self, task: Task, text: &mut Text, facts: &mut Facts, began: Millis) -> Came {
        let Task { built: Built { prompt, record }, assistant } = task;
        if assistant.removed {
            return Came::Error(ProviderError::Misconfigured("it was removed. Ask another assistant.".into()));
        }
        let provider = match self.connections.provider_of(&assistant) {
            Ok(provider) => provider,
            Err(error) => return Came::Error(error),
        };
        facts.model = if assistant.model.is_empty() { provider.label().to_owned() } else { assistant.model.clone() };
        text.given = Some(Record { model: facts.model.clone(), ..record });
        let stream = provider.stream(prompt);
        self.follow(stream, text, facts, began).await
    }

    /// Takes what comes and stores it, until the end.
    async fn follow(&self, mut stream: ChunkStream, text: &mut Text, facts: &mut Facts, began: Millis) -> Came {
        let mut next_flush = Instant::now();
        loop {
            let waits = !(text.waiting.answer.is_empty() && text.waiting.reasoning.is_empty());
            tokio::select! {
                biased;
                () = self.signals.stop.cancelled() => return Came::Stopped,
                () = self.signals.shutdown.cancelled() => return Came::ShutDown,
                () = sleep_until(next_flush), if waits => {
                    next_flush = beat_after(Instant::now() + FLUSH_EVERY - TOLERANCE);
                    facts.first_text_ms.get_or_insert_with(|| self.store.clock().now() - began);
                    let flush = self.flush(text);
                    tokio::pin!(flush);
                    // Stop closes the provider's connection now, not after the commit.
                    let flushed = tokio::select! {
                        flushed = &mut flush => flushed,
                        () = self.signals.stop.cancelled() => {
                            drop(stream);
                            let _ = flush.await;
                            return Came::Stopped;
                        }
                    };
                    if let Err(came) = flushed {
                        return came;
                    }
                }
                chunk = stream.next() => match chunk {
                    // Postgres stores no NUL, and nobody can see one.
                    Some(Ok(Chunk::Answer(piece))) => text.waiting.answer.extend(piece.chars().filter(|c| *c != '\0')),
                    Some(Ok(Chunk::Reasoning(piece))) => text.waiting.reasoning.extend(piece.chars().filter(|c| *c != '\0')),
                    Some(Ok(Chunk::Usage(usage))) => note(facts, usage),
                    Some(Ok(Chunk::End(finish))) => return Came::End { finish },
                    Some(Err(error)) => return Came::Error(error),
                    None => return Came::Error(ProviderError::CutOff { after_text: true }),
                },
            }
        }
    }

    /// Stores and announces what waits, or says why the run ends. Where the database fails it is tried again for as long as a model may
    /// be silent: meanwhile nothing is read from it, and nothing is shown.
    async fn flush(&self, text: &mut Text) -> Result<(), Came> {
        let (claim, room) = (self.claim, self.job.room);
        let pieces: Vec<(Part, i64, String)> = Part::ALL
            .into_iter()
            .map(|part| (part, utf16_len(text.stored.part(part)) as i64, text.waiting.part(part).to_owned()))
            .filter(|(_, _, piece)| !piece.is_empty())
            .collect();
        let (mut pause, until) = (RETRY_FIRST, Instant::now() + self.connections.limits().silence);
        loop {
            let (pieces, given) = (pieces.clone(), text.given.clone());
            let written = self
                .store
                .write(Patience::Wait, move |tx| {
                    Box::pin(async move {
                        for (part, off, piece) in pieces {
                            if !attempts::append(&mut tx.conn(), claim, part, off, &piece).await? {
                                return Err(Refused::NotOurs);
                            }
                            tx.announce(Announcement::Delta(ChunkDelta {
                                room,
                                message: claim.message,
                                attempt: claim.attempt,
                                part,
                                off,
                                text: piece,
                            }));
                        }
                        if let Some(given) = given {
                            prompts::insert(&mut tx.conn(), claim.message, claim.attempt, &given).await?;
                        }
                        Ok(())
                    })
                })
                .await;
            match written {
                Ok(()) => break,
                Err(Refused::NotOurs) => return Err(Came::Stopped),
                // An earlier try was committed although its answer was lost. Its delta was not announced; the hub will miss it at the
                // next one and read what is stored.
                Err(Refused::Store(error)) if error.is_unique_violation() => break,
                Err(Refused::Store(error)) => {
                    warn!(message.id = %claim.message, %error, "text of a reply cannot be stored; trying again");
                    if Instant::now() >= until {
                        return Err(Came::NotStored);
                    }
                    tokio::select! {
                        () = sleep(pause) => {}
                        () = self.signals.shutdown.cancelled() => return Err(Came::ShutDown),
                    }
                    pause = (pause * 2).min(RETRY_LONGEST);
                }
            }
        }
        text.given = None;
        text.stored.answer.push_str(&std::mem::take(&mut text.waiting.answer));
        text.stored.reasoning.push_str(&std::mem::take(&mut text.waiting.reasoning));
        Ok(())
    }

    /// Writes the end: text, state, and the chunks' removal in one transaction. Tries until it stands or is not wanted any more,
    /// because nothing may spin for ever.
    async fn end(&self, text: &Text, came: Came, facts: Facts) -> &'static str {
        let stopped = matches!(came, Came::Stopped);
        let (state, why) = match came {
            Came::End { finish: Finish::Stop } if text.is_empty() => {
                (StateKind::Failed, "The model gave no answer. Try again, or ask in other words.".to_owned())
            }
            Came::End { finish: Finish::Stop } => (StateKind::Complete, String::new()),
            Came::End { finish: Finish::Length } => (StateKind::Interrupted, "The reply reached the model's limit of length.".to_owned()),
            Came::End { finish: Finish::ContentFilter } => {
                (StateKind::Failed, "A content filter of the provider ended the reply.".to_owned())
            }
            Came::Error(error) if error.is_cut_off() => (StateKind::Interrupted, error.to_string()),
            Came::Error(error) => (StateKind::Failed, error.to_string()),
            Came::NotStored => (StateKind::Interrupted, NOT_STORED.to_owned()),
            Came::Stopped => (StateKind::Stopped, String::new()),
            Came::ShutDown => (StateKind::Interrupted, SHUT_DOWN.to_owned()),
        };
        // After a stop nothing lands that was not shown before it.
        let mut so_far = text.stored.clone();
        if !stopped {
            so_far.answer.push_str(&text.waiting.answer);
            so_far.reasoning.push_str(&text.waiting.reasoning);
        }
        let mut pause = RETRY_FIRST;
        loop {
            let left = Left { so_far: &so_far, given: text.given.as_ref() };
            match end(&self.store, &self.job, self.claim, left, state, &why, &facts).await {
                Ok(true) => return state.as_str(),
                // Deleted, or another's by now: the row says what is so.
                Ok(false) => return "overtaken",
                Err(error) => {
                    warn!(message.id = %self.claim.message, %error, "the end of a reply cannot be stored; trying again");
                    tokio::select! {
                        () = sleep(pause) => {}
                        // What is stored is kept, and the next start marks it.
                        () = self.signals.shutdown.cancelled() => return "left",
                    }
                    pause = (pause * 2).min(RETRY_LONGEST);
                }
            }
        }
    }
}

impl Text {
    fn is_empty(&self) -> bool {
        [&self.stored, &self.waiting].iter().all(|t| t.answer.trim().is_empty())
    }
}

fn note(facts: &mut Facts, usage: Usage) {
    facts.prompt_tokens = usage.prompt_tokens.or(facts.prompt_tokens);
    facts.completion_tokens = usage.completion_tokens.or(facts.completion_tokens);
}

enum Refused {
    /// The attempt was stopped, deleted or overtaken.
    NotOurs,
    Store(StoreError),
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// What is there of an attempt when it ends.
pub(super) struct Left<'a> {
    pub so_far: &'a SoFar,
    /// What the model was given, if that is not stored yet.
    pub given: Option<&'a Record>,
}

/// Ends an attempt with what is known of its text. False if it is not this claim's to end. Also used at start-up for replies whose run is gone.
pub(super) async fn end(
    store: &Store,
    job: &Job,
    claim: Claim,
    Left { so_far, given }: Left<'_>,
    state: StateKind,
    why: &str,
    facts: &Facts,
) -> Result<bool, StoreError> {
    let names = names_in(store, job).await?;
    let rooms = rooms_for(store, job, &so_far.answer).await?;
    // Rendered here, not in the writer.
    let body = Body {
        html: render::render(&so_far.answer, &render::Context { scope: &job.message.to_string(), names: &names, rooms: &rooms }),
        excerpt: render::plain_excerpt(&so_far.answer, EXCERPT_CHARS),
        text: so_far.answer.clone(),
        renderer: render::RENDERER,
    };
    let mentioned = render::mentions(&so_far.answer, &names);
    let (room, reasoning, why, facts, given) = (job.room, so_far.reasoning.clone(), why.to_owned(), facts.clone(), given.cloned());
    let done = store
        .write(Patience::Wait, move |tx| {
            Box::pin(async move {
                let rev = tx.advance(room).await?;
                // A stop that came in at the last moment still counts: whoever pressed it sees that it was they.
                let by = attempts::find(&mut tx.conn(), claim.message, claim.attempt).await?.and_then(|attempt| attempt.stop_by);
                let state = if by.is_some() && state == StateKind::Complete { StateKind::Stopped } else { state };
                let now = tx.now();
                if !attempts::end(&mut tx.conn(), claim, StateKind::Streaming, state, &why, Some(&facts), now).await? {
                    return Err(Refused::NotOurs);
                }
                if let Some(given) = given {
                    prompts::insert(&mut tx.conn(), claim.message, claim.attempt, &given).await?;
                }
                let by = if state == StateKind::Stopped { by } else { None };
                let ending = Ending { state, by, why: &why, body: &body, reasoning: &reasoning, facts: &facts };
                messages::finish(tx, claim.message, claim.attempt, &ending, rev).await?;
                reading::note_mentions(&mut tx.conn(), claim.message, &mentioned).await?;
                for quoting in messages::quoting(&mut tx.conn(), claim.message).await? {
                    let rev = tx.advance(room).await?;
                    messages::touch(&mut tx.conn(), quoting, rev).await?;
                }
                Ok(())
            })
        })
        .await;
    match done {
        Ok(()) => Ok(true),
        Err(Refused::NotOurs) => Ok(false),
        Err(Refused::Store(error)) => Err(error),
    }
}

/// Rooms that the reply may link to by name.
async fn rooms_for(store: &Store, job: &Job, text: &str) -> Result<Vec<render::Room>, StoreError> {
    if !render::may_name_room(text) {
        return Ok(Vec::new());
    }
    let mut snapshot = store.snapshot().await?;
    let rooms = rooms::linked(&mut snapshot.conn(), job.room, None).await?;
    Ok(rooms.into_iter().map(|(id, name)| render::Room { name, id: id.to_string() }).collect())
}

async fn names_in(store: &Store, job: &Job) -> Result<Vec<String>, StoreError> {
    let mut snapshot = store.snapshot().await?;
    let conn = &mut snapshot.conn();
    let members = rooms::members(conn, job.room).await?.into_iter().map(|m| m.name);
    let assistants = assistants::of_room(conn, job.room).await?.into_iter().map(|a| a.name);
    Ok(members.chain(assistants).collect())
}
