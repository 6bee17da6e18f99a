//! Messages: posted exactly once, edited, deleted, quoted, limited, paged.

use proptest::prelude::{ProptestConfig, Strategy, any};
use proptest::test_runner::TestRunner;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::person::{message_path, text};
use crate::support::{On, Person, kitchen, new_id, on_both, script};

/// Sends the composer's form as the page holds it.
async fn posts_form(person: &Person, room: &str, id: &str, words: &str, more: &[(&str, &str)]) -> crate::support::Page {
    let mut fields = vec![("id", id), ("text", words), ("as", person.id.as_str())];
    fields.extend(more);
    person.post(&format!("/rooms/{room}/messages"), &fields).await
}

on_both! {
    async fn the_form_works_without_script(on: On) {
        let (server, ada, bob, room) = kitchen(on).await;
        let page = ada.get(&format!("/rooms/{room}")).await;
        let id = page.between("name=\"id\" value=\"", "\"").to_owned();
        let answer = posts_form(&ada, &room, &id, "Line one\r\nline two", &[]).await;
        assert_eq!((answer.status, answer.header("location")), (303, format!("/rooms/{room}#m-{id}").as_str()));
        let page = answer.follow(&bob).await;
        assert!(page.body.contains(&format!("id=\"m-{id}\"")));
        assert_eq!(ada.message(&room, &id).await["text"], "Line one\nline two");
        // Sent again (a reload of the answer): the same answer, and no second message. A script sends other line ends.
        let again = posts_form(&ada, &room, &id, "Line one\r\nline two", &[]).await;
        assert_eq!(again.status, 303);
        let posted = ada.tries_to_post(&room, json!({ "id": id, "text": "Line one\nline two" })).await;
        assert_eq!(posted.status, 201);
        assert_eq!(ada.messages(&room).await.len(), 1);
        // Another text under the same id comes back in the form, with a new id.
        let refused = posts_form(&ada, &room, &id, "Something <else>", &[]).await;
        assert_eq!(refused.status, 409);
        assert!(refused.body.contains("Something &#60;else&#62;</textarea>"), "typed text is kept: {}", refused.body);
        assert_ne!(refused.between("name=\"id\" value=\"", "\""), id);
        // A reply by form, an edit by form, a deletion by form.
        let page = bob.get(&format!("/rooms/{room}?reply_to={id}")).await;
        assert!(page.body.contains(&format!("name=\"reply_to\" value=\"{id}\"")));
        let reply = new_id();
        assert_eq!(posts_form(&bob, &room, &reply, "I see", &[("reply_to", &id)]).await.status, 303);
        let message = bob.message(&room, &reply).await;
        assert_eq!(message["reply_to"]["id"], id.as_str());
        let page = bob.get(&format!("/rooms/{room}/messages/{reply}")).await;
        let rev = page.between("name=\"rev\" value=\"", "\"").to_owned();
        let edited = bob.post(&format!("/rooms/{room}/messages/{reply}/edit"), &[("text", "I see now"), ("rev", &rev)]).await;
        assert_eq!(edited.status, 303);
        let late = bob.post(&format!("/rooms/{room}/messages/{reply}/edit"), &[("text", "I saw"), ("rev", &rev)]).await;
        assert_eq!(late.status, 409);
        assert!(late.body.contains("I saw</textarea>"), "typed text is kept");
        assert_eq!(bob.post(&format!("/rooms/{room}/messages/{reply}/delete"), &[]).await.status, 303);
        assert_eq!(bob.message(&room, &reply).await["state"], "deleted");
        // Somebody else has signed in since the page was loaded.
        let other = ada.post(&format!("/rooms/{room}/messages"), &[("id", &new_id()), ("text", "Who am I?"), ("as", &bob.id)]).await;
        assert_eq!(other.status, 409);
        assert!(other.body.contains("Who am I?</textarea>"));
        assert_eq!(ada.messages(&room).await.len(), 2);
        server.database.holds().await;
    }

    async fn a_repeated_post_has_the_first_answer_whatever_happened_since(on: On) {
        let (server, ada, bob, room) = kitchen(on).await;
        let other = ada.makes_room("Hall").await;
        let id = new_id();
        let post = json!({ "id": id, "text": "Once" });
        let first = ada.tries_to_post(&room, post.clone()).await;
        assert_eq!(first.json(), json!({ "id": id, "room": room, "seq": first.json()["seq"] }));
        ada.says(&room, "later").await;
        ada.edits(&room, &id, "Twice?").await;
        assert_eq!(ada.tries_to_post(&room, post.clone()).await.ok(), first.json(), "after an edit");
        ada.deletes(&room, &id).await;
        assert_eq!(ada.tries_to_post(&room, post.clone()).await.ok(), first.json(), "after its deletion");
        assert_eq!(ada.message(&room, &id).await["text"], "", "and it brings nothing back");
        let before = ada.room(&room).await["head"].clone();
        // The same id for anything else is another post.
        for (person, room, post) in [
            (&ada, &room, json!({ "id": id, "text": "Other" })),
            (&ada, &room, json!({ "id": id, "text": "Once", "reply_to": id })),
            (&ada, &other, post.clone()),
            (&bob, &room, post.clone()),
        ] {
            let page = person.tries_to_post(room, post).await;
            assert_eq!((page.status, page.code().as_str()), (409, "id_taken"));
        }
        assert_eq!(ada.room(&room).await["head"], before, "nothing of it took a number");
        // Ten at once are one.
        let post = json!({ "id": new_id(), "text": "At once" });
        let answers = futures_util::future::join_all((0..10).map(|_| ada.tries_to_post(&room, post.clone()))).await;
        assert!(answers.iter().all(|page| page.status == 201 && page.json() == answers[0].json()));
        assert_eq!(ada.messages(&room).await.iter().filter(|m| m["text"] == "At once").count(), 1);
        server.database.holds().await;
    }

    async fn edits_are_for_the_author_and_for_the_version_they_were_made_on(on: On) {
        let (server, ada, bob, room) = kitchen(on).await;
        let id = ada.says(&room, "First").await;
        let first = ada.message(&room, &id).await;
        let refused = bob.call(Method::PATCH, &message_path(&room, &id), Some(json!({ "text": "Mine" }))).await;
        assert_eq!((refused.status, refused.code().as_str()), (403, "forbidden"));
        let edited = ada.call(Method::PATCH, &message_path(&room, &id), Some(json!({ "text": "Second", "rev": first["rev"] }))).await.ok();
        assert_eq!((&edited["text"], &edited["seq"]), (&json!("Second"), &first["seq"]));
        assert!(edited["edited"].as_i64().is_some() && edited["rev"].as_i64() > first["rev"].as_i64());
        let stale = ada.call(Method::PATCH, &message_path(&room, &id), Some(json!({ "text": "Third", "rev": first["rev"] }))).await;
        assert_eq!((stale.status, stale.code().as_str()), (409, "changed"));
        // A repetition of the edit whose answer was lost is no conflict.
        let again = ada.call(Method::PATCH, &message_path(&room, &id), Some(json!({ "text": "Second", "rev": first["rev"] }))).await;
        assert_eq!(again.status, 200, "{}", again.body);
        ada.deletes(&room, &id).await;
        let gone = ada.call(Method::PATCH, &message_path(&room, &id), Some(json!({ "text": "Back" }))).await;
        assert_eq!((gone.status, gone.code().as_str()), (409, "deleted"));
        server.database.holds().await;
    }

    async fn who_may_delete_what(on: On) {
        let (server, ada, bob, room) = kitchen(on).await;
        let carol = server.person("Carol").await;
        carol.joins(&room).await;
        let his = bob.says(&room, "Bob's").await;
        let refused = carol.call(Method::DELETE, &message_path(&room, &his), None).await;
        assert_eq!((refused.status, refused.code().as_str()), (403, "forbidden"));
        let hers = carol.says(&room, "Carol's").await;
        assert_eq!(bob.deletes(&room, &his).await["state"], "deleted");
        assert_eq!(ada.deletes(&room, &hers).await["state"], "deleted", "an owner of the room");
        // Once more is the same.
        assert_eq!(ada.deletes(&room, &hers).await["state"], "deleted");
        server.database.holds().await;
    }

    async fn a_deleted_message_follows_what_it_quotes_too(on: On) {
        let (server, ada, bob, room) = kitchen(on).await;
        let mut tab = ada.live(&room).await;
        let parent = ada.says(&room, "My number is 4711.").await;
        let gone = bob.replies(&room, &parent, "Noted.").await;
        bob.deletes(&room, &gone).await;
        tab.sees_state(&gone, "deleted").await;
        ada.edits(&room, &parent, "My number is 4712.").await;
        tab.until("the new quote", |tab| tab.rows[&gone].json["reply_to"]["excerpt"] == "My number is 4712.").await;
        // Of a deleted text nothing stays in anybody's tab.
        ada.deletes(&room, &parent).await;
        tab.until("the deletion", |tab| tab.rows[&gone].json["reply_to"]["deleted"] == true).await;
        assert!(tab.rows.values().all(|row| !row.json.to_string().contains("4712")));
        assert_eq!(tab.rows[&gone].json, bob.messages(&room).await[1]);
        server.database.holds().await;
    }

    async fn quotes_follow_what_they_quote(on: On) {
        let (server, ada, bob, room) = kitchen(on).await;
        let mut tab = ada.live(&room).await;
        let parent = ada.says(&room, "Soup?").await;
        let quoting = bob.replies(&room, &parent, "Yes!").await;
        let second = ada.replies(&room, &parent, "Good.").await;
        let deeper = bob.replies(&room, &quoting, "Indeed").await;
        tab.sees("Indeed").await;
        ada.edits(&room, &parent, "Stew *or* soup?").await;
        for id in [&quoting, &second] {
            tab.until("the new quote", |tab| tab.rows[id].json["reply_to"]["excerpt"] == "Stew or soup?").await;
        }
        assert_eq!(tab.rows[&deeper].json["reply_to"]["excerpt"], "Yes!");
        ada.deletes(&room, &parent).await;
        for id in [&quoting, &second] {
            tab.until("the deletion", |tab| tab.rows[id].json["reply_to"] == json!({ "id": parent, "author": "Ada", "excerpt": "", "deleted": true })).await;
        }
        // A parent must be of this room.
        let hall = ada.makes_room("Hall").await;
        let elsewhere = ada.says(&hall, "Elsewhere").await;
        for parent in [elsewhere, new_id()] {
            let page = bob.tries_to_post(&room, json!({ "text": "?", "reply_to": parent })).await;
            assert_eq!((page.status, page.code().as_str()), (422, "no_parent"));
        }
        server.database.holds().await;
    }

    async fn deleted_text_is_nowhere(on: On) {
        let (server, ada, bob, room) = kitchen(on).await;
        server.assistant("Echo", &room, "always").await;
        let mut tab = bob.live(&room).await;
        let id = ada.says(&room, &format!("Xanthippe said {}", script(&["reason Yggdrasil", "say \"Zzyzx one\"", "unless go cut", "say \"Zzyzx two\""]))).await;
        let reply = tab.sees_reply_to(&id).await;
        tab.sees_state(&reply, "interrupted").await;
        bob.retries(&room, &reply).await;
        tab.until("the second attempt", |tab| tab.rows[&reply].attempt == 2 && tab.rows[&reply].state == "interrupted").await;
        bob.continues(&room, &reply).await;
        tab.until("the third attempt", |tab| tab.rows[&reply].attempt == 3 && tab.rows[&reply].state == "interrupted").await;
        let edited = ada.says(&room, &format!("Quetzalcoatl {}", script(&["say ok"]))).await;
        ada.edits(&room, &edited, "Harmless").await;
        for id in [&id, &reply] {
            ada.deletes(&room, id).await;
            tab.sees_state(id, "deleted").await;
        }
        let mut dump = String::new();
        for table in ["people", "rooms", "messages", "attempts", "chunks", "assistants"] {
            let columns = match table {
                "messages" => "text, html, reasoning, excerpt, state_why, facts",
                "attempts" => "text, reasoning, why, facts",
                "chunks" => "text, part",
                _ => "id, name",
            };
            dump.push_str(&format!("{:?}", server.database.rows(&format!("SELECT {columns} FROM {table}")).await));
        }
        for word in ["Xanthippe", "Yggdrasil", "Zzyzx", "Quetzalcoatl"] {
            assert!(!dump.contains(word), "{word} is still in the database: {dump}");
        }
        let page = bob.get(&format!("/rooms/{room}")).await.body;
        let history = bob.get(&format!("/rooms/{room}/messages/{reply}")).await.body;
        assert!(!page.contains("Zzyzx") && !history.contains("Zzyzx") && !page.contains("Xanthippe"));
        if on == On::Sqlite {
            // In the file too, once its log is folded in: what is deleted is overwritten.
            server.terminate().await;
            let bytes = std::fs::read(server.data().join("parlor.db")).unwrap();
            for word in ["Xanthippe", "Yggdrasil", "Zzyzx", "Quetzalcoatl"] {
                assert!(!bytes.windows(word.len()).any(|window| window == word.as_bytes()), "{word} is still in the file");
            }
        }
    }

    async fn limits_are_said_clearly(on: On) {
        let (_server, ada, _bob, room) = kitchen(on).await;
        let fits = "x".repeat(64 * 1024);
        let id = ada.says(&room, &fits).await;
        assert_eq!(ada.message(&room, &id).await["text"], fits.as_str());
        let page = ada.tries_to_post(&room, json!({ "text": format!("{fits}y") })).await;
        assert_eq!((page.status, page.code().as_str()), (422, "too_long"));
        assert!(page.body.contains("65537 bytes"), "{}", page.body);
        let form = posts_form(&ada, &room, &new_id(), &format!("{fits}y"), &[]).await;
        assert_eq!(form.status, 422);
        assert!(form.body.contains("xxxy</textarea>"), "typed text is kept");
        // Bytes count, not characters.
        let page = ada.tries_to_post(&room, json!({ "text": "🌱".repeat(16 * 1024 + 1) })).await;
        assert_eq!(page.code(), "too_long");
        let huge = "x".repeat(256 * 1024);
        let page = ada.tries_to_post(&room, json!({ "text": huge })).await;
        assert_eq!((page.status, page.code().as_str()), (413, "too_large"));
        let form = posts_form(&ada, &room, &new_id(), &huge, &[]).await;
        assert_eq!(form.status, 413);
        assert!(form.body.contains("256 kB"), "{}", form.body);
        for (words, code) in [("", "empty"), (" \n\t ", "empty"), ("a\0b", "bad_text")] {
            let page = ada.tries_to_post(&room, json!({ "text": words })).await;
            assert_eq!((page.status, page.code().as_str()), (422, code), "{words:?}");
        }
    }

    async fn rubbish_gives_clear_errors(on: On) {
        let (_server, ada, _bob, room) = kitchen(on).await;
        let path = format!("/api/rooms/{room}/messages");
        let raw = async |kind: &'static str, body: &[u8]| ada.send(ada.request(Method::POST, &path).header("content-type", kind).body(body.to_vec())).await;
        for body in [&b"{"[..], b"", b"[]", b"\"text\"", b"{\"text\":5}", b"{\"text\":\"\xff\"}", b"{\"text\":\"\\ud800\"}", b"{\"txt\":\"x\"}", b"\xff\xfe", b"{\"text\":\"x\",\"reply_to\":\"5\"}"] {
            let page = raw("application/json", body).await;
            assert!(matches!(page.status, 400 | 422), "{}: {}", String::from_utf8_lossy(body), page.status);
            assert!(!page.code().is_empty() && page.json()["error"]["message"].as_str().is_some_and(|sentence| sentence.len() > 10), "{}", page.body);
        }
        let page = raw("text/plain", b"{\"text\":\"x\"}").await;
        assert!(matches!(page.status, 400 | 415 | 422), "{} {}", page.status, page.body);
        assert!(!page.code().is_empty());
        for id in ["5", "", "00000000-0000-4000-8000-000000000000", "{019a2089-0000-7000-8000-000000000000}", "019A2089000070008000000000000000"] {
            let page = ada.tries_to_post(&room, json!({ "id": id, "text": "x" })).await;
            assert_eq!((page.status, page.code().as_str()), (422, "bad_id"), "{id}");
            let page = posts_form(&ada, &room, id, "kept", &[]).await;
            assert_eq!(page.status, 422);
            assert!(page.body.contains("kept</textarea>"));
        }
        // Addresses that are none.
        for path in ["/api/rooms/x", "/api/rooms/%ff", &format!("/api/rooms/{room}/messages/x"), "/api/nothing"] {
            let page = ada.call(Method::GET, path, None).await;
            assert_eq!(page.status, 404, "{path}: {}", page.body);
            assert!(!page.code().is_empty());
        }
        for query in ["before=x", "limit=-1", "around=5", "before=1&after=2", "view=pdf", "before=99999999999999999999"] {
            let page = ada.call(Method::GET, &format!("{path}?{query}"), None).await;
            assert!(matches!(page.status, 400 | 422), "{query}: {} {}", page.status, page.body);
            assert!(!page.code().is_empty());
        }
        let page = ada.call(Method::PUT, &path, Some(json!({}))).await;
        assert_eq!((page.status, page.code().as_str()), (405, "method"));
        // As pages too, with a way out.
        for path in [&format!("/rooms/{room}?before=x"), "/rooms/x", "/nothing", &format!("/rooms/{room}/messages/x")] {
            let page = ada.get(path).await;
            assert!(matches!(page.status, 400 | 404), "{path}: {}", page.status);
            assert!(page.body.contains("To your rooms") && page.body.contains("request <code>"), "{}", page.body);
        }
        let form = ada.send(ada.request(Method::POST, &format!("/rooms/{room}/messages")).header("content-type", "application/x-www-form-urlencoded").body("id=%ff&text=%zz")).await;
        assert!(matches!(form.status, 400 | 422), "{}", form.status);
        assert!(ada.messages(&room).await.is_empty(), "nothing of it was posted");
    }

    async fn older_messages_come_in_pages(on: On) {
        let (server, ada, bob, room) = kitchen(on).await;
        for n in 0..120 {
            ada.says(&room, &format!("message {n}.")).await;
        }
        let path = format!("/api/rooms/{room}/messages");
        let page = async |query: &str| bob.call(Method::GET, &format!("{path}?{query}"), None).await.ok();
        let texts = |page: &Value| -> Vec<String> { page["messages"].as_array().unwrap().iter().map(|m| text(&m["text"])).collect() };
        let named = |range: std::ops::Range<usize>| -> Vec<String> { range.map(|n| format!("message {n}.")).collect() };
        let latest = page("").await;
        assert_eq!(texts(&latest), named(70..120));
        assert_eq!((&latest["more"], &latest["more_after"]), (&json!(true), &json!(false)));
        assert_eq!(latest["cursor"], bob.cursor(&room).await.as_str());
        let seq = |page: &Value, at: usize| page["messages"][at]["seq"].as_i64().unwrap();
        let older = page(&format!("before={}", seq(&latest, 0))).await;
        assert_eq!(texts(&older), named(20..70));
        let oldest = page(&format!("before={}", seq(&older, 0))).await;
        assert_eq!((texts(&oldest), &oldest["more"]), (named(0..20), &json!(false)));
        let newer = page(&format!("after={}&limit=10", seq(&oldest, 19))).await;
        assert_eq!((texts(&newer), &newer["more"]), (named(20..30), &json!(true)));
        let end = page(&format!("after={}", seq(&latest, 40))).await;
        assert_eq!((texts(&end), &end["more"]), (named(111..120), &json!(false)));
        let around = page(&format!("around={}", text(&older["messages"][20]["id"]))).await;
        assert!(texts(&around).contains(&"message 40.".to_owned()) && texts(&around).len() >= 50, "{:?}", texts(&around));
        assert_eq!(texts(&page("limit=100000").await).len(), 120, "more than the most that is given: that");
        assert_eq!(texts(&page("limit=0").await).len(), 1);

        // The same by links, without script.
        let html = bob.get(&format!("/rooms/{room}")).await;
        assert!(html.body.contains("message 70.") && !html.body.contains("message 69."));
        let link = format!("/rooms/{room}?before={}", html.between(&format!("/rooms/{room}?before="), "\""));
        let html = bob.get(&link).await;
        assert!(html.body.contains("message 20.") && html.body.contains("message 69.") && !html.body.contains("message 70."));
        assert!(html.body.contains("Newest messages"));
        let permanent = bob.get(&format!("/rooms/{room}?around={}", text(&oldest["messages"][3]["id"]))).await;
        assert!(permanent.body.contains("message 3.") && permanent.body.contains("message 0."));
        assert_eq!(bob.get(&format!("/rooms/{room}?around={}", new_id())).await.status, 404);
        server.database.holds().await;
    }

    async fn whatever_is_repeated_in_whatever_order_is_there_once(on: On) {
        let (server, ada, _bob, room) = kitchen(on).await;
        let (ada, room) = (&ada, room.as_str());
        let handle = tokio::runtime::Handle::current();
        let mut runner = TestRunner::new(ProptestConfig { failure_persistence: None, max_shrink_iters: 0, ..ProptestConfig::with_cases(12) });
        // Which of six posts is sent, in which order, how many of them at once, and whether the client waits for the answer.
        let sends = proptest::collection::vec((0_usize..6, any::<bool>()), 6..24).prop_shuffle();
        let cases = tokio::task::block_in_place(|| {
            runner.run(&sends, |sends| {
                handle.block_on(async {
                    let ids: Vec<String> = (0..6).map(|_| new_id()).collect();
                    let mut lost = Vec::new();
                    for (which, waits) in &sends {
                        let post = json!({ "id": ids[*which], "text": format!("post {which}") });
                        let request = ada.request(Method::POST, &format!("/api/rooms/{room}/messages")).header("content-type", "application/json");
                        let sent = tokio::spawn(request.body(post.to_string()).send());
                        match waits {
                            true => {
                                let answer = sent.await.unwrap().unwrap();
                                assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
                            }
                            // The client goes away at some moment, and tries again later.
                            false => {
                                tokio::task::yield_now().await;
                                sent.abort();
                                lost.push(post);
                            }
                        }
                    }
                    for post in lost {
                        assert_eq!(ada.tries_to_post(room, post).await.status, 201);
                    }
                    let there = ada.messages(room).await;
                    for (which, id) in ids.iter().enumerate() {
                        let count = there.iter().filter(|message| message["id"] == id.as_str()).count();
                        assert_eq!(count, usize::from(sends.iter().any(|(sent, _)| *sent == which)), "post {which} of {sends:?}");
                    }
                });
                Ok(())
            })
        });
        cases.unwrap();
        server.database.holds().await;
    }
}
