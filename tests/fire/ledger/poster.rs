//! Posting: every word is written down before it is sent.

use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{Answer, Book, Change, PAUSE, Posted, SETTLED, Try, What, lock, pause};
use crate::support::person::message_path;
use crate::support::{Person, new_id};

/// How long a request waits for its answer before it counts as lost.
pub(super) const ANSWER: Duration = Duration::from_secs(10);

/// Somebody whose every word is written down before it is sent.
#[derive(Clone)]
pub struct Poster {
    pub person: Person,
    pub room: String,
    pub(super) book: Arc<Book>,
}

impl Poster {
    /// Says something, again and again under one id until it is answered; gives the id.
    pub async fn says(&self, words: &str) -> String {
        let id = self.notes(words, None);
        let answer = self.sends_until_answered(&id).await;
        assert!(answer.is_ok(), "the post {id} is refused: {answer:?}");
        id
    }

    pub async fn replies(&self, to: &str, words: &str) -> String {
        let id = self.notes(words, Some(to));
        let answer = self.sends_until_answered(&id).await;
        assert!(answer.is_ok(), "the post {id} is refused: {answer:?}");
        id
    }

    /// Says something once. Without an answer it is sent again when the ledger settles.
    pub async fn tries_to_say(&self, words: &str) -> (String, Answer) {
        let id = self.notes(words, None);
        let answer = self.sends(&id).await;
        (id, answer)
    }

    /// Asks a scripted assistant to play these steps (`src/reply/providers/scripted/script.rs`).
    pub async fn asks(&self, assistant: &str, steps: &[&str]) -> String {
        self.says(&question(assistant, steps)).await
    }

    /// Writes down a post that is about to be sent.
    fn notes(&self, words: &str, reply_to: Option<&str>) -> String {
        let id = new_id();
        let post = Posted {
            room: self.room.clone(),
            text: words.to_owned(),
            reply_to: reply_to.map(str::to_owned),
            who: Some(self.person.clone()),
            tries: Vec::new(),
        };
        lock(&self.book.entries).posts.insert(id.clone(), post);
        id
    }

    async fn sends(&self, id: &str) -> Answer {
        let (body, number) = {
            let mut entries = lock(&self.book.entries);
            let post = entries.posts.get_mut(id).expect("it was written down");
            post.tries.push(Try { began: self.book.now(), ..Try::default() });
            (post.body(id), post.tries.len() - 1)
        };
        let answer = self.calls(Method::POST, &self.messages(), Some(body)).await;
        let mut entries = lock(&self.book.entries);
        let tried = &mut entries.posts.get_mut(id).expect("it was written down").tries[number];
        (tried.ended, tried.answer) = (Some(self.book.now()), answer.noted());
        answer
    }

    pub(super) async fn sends_until_answered(&self, id: &str) -> Answer {
        let until = Instant::now() + SETTLED;
        loop {
            let answer = self.sends(id).await;
            if !answer.asks_to_try_again() {
                return answer;
            }
            assert!(Instant::now() < until, "the post {id} is never answered; last {answer:?}");
            pause(PAUSE).await;
        }
    }

    /// Changes one's own message, once.
    pub async fn edits(&self, id: &str, words: &str) -> Answer {
        self.changes(id, What::Edit(words.to_owned()), Method::PATCH, Some(json!({ "text": words }))).await
    }

    /// Deletes a message, once.
    pub async fn deletes(&self, id: &str) -> Answer {
        self.changes(id, What::Delete, Method::DELETE, None).await
    }

    async fn changes(&self, id: &str, what: What, method: Method, body: Option<Value>) -> Answer {
        let number = {
            let mut entries = lock(&self.book.entries);
            let tried = Try { began: self.book.now(), ..Try::default() };
            entries.changes.push(Change { message: id.to_owned(), what, tried });
            entries.changes.len() - 1
        };
        let answer = self.calls(method, &message_path(&self.room, id), body).await;
        let mut entries = lock(&self.book.entries);
        let tried = &mut entries.changes[number].tried;
        (tried.ended, tried.answer) = (Some(self.book.now()), answer.noted());
        answer
    }

    pub async fn stops(&self, reply: &str) -> Answer {
        self.does(reply, "stop", json!({})).await
    }

    pub async fn retries(&self, reply: &str, attempt: i64) -> Answer {
        self.does(reply, "retry", json!({ "attempt": attempt })).await
    }

    pub async fn continues(&self, reply: &str, attempt: i64) -> Answer {
        self.does(reply, "continue", json!({ "attempt": attempt })).await
    }

    async fn does(&self, reply: &str, what: &str, body: Value) -> Answer {
        self.calls(Method::POST, &format!("{}/{what}", message_path(&self.room, reply)), Some(body)).await
    }

    pub(super) fn messages(&self) -> String {
        format!("/api/rooms/{}/messages", self.room)
    }

    pub async fn calls(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        call(&self.person, method, path, body).await
    }

    pub async fn calls_until_answered(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        call_until_answered(&self.person, method, path, body).await
    }
}

/// What to say to a scripted assistant so that it plays these steps.
pub fn question(assistant: &str, steps: &[&str]) -> String {
    format!("@{assistant}\n```script\n{}\n```", steps.join("\n"))
}

/// One call, which may fail in every way.
pub async fn call(person: &Person, method: Method, path: &str, body: Option<Value>) -> Answer {
    let mut request = person.request(method, path);
    if let Some(body) = body {
        request = request.header("content-type", "application/json").body(body.to_string());
    }
    let whole = async {
        let response = request.send().await?;
        let status = response.status().as_u16();
        // Without its body it is no answer: a tab would not know what was said.
        Ok::<_, reqwest::Error>(Answer::Came { status, body: response.text().await? })
    };
    match timeout(ANSWER, whole).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => Answer::Lost(format!("{error:?}")),
        Err(_) => Answer::Lost("no answer in time".to_owned()),
    }
}

pub(super) async fn call_until_answered(person: &Person, method: Method, path: &str, body: Option<Value>) -> Answer {
    let until = Instant::now() + SETTLED;
    loop {
        let answer = call(person, method.clone(), path, body.clone()).await;
        if !answer.asks_to_try_again() || Instant::now() > until {
            return answer;
        }
        pause(PAUSE).await;
    }
}
