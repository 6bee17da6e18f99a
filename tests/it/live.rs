//! Streams: what every tab hears, in which order, and what it hears no more (docs/live-protocol.md §4 to §7).

use futures_util::future::join_all;
use proptest::prelude::{Just, ProptestConfig, Strategy};
use proptest::test_runner::TestRunner;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{On, Options, PASSWORD, Person, Server, encoded, kitchen, new_id, on_both, script};

on_both! {
    async fn a_post_is_seen_by_others_at_once(on: On) {
        let (server, ada, bob, room) = kitchen(on).await;
        let (mut hers, mut his) = (ada.live(&room).await, bob.live(&room).await);
        let id = ada.says(&room, "Shall we **cook**?").await;
        hers.sees("Shall we **cook**?").await;
        his.sees("Shall we **cook**?").await;
        bob.replies(&room, &id, "Soup!").await;
        hers.sees("Soup!").await;
        his.sees("Soup!").await;
        assert_eq!(hers.shows(), his.shows());
        let quote = &his.rows.values().find(|row| row.text() == "Soup!").unwrap().json["reply_to"];
        assert_eq!(quote, &json!({ "id": id, "author": "Ada", "excerpt": "Shall we cook?", "deleted": false }));
        server.database.holds().await;
    }

    async fn who_comes_back_gets_what_was_missed_in_order(on: On) {
        let (server, ada, bob, room) = kitchen(on).await;
        let one = ada.says(&room, "one").await;
        let cursor = bob.cursor(&room).await;
        ada.says(&room, "two").await;
        let three = ada.says(&room, "three").await;
        ada.edits(&room, &one, "one, edited").await;
        ada.deletes(&room, &three).await;

        let mut tab = bob.live_at(&room, &cursor).await;
        tab.catches_up().await;
        let events: Vec<(&str, &str, &str)> = tab
            .frames
            .iter()
            .map(|f| (f.event.as_str(), f.data["state"].as_str().unwrap_or_default(), f.data["text"].as_str().unwrap_or_default()))
            .collect();
        // Each row once, as it is now, in the order of its latest change.
        assert_eq!(
            events,
            [("message", "complete", "two"), ("message", "complete", "one, edited"), ("message", "deleted", ""), ("caught-up", "", "")]
        );
        let head = bob.room(&room).await["head"].as_i64().unwrap();
        assert_eq!(tab.caught_up[&room], head);
        assert_eq!(tab.last_event_id, bob.cursor(&room).await);
        ada.says(&room, "four").await;
        tab.sees("four").await;
        server.database.holds().await;
    }

    async fn who_has_everything_is_told_so_and_nothing_else(on: On) {
        let (_server, ada, bob, room) = kitchen(on).await;
        ada.says(&room, "one").await;
        let cursor = bob.cursor(&room).await;
        let mut tab = bob.live_at(&room, &cursor).await;
        tab.catches_up().await;
        assert_eq!(tab.frames.len(), 1);
        // Without a cursor: from now on.
        let mut program = bob.stream(&format!("/api/rooms/{room}/live")).await;
        program.catches_up().await;
        assert_eq!(program.frames, tab.frames);
        ada.says(&room, "two").await;
        program.sees("two").await;
        assert_eq!(program.texts(), ["two"]);
    }

    async fn a_late_joiner_sees_what_is_written_so_far(on: On) {
        let (server, ada, bob, room) = kitchen(on).await;
        server.assistant("Echo", &room, "always").await;
        let mut hers = ada.live(&room).await;
        let question = ada.says(&room, &script(&["say \"Hello, \"", "wait go", "say \"**wor\"", "wait more", "say \"ld** 🌱.\""])).await;
        let reply = hers.sees_reply_to(&question).await;
        hers.sees_so_far(&reply, "Hello, ").await;

        let mut his = bob.live(&room).await;
        his.sees_so_far(&reply, "Hello, ").await;
        let mut page = bob.live_as(&room, "html").await;
        page.until("the beginning as markup", |tab| tab.rows.get(&reply).is_some_and(|row| row.html() == "<p>Hello, </p>" || row.html() == "<p>Hello,</p>")).await;
        server.open("go");
        for tab in [&mut hers, &mut his] {
            tab.sees_so_far(&reply, "Hello, **wor").await;
        }
        page.until("the open construct as what it becomes", |tab| tab.rows[&reply].html().contains("<strong>wor</strong>")).await;
        assert!(!page.heard("**wor"), "raw syntax never shows");
        server.open("more");
        for tab in [&mut hers, &mut his] {
            assert_eq!(tab.sees_state(&reply, "complete").await.text(), "Hello, **world** 🌱.");
            assert_eq!(tab.gaps, 0);
        }
        assert_eq!(hers.shows(), his.shows());
        let article = page.sees_state(&reply, "complete").await.html();
        assert!(article.contains("<p>Hello, <strong>world</strong> 🌱.</p>"), "{article}");
        server.database.holds().await;
    }

    async fn the_markup_that_grew_is_the_markup_of_the_whole(on: On) {
        let (server, ada, _bob, room) = kitchen(on).await;
        server.assistant("Echo", &room, "always").await;
        let mut page = ada.live_as(&room, "html").await;
        let steps = [
            r####"say "# Title\n\nA *line* with `code` and ""####, r####"say "[a link](https://example.org/) 🌱.\n\n""####, r####"say "- one\n- t""####,
            r####"say "wo\n\n~~~rust\nfn ma""####, r####"say "in() {}\n~~~\n\n| a | b |\n""####, r####"say "|---|---|\n| 1 | 2 |\n""####, "wait end",
        ];
        let question = ada.says(&room, &script(&steps)).await;
        let reply = page.sees_reply_to(&question).await;
        page.until("all of it", |tab| tab.rows[&reply].html().contains("</table>") && tab.rows[&reply].html().contains(">2<")).await;
        let grown = page.rows[&reply].html();
        server.open("end");
        let article = page.sees_state(&reply, "complete").await.html();
        assert!(article.contains(&format!("<div class=\"body prose\">{grown}</div>")), "grown:\n{grown}\n\nwhole:\n{article}");
    }

    async fn the_page_and_the_stream_have_the_same_markup(on: On) {
        let (server, ada, bob, room) = kitchen(on).await;
        server.assistant("Echo", &room, "mention").await;
        let mut tab = ada.live_as(&room, "html").await;
        let one = ada.says(&room, "Look: | & <b>\n\n- a\n- b").await;
        let two = bob.replies(&room, &one, "Yes @Ada").await;
        bob.edits(&room, &two, "Yes, @Ada.").await;
        let three = ada.says(&room, "@Echo hi").await;
        let reply = tab.sees_reply_to(&three).await;
        tab.sees_state(&reply, "complete").await;
        let four = ada.says(&room, "gone soon").await;
        ada.deletes(&room, &four).await;
        tab.sees_state(&four, "deleted").await;
        let page = ada.get(&format!("/rooms/{room}")).await.body;
        let page = without_places(&page);
        for (id, row) in &tab.rows {
            assert!(page.contains(&row.html()), "{id}:\n{}\n\nis not in the page:\n{page}", row.html());
        }
        // The API gives the same.
        for message in ada.call(Method::GET, &format!("/api/rooms/{room}/messages?view=html"), None).await.ok()["messages"].as_array().unwrap() {
            assert_eq!(message["html"], tab.rows[message["id"].as_str().unwrap()].html());
        }
    }

    async fn a_cursor_that_leads_nowhere_is_reset(on: On) {
        let (_server, ada, bob, room) = kitchen(on).await;
        let other = ada.makes_room("Hall").await;
        ada.says(&room, "one").await;
        let cursor = bob.cursor(&room).await;
        let head = bob.room(&room).await["head"].as_i64().unwrap();
        let [_, epoch, _] = cursor.split('.').collect::<Vec<_>>()[..] else { panic!("{cursor}") };
        let elsewhere = format!("{}.{epoch}.{head}", other);
        for (at, why) in [
            (format!("{room}.rubbish"), "bad-cursor"),
            ("rubbish".to_owned(), "bad-cursor"),
            (elsewhere, "bad-cursor"),
            (format!("{room}.{epoch}.-1"), "bad-cursor"),
            (format!("{room}.{epoch}.99999999999999999999"), "bad-cursor"),
            (format!("{room}.{}.{head}", "0".repeat(32)), "other-epoch"),
            (format!("{room}.{epoch}.{}", head + 1000), "ahead"),
        ] {
            let mut tab = bob.live_at(&room, &at).await;
            tab.until("a reset", |tab| !tab.resets.is_empty()).await;
            assert_eq!(tab.resets, [json!({ "room": room, "why": why })], "{at}");
            // The stream goes on from the head.
            assert_eq!(tab.last_event_id, bob.cursor(&room).await);
            let words = format!("after {why} {at}");
            ada.says(&room, &words).await;
            tab.sees(&words).await;
            assert_eq!(tab.rows.len(), 1);
        }
    }

    async fn who_is_too_far_behind_loads_the_room_anew(on: On) {
        let (server, ada, bob, room) = kitchen(on).await;
        let cursor = bob.cursor(&room).await;
        let (ada, room) = (&ada, room.as_str());
        join_all((0..10).map(|writer| async move {
            for n in 0..50 {
                ada.says(room, &format!("{writer}-{n}")).await;
            }
        }))
        .await;
        // 500 rows are caught up with, 501 are not.
        let mut tab = bob.live_at(room, &cursor).await;
        tab.catches_up().await;
        assert_eq!(tab.rows.len(), 500);
        ada.says(room, "one more").await;
        tab.sees("one more").await;
        let mut late = bob.live_at(room, &cursor).await;
        late.until("a reset", |tab| !tab.resets.is_empty()).await;
        assert_eq!(late.resets, [json!({ "room": room, "why": "too-far" })]);
        assert!(late.rows.is_empty());
        ada.says(room, "and another").await;
        late.sees("and another").await;
        server.database.holds().await;
    }

    async fn much_text_is_too_far_as_well(on: On) {
        let (_server, ada, bob, room) = kitchen(on).await;
        let cursor = bob.cursor(&room).await;
        let long = "x".repeat(60_000);
        // Text and markup count: 4 MiB are met after some 35 of these.
        let (ada, room, long) = (&ada, room.as_str(), long.as_str());
        join_all((0..40).map(|_| ada.says(room, long))).await;
        let mut tab = bob.live_at(room, &cursor).await;
        tab.until("a reset", |tab| !tab.resets.is_empty()).await;
        assert_eq!(tab.resets[0]["why"], "too-far");
    }

    async fn several_rooms_come_over_one_connection(on: On) {
        let (server, ada, bob, kitchen) = kitchen(on).await;
        let hall = ada.makes_room("Hall").await;
        let attic = ada.makes_private_room("Attic").await;
        bob.joins(&hall).await;
        let at = |rooms: &[&String]| encoded(&rooms.iter().map(|cursor| ("at", cursor.as_str())).collect::<Vec<_>>());
        let (in_kitchen, in_hall, in_attic) = (ada.cursor(&kitchen).await, ada.cursor(&hall).await, ada.cursor(&attic).await);
        ada.says(&kitchen, "missed in the kitchen").await;
        let mut tab = bob.stream(&format!("/live?{}", at(&[&in_kitchen, &in_hall, &in_attic]))).await;
        tab.until("both caught up", |tab| tab.caught_up.len() == 2).await;
        tab.sees("missed in the kitchen").await;
        // What is not for the reader ends, and the others go on.
        assert_eq!(tab.byes, [json!({ "why": "revoked", "room": attic })]);
        ada.says(&attic, "only Ada hears this").await;
        ada.says(&hall, "in the hall").await;
        ada.says(&kitchen, "in the kitchen").await;
        tab.sees("in the hall").await;
        tab.sees("in the kitchen").await;
        assert!(!tab.heard("only Ada"));
        let refused = bob.tries_stream(&format!("/live?{}", at(&[&in_attic]))).await.unwrap_err();
        assert_eq!((refused.status, refused.code().as_str()), (404, "not_found"));
        assert_eq!(bob.tries_stream("/live").await.unwrap_err().status, 404);
        // Both views, and a cursor of which only the room can be read.
        let mut page = bob.stream(&format!("/live?view=html&{}", at(&[&in_kitchen, &format!("{hall}.x")]))).await;
        page.sees("in the kitchen").await;
        page.until("a reset", |tab| tab.resets == [json!({ "room": hall, "why": "bad-cursor" })]).await;
        server.database.holds().await;
    }

    async fn a_browser_that_reconnects_by_itself_goes_on_where_it_was(on: On) {
        let (_server, ada, bob, room) = kitchen(on).await;
        let hall = ada.makes_room("Hall").await;
        bob.joins(&hall).await;
        let (old, old_hall) = (bob.cursor(&room).await, bob.cursor(&hall).await);
        ada.says(&room, "one").await;
        let last = bob.cursor(&room).await;
        ada.says(&room, "two").await;
        ada.says(&hall, "in the hall").await;
        let path = format!("/rooms/{room}/live?{}", encoded(&[("at", old.as_str())]));
        let mut tab = bob.tries_stream_with(&path, &[("last-event-id", &last)]).await.unwrap();
        tab.catches_up().await;
        assert_eq!(tab.texts(), ["two"], "the last event's id replaces the address' cursor");
        let mut tab = bob.tries_stream_with(&path, &[("last-event-id", "")]).await.unwrap();
        tab.catches_up().await;
        assert_eq!(tab.texts(), ["one", "two"], "an empty one does not");
        let path = format!("/live?{}", encoded(&[("at", old.as_str()), ("at", old_hall.as_str())]));
        let mut tab = bob.tries_stream_with(&path, &[("last-event-id", &last)]).await.unwrap();
        tab.until("both caught up", |tab| tab.caught_up.len() == 2).await;
        let mut texts = tab.texts();
        texts.sort();
        assert_eq!(texts, ["in the hall", "two"], "of several rooms it replaces that of its own");
    }

    async fn streams_are_refused_before_they_begin(on: On) {
        let (server, ada, bob, room) = kitchen(on).await;
        let attic = ada.makes_private_room("Attic").await;
        let stranger = Person::stranger(&server.url);
        let nowhere = new_id();
        for path in [format!("/rooms/{room}/live"), format!("/api/rooms/{room}/live"), format!("/live?at={room}.x")] {
            let refused = stranger.tries_stream(&path).await.unwrap_err();
            assert_eq!((refused.status, refused.code().as_str()), (401, "sign_in"), "never a redirect: {path}");
            let wrong = Person::program(&server.url, "parlor_no-such-token").tries_stream(&path).await.unwrap_err();
            assert_eq!((wrong.status, wrong.code().as_str()), (401, "sign_in"));
            // A page of another site cannot open one, although the browser would send the cookie.
            for site in ["cross-site", "same-site"] {
                let refused = bob.tries_stream_with(&path, &[("sec-fetch-site", site)]).await.unwrap_err();
                assert_eq!((refused.status, refused.code().as_str()), (403, "cross_site"));
            }
            // An old tab never attaches to the next person's stream.
            let joint = if path.contains('?') { "&" } else { "?" };
            let refused = bob.tries_stream(&format!("{path}{joint}as={}", ada.id)).await.unwrap_err();
            assert_eq!((refused.status, refused.code().as_str()), (409, "other_person"));
            drop(bob.tries_stream(&format!("{path}{joint}as={}", bob.id)).await.unwrap());
        }
        let hidden = bob.tries_stream(&format!("/rooms/{attic}/live")).await.unwrap_err();
        let missing = bob.tries_stream(&format!("/rooms/{nowhere}/live")).await.unwrap_err();
        assert_eq!((hidden.status, &hidden.body), (404, &missing.body));
        assert_eq!(bob.tries_stream("/rooms/kitchen/live").await.unwrap_err().body, missing.body);
    }

    async fn one_person_has_at_most_32_streams(on: On) {
        let (_server, ada, bob, room) = kitchen(on).await;
        let path = format!("/rooms/{room}/live");
        let mut open = join_all((0..32).map(|_| bob.stream(&path))).await;
        let refused = bob.tries_stream(&path).await.unwrap_err();
        assert_eq!((refused.status, refused.code().as_str()), (429, "too_many_streams"));
        assert!(refused.headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap() > 0);
        // It is a matter of this person alone, and a closed one makes room.
        drop(ada.stream(&path).await);
        drop(open.pop());
        crate::support::eventually("there is room for another stream", async || bob.tries_stream(&path).await.ok()).await;
        let id = ada.says(&room, "everyone hears this").await;
        for tab in &mut open {
            tab.sees("everyone hears this").await;
            assert!(tab.rows.contains_key(&id));
        }
    }

    async fn who_is_removed_hears_nothing_of_what_comes_after(on: On) {
        let (server, ada, bob, room) = kitchen(on).await;
        let carol = server.person("Carol").await;
        carol.joins(&room).await;
        let hall = ada.makes_room("Hall").await;
        bob.joins(&hall).await;
        let mut his = bob.live(&room).await;
        let both = encoded(&[("at", bob.cursor(&room).await.as_str()), ("at", bob.cursor(&hall).await.as_str())]);
        let mut in_two_rooms = bob.stream(&format!("/live?{both}")).await;
        let mut guard = carol.live(&room).await;
        his.catches_up().await;
        in_two_rooms.until("both caught up", |tab| tab.caught_up.len() == 2).await;
        // Posts go on while the removal happens.
        let posts = async {
            for n in 0..60 {
                ada.says(&room, &format!("word-{n}-")).await;
            }
        };
        let removal = async {
            guard.sees("word-20-").await;
            ada.removes(&room, &bob).await;
            guard.sees("word-59-").await;
        };
        tokio::join!(posts, removal);
        let removed_at = guard.rooms[&room]["rev"].as_i64().unwrap();
        his.ends().await;
        assert_eq!(his.byes, [json!({ "why": "revoked", "room": room })]);
        in_two_rooms.until("word of the removal", |tab| tab.byes == [json!({ "why": "revoked", "room": room })]).await;
        ada.says(&hall, "still in the hall").await;
        in_two_rooms.sees("still in the hall").await;
        let after: Vec<&str> = guard.rows.values().filter(|row| row.seq > removed_at).map(|row| row.json["text"].as_str().unwrap()).collect();
        assert!(!after.is_empty(), "something came after the removal");
        for words in after {
            assert!(!his.heard(words) && !in_two_rooms.heard(words), "{words} was committed after the removal at {removed_at}");
        }
        assert_eq!(bob.tries_stream(&format!("/rooms/{room}/live")).await.unwrap_err().status, 404);
        // Whoever comes back is somebody new to the stream.
        ada.adds(&room, &bob).await;
        let mut again = bob.live(&room).await;
        again.sees("word-59-").await;
    }

    async fn whose_session_ends_hears_nothing_more(on: On) {
        let (server, ada, bob, room) = kitchen(on).await;
        let carol = server.person("Carol").await;
        carol.joins(&room).await;
        let phone = server.signs_in("Bob").await;
        let program = server.program("Bob").await;
        let mut guard = ada.live(&room).await;
        let signed_out = [json!({ "why": "signed-out" })];

        // Signing out ends the streams of that session alone.
        let (mut here, mut on_phone, mut in_program) = (bob.live(&room).await, phone.live(&room).await, program.live(&room).await);
        bob.signs_out().await;
        ada.says(&room, "first secret").await;
        guard.sees("first secret").await;
        here.ends().await;
        assert_eq!(here.byes, signed_out);
        assert!(!here.heard("first secret"));
        on_phone.sees("first secret").await;
        in_program.sees("first secret").await;

        // A new password ends the other sessions.
        let bob = server.signs_in("Bob").await;
        let mut here = bob.live(&room).await;
        let page = bob.post("/account/password", &[("current", PASSWORD), ("new", "five other small blue words")]).await;
        assert_eq!(page.status, 303, "{}", page.body);
        ada.says(&room, "second secret").await;
        on_phone.ends().await;
        assert_eq!(on_phone.byes, signed_out);
        assert!(!on_phone.heard("second secret"));
        here.sees("second secret").await;
        in_program.sees("second secret").await;

        // A token that is revoked ends its streams.
        let tokens = server.cli(&["token", "list", "--json"], "").await.json();
        let id = tokens[0]["id"].as_str().unwrap().to_owned();
        server.cli(&["token", "revoke", &id], "").await.ok();
        ada.says(&room, "third secret").await;
        in_program.ends().await;
        assert_eq!(in_program.byes, signed_out);
        assert!(!in_program.heard("third secret"));
        here.sees("third secret").await;

        // A disabled account hears nothing.
        let mut hers = carol.live(&room).await;
        let page = ada.post(&format!("/people/{}/disable", bob.id), &[]).await;
        assert_eq!(page.status, 303, "{}", page.body);
        ada.says(&room, "fourth secret").await;
        here.ends().await;
        assert_eq!(here.byes, signed_out);
        assert!(!here.heard("fourth secret"));
        hers.sees("fourth secret").await;
        assert_eq!(bob.tries_stream(&format!("/rooms/{room}/live")).await.unwrap_err().status, 401);
    }

    /// `onmessage` of an `EventSource` hears the events named `message`, and those without a name.
    async fn a_plain_event_source_gets_every_message(on: On) {
        let (server, ada, bob, room) = kitchen(on).await;
        server.assistant("Echo", &room, "mention").await;
        let mut source = bob.stream(&format!("/rooms/{room}/live")).await;
        source.catches_up().await;
        ada.says(&room, "One\nline\rand\r\nanother").await;
        let question = ada.says(&room, &format!("@Echo {}", script(&["say \"data: x\\n\\nevent: bye\\n\""]))).await;
        let reply = source.sees_reply_to(&question).await;
        source.sees_state(&reply, "complete").await;
        let heard = |source: &crate::support::Stream| -> Vec<(String, String)> {
            let messages = source.frames.iter().filter(|frame| frame.event == "message");
            messages.map(|frame| (crate::support::person::text(&frame.data["state"]), crate::support::person::text(&frame.data["text"]))).collect()
        };
        let said = heard(&source);
        assert_eq!(said[0], ("complete".into(), "One\nline\nand\nanother".into()));
        assert_eq!(said.last().unwrap(), &("complete".into(), "data: x\n\nevent: bye\n".into()));
        // `state` says which are finished; those that are not have no text.
        assert!(said.iter().all(|(state, text)| (state == "complete") != text.is_empty()), "{said:?}");
        // It reconnects by itself, with the last id it saw.
        let last = source.last_event_id.clone();
        drop(source);
        ada.says(&room, "meanwhile").await;
        let mut source = bob.tries_stream_with(&format!("/rooms/{room}/live"), &[("last-event-id", &last)]).await.unwrap();
        source.sees("meanwhile").await;
        assert_eq!(heard(&source), [("complete".into(), "meanwhile".into())]);
    }

    async fn everybody_sees_the_same_whenever_they_came(on: On) {
        let (server, ada, bob, room) = kitchen(on).await;
        server.assistant("Echo", &room, "mention").await;
        let cursor = bob.cursor(&room).await;
        let (ada, bob, room) = (&ada, &bob, room.as_str());
        let writers = join_all([ada, bob].into_iter().map(|person| async move {
            for n in 0..25 {
                let id = person.says(room, &format!("{} {n}", person.name)).await;
                match n % 5 {
                    1 => drop(person.edits(room, &id, &format!("{} {n}, edited", person.name)).await),
                    2 => drop(person.deletes(room, &id).await),
                    3 => drop(person.replies(room, &id, "a quote").await),
                    4 => drop(person.replies(room, &id, "@Echo well?").await),
                    _ => {}
                }
            }
        }));
        let readers = join_all((0..12).map(|n| {
            let cursor = &cursor;
            async move {
                // Each begins somewhere in the middle of it.
                let mut tab = ada.live_at(room, cursor).await;
                tab.until("some of it", |tab| tab.rows.len() > n * 5).await;
                tab
            }
        }));
        let (_, mut tabs) = tokio::join!(writers, readers);
        let end = ada.says(room, "The end.").await;
        // A reply may begin after the end was said: each of the two has asked five times.
        let answered = |tab: &crate::support::Stream| tab.rows.values().filter(|row| row.attempt > 0).count() == 10;
        for tab in &mut tabs {
            tab.until("all of it", |tab| tab.rows.contains_key(&end) && answered(tab) && tab.rows.values().all(|row| row.state == "complete" || row.state == "deleted"))
                .await;
        }
        let mut fresh = bob.live_at(room, &cursor).await;
        fresh.catches_up().await;
        for tab in &tabs {
            assert_eq!(tab.shows(), fresh.shows());
            assert_eq!(tab.gaps, 0);
        }
        server.database.holds().await;
    }

    async fn frames_in_any_order_give_the_newest_rows(on: On) {
        let (server, ada, bob, room) = kitchen(on).await;
        server.assistant("Echo", &room, "mention").await;
        let mut tab = bob.live(&room).await;
        let one = ada.says(&room, "one").await;
        bob.replies(&room, &one, "two").await;
        ada.edits(&room, &one, "one, edited").await;
        let question = bob.says(&room, "@Echo hello").await;
        let reply = tab.sees_reply_to(&question).await;
        tab.sees_state(&reply, "complete").await;
        bob.retries(&room, &reply).await;
        tab.until("the second attempt", |tab| tab.rows[&reply].attempt == 2 && tab.rows[&reply].state == "complete").await;
        ada.deletes(&room, &one).await;
        tab.until("the deletion in its quote", |tab| tab.rows.values().any(|row| row.json["reply_to"]["deleted"] == true)).await;
        let frames: Vec<Value> = tab.frames.iter().filter(|frame| frame.event == "message").map(|frame| frame.data.clone()).collect();
        assert!(frames.len() >= 7, "{frames:?}");
        let rows = ada.messages(&room).await;
        let twice = frames.iter().chain(&frames).cloned().collect::<Vec<_>>();
        let orders = Just(twice).prop_shuffle();
        let mut runner = TestRunner::new(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) });
        runner
            .run(&orders, |frames| {
                let mut known: Vec<Value> = Vec::new();
                for frame in frames {
                    match known.iter_mut().find(|row| row["id"] == frame["id"]) {
                        Some(row) if row["rev"].as_i64() < frame["rev"].as_i64() => *row = frame,
                        Some(_) => {}
                        None => known.push(frame),
                    }
                }
                known.sort_by_key(|row| row["seq"].as_i64());
                proptest::prop_assert_eq!(&known, &rows);
                Ok(())
            })
            .unwrap();
    }

    async fn what_happens_to_a_room_is_a_frame_in_order(on: On) {
        let (server, ada, bob, room) = kitchen(on).await;
        let carol = server.person("Carol").await;
        let mut tab = bob.live(&room).await;
        ada.says(&room, "before").await;
        let page = ada.post(&format!("/rooms/{room}/settings"), &[("name", "Cuisine"), ("topic", "What we cook")]).await;
        assert_eq!(page.status, 303);
        tab.until("the new name", |tab| tab.rooms.get(&room).is_some_and(|r| r["name"] == "Cuisine")).await;
        ada.adds(&room, &carol).await;
        server.assistant("Echo", &room, "mention").await;
        tab.until("the assistant", |tab| tab.rooms[&room]["assistants"].as_array().unwrap().iter().any(|a| a["name"] == "Echo")).await;
        let frame = &tab.rooms[&room];
        assert_eq!((&frame["topic"], &frame["private"]), (&json!("What we cook"), &json!(false)));
        let members: Vec<(&str, &str)> = frame["members"].as_array().unwrap().iter().map(|m| (m["name"].as_str().unwrap(), m["role"].as_str().unwrap())).collect();
        assert_eq!(members, [("Ada", "owner"), ("Bob", "member"), ("Carol", "member")]);
        let echo = frame["assistants"].as_array().unwrap().iter().find(|a| a["name"] == "Echo").unwrap();
        assert_eq!((&echo["provider"], &echo["speaks"]), (&json!("scripted"), &json!("mention")));
        // The API says the same, and who was away gets it in its place.
        let described = bob.room(&room).await;
        for field in ["name", "topic", "private", "members", "assistants", "rev"] {
            assert_eq!(described[field], frame[field], "{field}");
        }
        let last = ada.says(&room, "after").await;
        tab.sees_state(&last, "complete").await;
        let before = tab.frames.iter().find(|frame| frame.data["text"] == "before").unwrap().id.clone().unwrap();
        let mut late = bob.live_at(&room, &before).await;
        late.catches_up().await;
        let events: Vec<&str> = late.frames.iter().map(|frame| frame.event.as_str()).collect();
        assert_eq!(events, ["room", "message", "caught-up"]);
        server.database.holds().await;
    }

    async fn a_stream_that_is_cut_loses_nothing(on: On) {
        let (_server, ada, bob, room) = kitchen(on).await;
        let mut tab = bob.live(&room).await;
        for round in 0..20 {
            let words = format!("round {round}");
            let (_, ()) = tokio::join!(ada.says(&room, &words), async {
                // Cut at any moment, and opened again with the last id.
                let mut next = bob.live_at(&room, &tab.last_event_id).await;
                next.rows = std::mem::take(&mut tab.rows);
                tab = next;
            });
        }
        tab.until("all of it", |tab| tab.rows.len() == 20).await;
        assert_eq!(tab.texts(), (0..20).map(|n| format!("round {n}")).collect::<Vec<_>>());
    }
}

/// A page's markup without what it says of where a message stands on that page: the attributes after `data-at`, but for who asked.
fn without_places(page: &str) -> String {
    let mut parts = page.split(" data-at=\"");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (at, rest) = part.split_once('"').unwrap();
        let (place, rest) = rest.split_once('>').unwrap();
        let asked = match place.strip_prefix(" data-asked=\"") {
            Some(asked) => format!(" data-asked=\"{}\"", asked.split('"').next().unwrap()),
            None => String::new(),
        };
        plain.push_str(&format!(" data-at=\"{at}\"{asked}>{rest}"));
    }
    plain
}

#[tokio::test]
async fn a_server_without_room_for_posts_says_when_to_come_back() {
    let server = Server::with(On::Sqlite, Options { posts_per_minute: Some(60), ..Options::default() }).await;
    let ada = server.first("Ada").await;
    let room = ada.makes_room("Kitchen").await;
    let mut refused = None;
    for n in 0..20 {
        let page = ada.tries_to_post(&room, json!({ "text": n.to_string() })).await;
        if page.status != 201 {
            refused = Some((n, page));
            break;
        }
    }
    let (n, page) = refused.expect("bursts are limited");
    assert!((10..=12).contains(&n), "ten at once, then one a second: {n}");
    assert_eq!((page.status, page.code().as_str()), (429, "too_many"));
    assert!(page.header("retry-after").parse::<u64>().unwrap() >= 1);
}
