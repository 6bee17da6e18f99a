//! People who live in a room: they say things, ask assistants, edit, delete, stop, retry and continue, as dice decide. What they do is
//! written down by the ledger.
//!
//! ```text
//! let mut dice = Dice::from_environment("kills");     // prints its seed; PARLOR_FIRE_SEED repeats a run
//! let life = Life::new(ledger.poster(&ada, &room), dice.fork(), &["Echo"]);
//! let end = CancellationToken::new();
//! let living = tokio::spawn(life.lives(end.clone()));
//! ```

#![allow(dead_code, reason = "each of the tests under fire uses its own part of this")]

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::ledger::{Answer, Poster, question};
use crate::support::person::text;

/// Own messages that may still be edited, deleted and replied to.
const REMEMBERED: usize = 12;

/// How often things are done, where a test does not say: `PARLOR_FIRE_ROUNDS`, in all.
pub fn rounds(default: usize) -> usize {
    std::env::var("PARLOR_FIRE_ROUNDS").map_or(default, |rounds| rounds.parse().expect("PARLOR_FIRE_ROUNDS is a whole number"))
}

/// Random numbers that can be had again: SplitMix64.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// With the seed of `PARLOR_FIRE_SEED`, else a new one. It is printed, and a test that fails shows it.
    pub fn from_environment(what: &str) -> Self {
        let drawn = || parlor::clock::Clock::system().draw(0, u64::MAX);
        let seed = std::env::var("PARLOR_FIRE_SEED").map_or_else(|_| drawn(), |seed| seed.parse().expect("PARLOR_FIRE_SEED is a number"));
        eprintln!("{what}: PARLOR_FIRE_SEED={seed}");
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Other dice, which these decide.
    pub fn fork(&mut self) -> Self {
        Self(self.next())
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    /// Both ends can come.
    pub fn between(&mut self, least: usize, most: usize) -> usize {
        least + self.below(most - least + 1)
    }

    pub fn millis(&mut self, least: usize, most: usize) -> Duration {
        Duration::from_micros(self.between(least * 1000, most * 1000) as u64)
    }

    pub fn one_of<'t, T: ?Sized>(&mut self, of: &[&'t T]) -> &'t T {
        of[self.below(of.len())]
    }

    /// Words with everything that texts can hold, and none that mentions anybody.
    pub fn words(&mut self, most: usize) -> String {
        const WORDS: [&str; 16] = [
            "word",
            "Wörter",
            "🌱",
            "**bold**",
            "`code`",
            "\n\n",
            "\n- item",
            "字母",
            "[link](https://example.org/)",
            "e\u{301}",
            "a*b",
            "\n\n> quote\n\n",
            "👩‍👩‍👧",
            "<b>",
            "&amp;",
            "\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n",
        ];
        let count = self.between(1, most);
        let words: Vec<&str> = (0..count).map(|_| self.one_of(&WORDS)).collect();
        format!("{:x} {}", self.next(), words.join(" "))
    }

    /// The steps of a scripted answer: fast, slow, whole, cut, wrong.
    pub fn script(&mut self) -> Vec<String> {
        let said = |dice: &mut Self, most| Value::from(dice.words(most)).to_string();
        let mut steps = vec![format!("pace {}", self.between(0, 25))];
        if self.below(4) == 0 {
            steps.push(format!("reason {}", said(self, 6)));
        }
        for _ in 0..self.between(1, 4) {
            steps.push(match self.below(4) {
                0 => format!("repeat {} {}", self.between(2, 40), said(self, 3)),
                1 => format!("sleep {}", self.between(1, 60)),
                _ => format!("say {}", said(self, 12)),
            });
        }
        match self.below(10) {
            0 => steps.push("cut".into()),
            1 => steps.push("error \"it broke\"".into()),
            2 => steps.push("error 503 \"busy\"".into()),
            3 => steps.push("end length".into()),
            4 => steps.push("hang".into()),
            _ => {}
        }
        if self.below(2) == 0 {
            steps.extend(["continue".into(), format!("say {}", said(self, 12))]);
        }
        steps
    }
}

/// Somebody in a room.
pub struct Life {
    poster: Poster,
    dice: Dice,
    /// Names of scripted assistants, and of others, which are just spoken to.
    assistants: Vec<String>,
    said: Vec<String>,
    /// Pause between two things, in ms.
    pub pace: (usize, usize),
}

impl Life {
    pub fn new(poster: Poster, dice: Dice, assistants: &[&str]) -> Self {
        let assistants = assistants.iter().map(|name| (*name).to_owned()).collect();
        Self { poster, dice, assistants, said: Vec::new(), pace: (0, 40) }
    }

    /// Goes on until it is to end; what is under way is finished.
    pub async fn lives(mut self, end: CancellationToken) {
        while !end.is_cancelled() {
            self.step().await;
            let pause = self.dice.millis(self.pace.0, self.pace.1);
            tokio::select! {
                () = sleep(pause) => {}
                () = end.cancelled() => {}
            }
        }
    }

    /// Does one thing.
    pub async fn step(&mut self) {
        match self.dice.below(100) {
            0..35 => {
                let words = self.dice.words(40);
                let id = self.poster.says(&words).await;
                self.remembers(id);
            }
            35..55 if !self.assistants.is_empty() => {
                let steps = self.dice.script();
                let name = self.dice.one_of(&self.assistants.iter().map(String::as_str).collect::<Vec<_>>()).to_owned();
                let id = self.poster.says(&question(&name, &steps.iter().map(String::as_str).collect::<Vec<_>>())).await;
                self.remembers(id);
            }
            55..70 => {
                if let Some(id) = self.own() {
                    let words = self.dice.words(40);
                    self.poster.edits(&id, &words).await;
                }
            }
            70..76 => {
                if let Some(id) = self.own() {
                    let answer = self.poster.deletes(&id).await;
                    if answer.is_ok() {
                        self.said.retain(|known| *known != id);
                    }
                }
            }
            76..82 => {
                // Its parent may have been deleted; that is still there to be replied to.
                if let Some(parent) = self.own() {
                    let words = self.dice.words(10);
                    let id = self.poster.replies(&parent, &words).await;
                    self.remembers(id);
                }
            }
            _ => self.turns_to_a_reply().await,
        }
    }

    fn remembers(&mut self, id: String) {
        self.said.push(id);
        if self.said.len() > REMEMBERED {
            self.said.remove(0);
        }
    }

    fn own(&mut self) -> Option<String> {
        let which = self.dice.below(self.said.len());
        self.said.get(which).cloned()
    }

    /// Stops what is being written, continues or retries what has ended; now and then deletes it.
    async fn turns_to_a_reply(&mut self) {
        let path = format!("/api/rooms/{}/messages?limit=30", self.poster.room);
        let Answer::Came { status: 200, body } = self.poster.calls(Method::GET, &path, None).await else { return };
        let page: Value = serde_json::from_str(&body).expect("JSON");
        let is_reply = |message: &&Value| message["kind"] == "assistant" && message["state"] != "deleted";
        let replies: Vec<&Value> = page["messages"].as_array().expect("messages").iter().filter(is_reply).collect();
        let Some(reply) = replies.get(self.dice.below(replies.len())) else { return };
        let (id, attempt) = (text(&reply["id"]), reply["attempt"].as_i64().expect("a number"));
        let mine = reply["asked_by"] == json!({ "id": self.poster.person.id, "name": self.poster.person.name });
        match (reply["state"].as_str().unwrap_or_default(), self.dice.below(8)) {
            (_, 0) if mine => drop(self.poster.deletes(&id).await),
            ("queued" | "streaming", _) => drop(self.poster.stops(&id).await),
            ("complete", n) if n > 3 => {}
            ("complete", _) | (_, 1..4) => drop(self.poster.retries(&id, attempt).await),
            _ => drop(self.poster.continues(&id, attempt).await),
        }
    }
}
