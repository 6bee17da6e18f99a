//! llama.cpp at work: all replies that are being written share one model and one context, and each step computes the next token of every one of
//! them together, with a share of the prompts that are still being read. Reading the weights once for all is what makes several at once cheap.
//!
//! Nothing here knows pipes or processes: requests come in, [`Tell`]s go out, [`Engine::step`] does one piece of work of a bounded size.

use std::collections::VecDeque;
use std::num::NonZeroU32;

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::vocab::LlamaVocab;

use crate::model::characters::Characters;
use crate::model::error::Refusal;
use crate::model::pipe::{Load, Tell};
use crate::model::prompt;
use crate::model::slots::Slots;
use crate::model::template::Template;
use crate::model::{Finish, Request, Sampling};

/// Prompt tokens read in one step, by all together. A step cannot be interrupted: this is how long others wait for their next token, and a
/// cancelled reply for its end. The demo model reads about 240 tokens a second on one core, in larger steps no faster.
const PROMPT_TOKENS_PER_STEP: usize = 64;

/// Requests that may wait for a slot. Beyond it the answer is "busy": a longer queue would be waited out by nobody.
const QUEUE_LIMIT: usize = 64;

/// The repeat penalty looks back so many written tokens.
const PENALTY_WINDOW: i32 = 64;

/// A seed that llama.cpp takes as "choose one".
const RANDOM_SEED: u32 = u32::MAX;

/// A loaded model and everybody it writes for.
pub struct Engine<'model> {
    context: LlamaContext<'model>,
    vocab: LlamaVocab<'model>,
    template: Template,
    batch: LlamaBatch<'static>,
    slots: Slots<LlamaToken>,
    /// Models with a running state instead of cells cannot share parts of it.
    sharing: bool,
    /// The reply of each slot.
    replies: Vec<Option<Reply>>,
    /// Requests in the order they came. The first waits until it fits, and the others behind it: nobody is overtaken.
    waiting: VecDeque<Waiting>,
}

struct Waiting {
    id: u64,
    request: Request,
    prompt: Vec<LlamaToken>,
}

struct Reply {
    id: u64,
    prompt: Vec<LlamaToken>,
    /// The token that was chosen last and is to be read next; none while the prompt is being read.
    next: Option<LlamaToken>,
    sampler: LlamaSampler,
    characters: Characters,
    written: u32,
    max_tokens: u32,
}

impl<'model> Engine<'model> {
    /// A context for the model. Reads one token, so that the weights are in memory and the first reply is as fast as the next.
    ///
    /// # Errors
    /// A sentence, if the template cannot be used or there is not enough memory.
    pub fn new(backend: &LlamaBackend, model: &'model LlamaModel, load: &Load) -> Result<Self, String> {
        let template = prompt::template(model)?;
        let slots = usize::try_from(load.slots.max(1)).unwrap_or(1);
        let step = PROMPT_TOKENS_PER_STEP + slots;
        let batch_tokens = u32::try_from(step).unwrap_or(u32::MAX);
        let threads = i32::try_from(load.threads.max(1)).unwrap_or(1);
        let params = LlamaContextParams::default()
            .with_n_ctx(NonZeroU32::new(load.context_tokens.min(model.n_ctx_train())))
            .with_n_seq_max(load.slots.max(1))
            // One store for all: a single long conversation may use all of it, and a beginning in common is stored once.
            .with_kv_unified(true)
            .with_n_batch(batch_tokens)
            .with_n_ubatch(batch_tokens)
            .with_n_threads(threads)
            .with_n_threads_batch(threads)
            .with_no_perf(true);
        let context = model.new_context(backend, params).map_err(|_| "There is not enough memory for this model's context.".to_owned())?;
        let capacity = usize::try_from(context.n_ctx()).unwrap_or(usize::MAX);
        let mut engine = Self {
            context,
            vocab: model.vocab(),
            template,
            batch: LlamaBatch::new(step, 1),
            slots: Slots::new(slots, capacity),
            sharing: !model.is_recurrent() && !model.is_hybrid(),
            replies: (0..slots).map(|_| None).collect(),
            waiting: VecDeque::new(),
        };
        engine.warm_up()?;
        Ok(engine)
    }

    /// Tokens that all conversations can hold together.
    pub fn context_tokens(&self) -> u32 {
        self.context.n_ctx()
    }

    /// Takes a request into the queue, or refuses it.
    pub fn ask(&mut self, id: u64, request: Request, tells: &mut Vec<Tell>) {
        let mut refuse = |refusal, sentence| tells.push(Tell::Error { id: Some(id), refusal, sentence });
        if self.waiting.len() >= QUEUE_LIMIT {
            return refuse(Refusal::Busy, format!("{QUEUE_LIMIT} requests wait already."));
        }
        let prompt = match prompt::tokens(&self.template, &self.vocab, &request) {
            Ok(prompt) => prompt,
            Err(sentence) => return refuse(Refusal::Failed, sentence),
        };
        let context = self.context.n_ctx();
        match u32::try_from(prompt.len()) {
            Ok(0) => refuse(Refusal::Failed, "The chat template of this model makes nothing of the conversation.".to_owned()),
            Ok(tokens) if tokens < context => self.waiting.push_back(Waiting { id, request, prompt }),
            _ => refuse(
                Refusal::TooLong,
                format!(
                    "The conversation is too long for this model: it is {} tokens, and the model reads at most {}.",
                    prompt.len(),
                    context - 1
                ),
            ),
        }
    }

    /// Ends a reply or takes its request out of the queue. An id that is not there has ended by itself.
    pub fn cancel(&mut self, id: u64) {
        self.waiting.retain(|waiting| waiting.id != id);
        for slot in 0..self.replies.len() {
            if self.replies[slot].take_if(|reply| reply.id == id).is_some() {
                self.slots.release(slot);
            }
        }
    }

    /// Whether there is nothing to do.
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.replies.iter().all(Option::is_none)
    }

    /// One piece of work: requests into free slots, then one token for every reply and a part of the prompts.
    ///
    /// # Errors
    /// A sentence for the log, if llama.cpp failed. The context is then in no known state, and the process should end.
    pub fn step(&mut self, tells: &mut Vec<Tell>) -> Result<(), String> {
        self.admit(tells)?;
        let chosen = self.fill(tells)?;
        if self.batch.n_tokens() == 0 {
            return Ok(());
        }
        self.context.decode(&mut self.batch).map_err(|error| error.to_string())?;
        for (slot, index) in chosen {
            self.choose(slot, index, tells);
        }
        Ok(())
    }

    /// Gives slots to as many of the waiting as fit.
    fn admit(&mut self, tells: &mut Vec<Tell>) -> Result<(), String> {
        while let Some(first) = self.waiting.front() {
            let room = self.context_tokens().saturating_sub(count(first.prompt.len()));
            let max_tokens = first.request.max_tokens.clamp(1, room.max(1));
            let need = first.prompt.len() + usize::try_from(max_tokens).unwrap_or(usize::MAX);
            let Some(place) = self.slots.place(&first.prompt, need, self.sharing) else { break };
            let Some(Waiting { id, request, prompt }) = self.waiting.pop_front() else { break };

            match place.shared_from {
                Some(other) => {
                    self.empty_cells(place.slot)?;
                    let shared = self.context.kv_cache_seq_cp(sequence(other), sequence(place.slot), None, Some(count(place.kept)));
                    shared.map_err(|error| error.to_string())?;
                }
                None => self.cut_cells(place.slot, place.kept)?,
            }
            for &slot in &place.emptied {
                self.empty_cells(slot)?;
            }
            let begun = request.continue_from.as_deref().unwrap_or_default();
            let sampler = sampler(&self.vocab, &request.sampling).with_tokens(prompt::content_tokens(&self.vocab, begun));
            tells.push(Tell::Started { id, prompt_tokens: count(prompt.len()), cached_tokens: count(self.slots.held(place.slot)) });
            self.replies[place.slot] =
                Some(Reply { id, prompt, next: None, sampler, characters: Characters::default(), written: 0, max_tokens });
        }
        Ok(())
    }

    /// Fills the batch. Returns the slots whose next token can be chosen after it, each with the place in the batch to choose from.
    fn fill(&mut self, tells: &mut Vec<Tell>) -> Result<Vec<(usize, i32)>, String> {
        self.batch.clear();
        let mut chosen = Vec::new();
        let mut readers = self.replies.iter().flatten().filter(|reply| reply.next.is_none()).count();
        let mut budget = PROMPT_TOKENS_PER_STEP;
        for slot in 0..self.replies.len() {
            let Some(reply) = &mut self.replies[slot] else { continue };
            let position = self.slots.held(slot);
            let tokens = match &reply.next {
                Some(token) => std::slice::from_ref(token),
                None => {
                    let unread = &reply.prompt[position..];
                    let share = unread.len().min(budget / readers.max(1));
                    readers -= 1;
                    budget -= share;
                    tells.push(Tell::Reading { id: reply.id, tokens: count(position + share) });
                    &unread[..share]
                }
            };
            let last = position + tokens.len() == reply.prompt.len() || reply.next.is_some();
            for (offset, &token) in tokens.iter().enumerate() {
                let wanted = last && offset + 1 == tokens.len();
                if wanted {
                    chosen.push((slot, self.batch.n_tokens()));
                }
                let at = i32::try_from(position + offset).map_err(|error| error.to_string())?;
                self.batch.add(token, at, &[sequence(slot)], wanted).map_err(|error| error.to_string())?;
                self.slots.hold(slot, token);
            }
        }
        Ok(chosen)
    }

    /// Chooses a reply's next token and tells what comes of it.
    fn choose(&mut self, slot: usize, index: i32, tells: &mut Vec<Tell>) {
        let Some(reply) = &mut self.replies[slot] else { return };
        let id = reply.id;
        let token = reply.sampler.sample(&self.context, index);
        let ended = self.vocab.is_eog(token);
        let mut text = String::new();
        if !ended {
            reply.written += 1;
            reply.next = Some(token);
            text = reply.characters.push(&self.vocab.token_to_piece(token, false, None));
        }
        let finish = match (ended, reply.written >= reply.max_tokens) {
            (true, _) => Some(Finish::Stop),
            (false, true) => Some(Finish::Length),
            (false, false) => None,
        };
        if finish.is_some() {
            text.push_str(&reply.characters.finish());
        }
        if !text.is_empty() {
            tells.push(Tell::Piece { id, text });
        }
        if let Some(finish) = finish {
            tells.push(Tell::End { id, finish, prompt_tokens: count(reply.prompt.len()), completion_tokens: reply.written });
            self.replies[slot] = None;
            self.slots.release(slot);
        }
    }

    /// Leaves a slot its first `kept` tokens. A model that cannot undo parts of what it read starts anew.
    fn cut_cells(&mut self, slot: usize, kept: usize) -> Result<(), String> {
        let at = u32::try_from(slot).ok();
        match self.context.clear_kv_cache_seq(at, Some(count(kept)), None) {
            Ok(true) => Ok(()),
            Ok(false) => {
                self.slots.forget(slot);
                self.empty_cells(slot)
            }
            Err(error) => Err(error.to_string()),
        }
    }

    fn empty_cells(&mut self, slot: usize) -> Result<(), String> {
        self.context.clear_kv_cache_seq(u32::try_from(slot).ok(), None, None).map(drop).map_err(|error| error.to_string())
    }

    fn warm_up(&mut self) -> Result<(), String> {
        let any = self.vocab.tokenize(b"a", false, false).first().copied().unwrap_or(LlamaToken(0));
        self.batch.add(any, 0, &[0], true).map_err(|error| error.to_string())?;
        self.context.decode(&mut self.batch).map_err(|error| format!("The model cannot compute: {error}."))?;
        self.context.clear_kv_cache();
        Ok(())
    }
}

/// The penalty counts what the reply says, not its prompt: otherwise the marks that end a turn would be punished for standing in it.
fn sampler(vocab: &LlamaVocab<'_>, sampling: &Sampling) -> LlamaSampler {
    let penalty = LlamaSampler::penalties(vocab.n_tokens(), PENALTY_WINDOW, sampling.repeat_penalty, 0.0, 0.0);
    let chain = match sampling.temperature {
        ..=0.0 => vec![penalty, LlamaSampler::greedy()],
        temperature => vec![
            penalty,
            LlamaSampler::top_k(i32::try_from(sampling.top_k).unwrap_or(i32::MAX)),
            LlamaSampler::top_p(sampling.top_p, 1),
            LlamaSampler::temp(temperature),
            LlamaSampler::dist(sampling.seed.unwrap_or(RANDOM_SEED)),
        ],
    };
    LlamaSampler::chain_simple(chain)
}

/// llama.cpp's name for a slot's conversation.
fn sequence(slot: usize) -> i32 {
    i32::try_from(slot).unwrap_or(i32::MAX)
}

fn count(tokens: usize) -> u32 {
    u32::try_from(tokens).unwrap_or(u32::MAX)
}
