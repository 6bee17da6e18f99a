//! What is typed: commands, by script and by form, and reactions.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::person::{message_path, text};
use crate::support::{On, Page, Person, Server, Stream, kitchen, new_id, on_both, script};

impl Person {
    /// Types something into the composer of a page with script.
    async fn types(&self, room: &str, typed: &str) -> Page {
        self.call(Method::POST, &format!("/api/rooms/{room}/commands"), Some(json!({ "id": new_id(), "text": typed }))).await
    }

    async fn reacts(&self, room: &str, id: &str, emoji: &str, on: bool) -> Page {
        self.call(Method::POST, &format!("{}/reactions", message_path(room, id)), Some(json!({ "emoji": emoji, "on": on }))).await
    }
}

/// Who chose each emoji, in order.
fn chosen(message: &Value) -> Vec<(String, Vec<String>)> {
    // The order of an object is that of its text; serde_json's own sorts.
    let all = message["reactions"].as_object().unwrap();
    all.iter().map(|(emoji, people)| (emoji.clone(), people.as_array().unwrap().iter().map(|one| text(&one["name"])).collect())).collect()
}

on_both! {
    async fn commands_do_what_can_be_done_otherwise(on: On) {
        let (server, ada, bob, room) = kitchen(on).await;
        server.assistant("Echo", &room, "mention").await;
        server.assistant("Ada Bot", &room, "mention").await;
        let mut tab = bob.live(&room).await;

        // A question for one of them, whose name has two words; and sent again it is asked once.
        let id = new_id();
        let question = json!({ "id": id, "text": format!("/ask ada bot, {}", script(&[r#"say "Soup. ""#, "wait go", "say Bread."])) });
        for _ in 0..2 {
            let asked = ada.call(Method::POST, &format!("/api/rooms/{room}/commands"), Some(question.clone())).await;
            assert_eq!(asked.ok()["posted"]["id"], id.as_str());
        }
        assert!(text(&ada.message(&room, &id).await["text"]).starts_with("@Ada Bot Please:"));
        let reply = tab.until_reply_by("Ada Bot", &id).await;
        tab.sees_so_far(&reply, "Soup. ").await;
        assert_eq!(ada.messages(&room).await.len(), 2);

        // Stop, continue, retry: the newest that can be, or the one of that name.
        assert_eq!(bob.types(&room, "/stop Echo").await.code(), "nothing");
        assert_eq!(bob.types(&room, "/stop nobody").await.code(), "which_assistant");
        assert_eq!(bob.types(&room, "/stop").await.ok()["message"], reply.as_str());
        tab.sees_state(&reply, "stopped").await;
        assert_eq!(bob.types(&room, "/stop").await.code(), "nothing");
        server.open("go");
        assert_eq!(bob.types(&room, "/continue @Ada Bot").await.ok()["message"], reply.as_str());
        tab.sees_state(&reply, "complete").await;
        assert_eq!(bob.types(&room, "/continue").await.code(), "nothing");
        assert_eq!(bob.types(&room, "/retry").await.ok()["message"], reply.as_str());
        tab.until("a third attempt that is complete", |tab| tab.rows[&reply].attempt == 3 && tab.rows[&reply].state == "complete").await;

        // The room's topic: shown to all, set by owners.
        assert_eq!(bob.types(&room, "/topic").await.ok()["notice"], "This room has no topic yet. An owner sets one with /topic and some words.");
        assert_eq!(bob.types(&room, "/topic Mine").await.status, 403);
        assert_eq!(ada.types(&room, "/topic What we cook").await.ok(), json!({}));
        assert_eq!(ada.room(&room).await["topic"], "What we cook");
        assert_eq!(bob.types(&room, "/topic").await.ok()["notice"], "The topic: What we cook");

        // What only the asker sees is said to nobody else.
        let said = ada.messages(&room).await.len();
        let models = text(&bob.types(&room, "/model").await.ok()["notice"]);
        assert!(models.contains("Echo: ") && models.contains("\n") && models.contains("answers when named"), "{models}");
        assert!(!text(&bob.types(&room, "/model echo").await.ok()["notice"]).contains("Ada Bot"));
        assert_eq!(bob.types(&room, "/invite").await.status, 403, "for administrators");
        let invited = ada.types(&room, "/invite").await.ok();
        let link = text(&invited["link"]);
        assert!(link.starts_with(&server.url) && text(&invited["notice"]).contains(&link), "{invited}");
        assert_eq!(Person::stranger(&server.url).get(&link).await.status, 200);
        assert_eq!(ada.messages(&room).await.len(), said);

        // In italics, whatever stands in it; and a summary, asked for in the reader's language.
        let waved = text(&bob.types(&room, "/me waves *wildly*").await.ok()["posted"]["id"]);
        assert_eq!(ada.message(&room, &waved).await["text"], "*waves \\*wildly\\**");
        let chinese = bob.clone().with_header("accept-language", "zh-CN");
        let asked = text(&chinese.types(&room, "/summarise 20").await.ok()["posted"]["id"]);
        assert_eq!(ada.message(&room, &asked).await["text"], "@Ada Bot 请总结这个房间最近的 20 条消息。");
        server.database.holds().await;
    }

    async fn what_is_no_command_is_said_as_it_is(on: On) {
        let (server, ada, bob, room) = kitchen(on).await;
        for (typed, said) in [("/etc/passwd is a file", "/etc/passwd is a file"), ("//stop it", "/stop it"), ("// not code", "// not code"), ("hello", "hello")] {
            let id = text(&bob.types(&room, typed).await.ok()["posted"]["id"]);
            assert_eq!(ada.message(&room, &id).await["text"], said);
        }
        let refused = bob.types(&room, "/shrug what now").await;
        assert_eq!((refused.status, refused.code().as_str()), (422, "no_command"));
        assert!(refused.body.contains("/summarise") && refused.body.contains("//shrug"), "{}", refused.body);
        let refused = bob.clone().with_header("accept-language", "zh").types(&room, "/shrug").await;
        assert!(refused.body.contains("没有命令 /shrug"), "{}", refused.body);
        for assistant in ada.room(&room).await["assistants"].as_array().unwrap() {
            ada.call(Method::DELETE, &format!("/api/rooms/{room}/assistants/{}", text(&assistant["id"])), None).await.ok();
        }
        assert_eq!(bob.types(&room, "/ask Echo hello").await.code(), "no_assistant");
        // A program's messages are said as they are: whoever writes them means what stands there.
        let id = ada.says(&room, "/stop").await;
        assert_eq!(ada.message(&room, &id).await["text"], "/stop");
        // Who is no member finds nothing.
        let private = ada.makes_private_room("Cellar").await;
        assert_eq!(bob.types(&private, "/topic").await.status, 404);
        assert_eq!(bob.types(&private, "/topic Mine").await.status, 404);
        server.database.holds().await;
    }

    async fn what_is_typed_twice_never_means_an_older_reply(on: On) {
        let (server, ada, bob, room) = kitchen(on).await;
        server.assistant("Echo", &room, "always").await;
        let mut tab = bob.live(&room).await;
        let mut replies = Vec::new();
        for words in ["older", "newer"] {
            let question = ada.says(&room, &script(&[&format!("say {words}"), "unless later error \"Broken\"", "wait go", "continue", "wait go"])).await;
            let reply = tab.sees_reply_to(&question).await;
            tab.sees_state(&reply, "failed").await;
            replies.push(reply);
        }
        server.open("later");
        let attempt = async |reply: &str| ada.message(&room, reply).await["attempt"].clone();
        for command in ["/retry", "/continue"] {
            let before = attempt(&replies[1]).await.as_i64().unwrap();
            assert_eq!(bob.types(&room, command).await.ok()["message"], replies[1].as_str(), "{command}");
            for again in [command.to_owned(), format!("{command} Echo"), "/retry".to_owned()] {
                let refused = ada.types(&room, &again).await;
                assert_eq!((refused.status, refused.code().as_str()), (409, "being_written"), "{again}: {}", refused.body);
                assert!(refused.body.contains("being written already"), "{}", refused.body);
            }
            assert_eq!((attempt(&replies[1]).await, attempt(&replies[0]).await), (json!(before + 1), json!(1)));
            // Only what has text can be continued.
            let written = |tab: &Stream| tab.rows[&replies[1]].json["attempt"] == before + 1 && tab.rows[&replies[1]].text().contains("newer");
            tab.until("its text", written).await;
            assert_eq!(bob.types(&room, "/stop").await.ok()["message"], replies[1].as_str());
            let ended = |tab: &Stream| tab.rows[&replies[1]].json["attempt"] == before + 1 && tab.rows[&replies[1]].state == "stopped";
            tab.until("the new attempt's end", ended).await;
        }
        let said = bob.clone().with_header("accept-language", "zh");
        bob.types(&room, "/retry").await.ok();
        let refused = said.types(&room, "/retry").await;
        assert!(refused.body.contains("正在写"), "{}", refused.body);
        server.open("go");
        server.database.holds().await;
    }

    async fn commands_work_in_the_form_without_script(on: On) {
        let (server, ada, bob, room) = kitchen(on).await;
        let sends = async |person: &Person, typed: &str| {
            let id = new_id();
            let fields = [("id", id.as_str()), ("text", typed), ("as", person.id.as_str())];
            (person.post(&format!("/rooms/{room}/messages"), &fields).await, id)
        };
        let (page, id) = sends(&bob, "/me waves").await;
        assert_eq!((page.status, page.header("location")), (303, format!("/rooms/{room}#m-{id}").as_str()));
        assert_eq!(ada.message(&room, &id).await["text"], "*waves*");
        let (page, _) = sends(&ada, "/topic Soup & bread").await;
        assert_eq!((page.status, page.header("location")), (303, format!("/rooms/{room}").as_str()));
        let (page, _) = sends(&bob, "/topic").await;
        assert_eq!(page.status, 200);
        assert!(page.body.contains("The topic: Soup &#38; bread"), "{}", page.body);
        assert!(!page.body.contains("/topic</textarea>"), "it was done");
        let (page, _) = sends(&bob, "/dance all night").await;
        assert_eq!(page.status, 422);
        assert!(page.body.contains("/dance all night</textarea>") && page.body.contains("There is no command /dance."), "{}", page.body);
        server.database.holds().await;
    }

    async fn reactions_are_changes_like_any_other(on: On) {
        let (server, ada, bob, room) = kitchen(on).await;
        let id = ada.says(&room, "Soup?").await;
        let quoting = bob.replies(&room, &id, "Yes").await;
        let mut tab = bob.live_as(&room, "html").await;
        let before = ada.room(&room).await["head"].as_i64().unwrap();
        assert_eq!(chosen(&bob.reacts(&room, &id, "👍", true).await.ok()), [("👍".to_owned(), vec!["Bob".to_owned()])]);
        assert_eq!(ada.room(&room).await["head"], before + 1);
        // Again: nothing happens, and no number is used up.
        assert_eq!(bob.reacts(&room, &id, "👍", true).await.status, 200);
        assert_eq!(bob.reacts(&room, &id, "🎉", false).await.status, 200);
        assert_eq!(ada.room(&room).await["head"], before + 1);
        ada.reacts(&room, &id, "👍", true).await.ok();
        let by = format!("data-by=\"{} {} \"", bob.id, ada.id);
        tab.until("both under the message", |tab| tab.rows[&id].html().contains("title=\"Bob, Ada\"") && tab.rows[&id].html().contains(&by)).await;
        assert_eq!(chosen(&ada.reacts(&room, &id, "👍", false).await.ok()), [("👍".to_owned(), vec!["Bob".to_owned()])]);

        // Only emoji, only members, not on what is gone.
        for wrong in ["", "+1", "👍👍", "<b>", "x", ":tada:"] {
            assert_eq!(bob.reacts(&room, &id, wrong, true).await.code(), "bad_emoji", "{wrong}");
        }
        let private = ada.makes_private_room("Cellar").await;
        let hidden = ada.says(&private, "Wine").await;
        assert_eq!(bob.reacts(&private, &hidden, "👍", true).await.status, 404);
        assert_eq!(bob.reacts(&room, &hidden, "👍", true).await.status, 404, "a message is found through its room");

        // By form: the other of the two, whatever it is.
        let path = format!("/rooms/{room}/messages/{quoting}");
        assert!(ada.get(&path).await.body.contains(&format!("action=\"{path}/reactions\"")));
        for there in [true, false] {
            let page = ada.post(&format!("{path}/reactions"), &[("emoji", "🎉")]).await;
            assert_eq!((page.status, page.header("location")), (303, format!("/rooms/{room}?around={quoting}#m-{quoting}").as_str()));
            assert_eq!(chosen(&ada.message(&room, &quoting).await).is_empty(), !there);
        }

        // A deletion takes them along.
        ada.deletes(&room, &id).await;
        assert_eq!(ada.message(&room, &id).await["reactions"], json!({}));
        assert_eq!(bob.reacts(&room, &id, "👍", true).await.code(), "deleted");
        server.database.holds().await;
    }

    async fn reactions_at_once_are_all_there(on: On) {
        let (server, ada, bob, room) = kitchen(on).await;
        let id = ada.says(&room, "Soup?").await;
        // So many kinds and no more, however they come: more than that at once, by two people.
        let emoji = "😀 😃 😄 😁 😆 😅 🤣 😂 🙂 🙃 😉 😊 😇 🥰 😍 🤩 😘 😗 😚 😙 🥲 😋 😛 😜 🤪".split(' ').collect::<Vec<_>>();
        let both = emoji.iter().flat_map(|one| [ada.reacts(&room, &id, one, true), bob.reacts(&room, &id, one, true)]);
        let answers = join_all(both).await;
        let refused = answers.iter().filter(|page| page.status != 200);
        assert!(refused.clone().all(|page| page.code() == "too_many_kinds"));
        assert_eq!(refused.count(), 2 * (emoji.len() - 20));
        let all = chosen(&ada.message(&room, &id).await);
        assert_eq!(all.len(), 20);
        assert!(all.iter().all(|(_, people)| people.len() == 2), "{all:?}");
        // Taken back at once, by both, while it is edited: nothing is left, and the text is the new one.
        let there: Vec<String> = all.into_iter().map(|(emoji, _)| emoji).collect();
        let back = there.iter().flat_map(|one| [ada.reacts(&room, &id, one, false), bob.reacts(&room, &id, one, false)]);
        let (edited, answers) = tokio::join!(ada.edits(&room, &id, "Bread?"), join_all(back));
        assert_eq!(edited["text"], "Bread?");
        assert!(answers.iter().all(|page| page.status == 200));
        let message = ada.message(&room, &id).await;
        assert_eq!((&message["reactions"], &message["text"]), (&json!({}), &json!("Bread?")));
        // Deleted while somebody reacts: nothing comes after.
        let late = emoji.iter().map(|one| bob.reacts(&room, &id, one, true));
        tokio::join!(ada.deletes(&room, &id), join_all(late));
        assert_eq!(ada.message(&room, &id).await["reactions"], json!({}));
        server.database.holds().await;
    }

    async fn emoji_have_an_address_that_is_kept(on: On) {
        let server = Server::start(on).await;
        let ada = server.first("Ada").await;
        let room = ada.makes_room("Kitchen").await;
        let page = ada.get(&format!("/rooms/{room}")).await;
        let path = page.between("data-emoji=\"", "\"").to_owned();
        let all = ada.get(&path).await;
        assert_eq!(all.header("cache-control"), "public, max-age=31536000, immutable");
        assert_eq!((&all.json()["tada"], &all.json()["+1"]), (&json!("🎉"), &json!("👍")));
        assert_eq!(ada.get("/emoji/old.json").await.header("cache-control"), "no-cache");
        assert_eq!(ada.get("/emoji/all").await.status, 404);
    }
}
