//! Reactions: who answered a message with which emoji, in the order in which each came first.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Invalid;
use super::message::Named;

/// Kinds of emoji under one message, at most: more are noise, and a row must stay small.
pub const KINDS_MAX: usize = 20;

/// A message's reactions: each emoji with those who chose it, both in the order of their coming.
/// As JSON an object: `{"👍":[{"id":"…","name":"Ada"}]}`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reactions(Vec<(String, Vec<Named>)>);

impl Reactions {
    /// Adds or takes back one person's reaction; says whether that changed anything.
    pub fn set(&mut self, emoji: &str, person: &Named, on: bool) -> Result<bool, Invalid> {
        let kind = self.0.iter().position(|(kind, _)| kind == emoji);
        match (kind, on) {
            (Some(at), true) => {
                let people = &mut self.0[at].1;
                let new = !people.iter().any(|one| one.id == person.id);
                if new {
                    people.push(person.clone());
                }
                Ok(new)
            }
            (None, true) if self.0.len() >= KINDS_MAX => Err(Invalid::new(
                "too_many_kinds",
                format!("There are {KINDS_MAX} kinds of reactions under this message already: choose one of those."),
            )),
            (None, true) => {
                self.0.push((emoji.to_owned(), vec![person.clone()]));
                Ok(true)
            }
            (Some(at), false) => {
                let people = &mut self.0[at].1;
                let before = people.len();
                people.retain(|one| one.id != person.id);
                let changed = people.len() < before;
                if people.is_empty() {
                    self.0.remove(at);
                }
                Ok(changed)
            }
            (None, false) => Ok(false),
        }
    }

    /// Whether this person has chosen this emoji.
    pub fn has(&self, emoji: &str, person: &str) -> bool {
        self.0.iter().any(|(kind, people)| kind == emoji && people.iter().any(|one| one.id == person))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &[Named])> {
        self.0.iter().map(|(kind, people)| (kind.as_str(), people.as_slice()))
    }
}

impl Serialize for Reactions {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(self.0.len()))?;
        for (emoji, people) in &self.0 {
            map.serialize_entry(emoji, people)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Reactions {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Reactions;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of reactions")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Reactions, A::Error> {
                let mut all = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    all.push(entry);
                }
                Ok(Reactions(all))
            }
        }
        from.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(name: &str) -> Named {
        Named { id: format!("id-{name}"), name: name.to_owned() }
    }

    #[test]
    fn reactions_come_and_go_in_their_order() {
        let (ada, bob) = (person("Ada"), person("Bob"));
        let mut all = Reactions::default();
        assert_eq!(all.set("🎉", &ada, true), Ok(true));
        assert_eq!(all.set("👍", &ada, true), Ok(true));
        assert_eq!(all.set("👍", &bob, true), Ok(true));
        assert_eq!(all.set("👍", &bob, true), Ok(false), "once each");
        assert!(all.has("👍", "id-Bob") && !all.has("🎉", "id-Bob"));
        let text = serde_json::to_string(&all).unwrap();
        assert_eq!(text, r#"{"🎉":[{"id":"id-Ada","name":"Ada"}],"👍":[{"id":"id-Ada","name":"Ada"},{"id":"id-Bob","name":"Bob"}]}"#);
        assert_eq!(serde_json::from_str::<Reactions>(&text).unwrap(), all);
        assert_eq!(all.set("🎉", &bob, false), Ok(false), "what is not there cannot be taken back");
        assert_eq!(all.set("🎉", &ada, false), Ok(true));
        assert_eq!(all.iter().map(|(emoji, _)| emoji).collect::<Vec<_>>(), ["👍"]);
    }

    #[test]
    fn so_many_kinds_and_no_more() {
        let ada = person("Ada");
        let mut all = Reactions::default();
        for n in 0..KINDS_MAX {
            assert_eq!(all.set(&n.to_string(), &ada, true), Ok(true));
        }
        assert_eq!(all.set("x", &ada, true).map_err(|error| error.code), Err("too_many_kinds"));
        assert_eq!(all.set("0", &person("Bob"), true), Ok(true), "those that are there are open to all");
    }
}
