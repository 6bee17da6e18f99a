//! Finding messages: in what one may read and nowhere else, whatever is typed, in every writing, and nothing of what is gone.

use parlor::domain::search::{QUERY_CHARS, cut};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::person::text;
use crate::support::{On, Options, Page, Person, encoded, eventually, kitchen, kitchen_that_answers, new_id, on_both, script};

/// What the search is asked, with `more` fields.
async fn asks(person: &Person, q: &str, more: &[(&str, &str)]) -> Page {
    let fields = encoded(&[&[("q", q)], more].concat());
    person.call(Method::GET, &format!("/api/search?{fields}"), None).await
}

/// What is found, as ids, the newest first.
async fn finds(person: &Person, q: &str) -> Vec<String> {
    finds_in(person, q, &[]).await
}

async fn finds_in(person: &Person, q: &str, more: &[(&str, &str)]) -> Vec<String> {
    asks(person, q, more).await.ok()["messages"].as_array().unwrap().iter().map(|hit| text(&hit["id"])).collect()
}

/// The excerpt with its marks as brackets.
fn marked(hit: &Value) -> String {
    let piece = |piece: &Value| if piece["found"] == true { format!("[{}]", text(&piece["text"])) } else { text(&piece["text"]) };
    hit["excerpt"].as_array().unwrap().iter().map(piece).collect()
}

on_both! {
    async fn messages_are_found_by_their_words_in_every_writing(on: On) {
        let (_server, ada, bob, room) = kitchen(on).await;
        let soup = ada.says(&room, "Warm the **broth** for the risotto, Bob.\n\nCrème fraîche too!").await;
        let late = bob.says(&room, "我们明天七点见面，risotto要热的。").await;
        let code = bob.says(&room, "`let broth = \"risotto\";` said don't").await;
        let kana = ada.says(&room, "ガラスの仮面を見ました").await;
        for (q, found) in [
            ("broth", vec![&code, &soup]),
            ("BROTH", vec![&code, &soup]),
            ("creme", vec![&soup]),
            ("crème FRAI", vec![&soup]),
            ("risot", vec![&code, &late, &soup]),
            ("risot ", vec![]),
            ("broth bob", vec![&soup]),
            ("bob broth", vec![&soup]),
            ("\"broth for\"", vec![&soup]),
            ("\"for broth\"", vec![]),
            ("见", vec![&late]),
            ("明天", vec![&late]),
            ("天明", vec![]),
            ("七点见面risotto要", vec![&late]),
            ("们明天七点见面 热", vec![&late]),
            ("don’t", vec![&code]),
            ("ｒｉｓｏｔｔｏ", vec![&code, &late, &soup]),
            ("か\u{3099}", vec![]),
            ("カ\u{3099}ラス", vec![&kana]),
            ("仮面", vec![&kana]),
            ("from:bob broth", vec![&code]),
            ("来自：ADA", vec![&kana, &soup]),
            ("from:nobody broth", vec![]),
        ] {
            assert_eq!(finds(&bob, q).await.iter().collect::<Vec<_>>(), found, "{q}");
        }
        let page = asks(&bob, "明天", &[]).await.ok();
        let hit = &page["messages"][0];
        assert_eq!(marked(hit), "我们[明天]七点见面，risotto要热的。");
        assert_eq!((&hit["room"]["name"], &hit["author"]["name"], &hit["kind"]), (&json!("Kitchen"), &json!("Bob"), &json!("person")));
        assert_eq!(hit["url"], format!("/rooms/{room}?around={late}#m-{late}"));
        assert!(bob.get(hit["url"].as_str().unwrap()).await.body.contains(&format!("m-{late}")));
        let hits = asks(&bob, "broth", &[]).await.ok();
        assert_eq!(marked(&hits["messages"][1]), "Warm the [broth] for the risotto, Bob. Crème fraîche too!");
    }

    /// Who is no member finds nothing of a room, nor learns whether there is one; who was one finds nothing from the moment they are not.
    async fn only_in_rooms_that_one_is_in(on: On) {
        let (server, ada, bob, room) = kitchen(on).await;
        let carol = server.person("Carol").await;
        let secret = ada.makes_private_room("Surprise").await;
        let theirs = ada.says(&secret, "A surprise cake for Bob").await;
        let ours = bob.says(&room, "No cake today").await;
        assert_eq!(finds(&ada, "cake").await, [ours.as_str(), theirs.as_str()]);
        assert_eq!(finds(&bob, "cake").await, [ours.as_str()]);
        assert_eq!(finds(&carol, "cake").await, [] as [&str; 0], "an open room is not hers either until she joins it");
        assert_eq!(finds_in(&ada, "cake", &[("room", &secret)]).await, [theirs.as_str()]);
        let (hidden, missing) = (asks(&bob, "cake", &[("room", &secret)]).await, asks(&bob, "cake", &[("room", &carol.id)]).await);
        assert_eq!((hidden.status, hidden.code()), (404, missing.code()));
        assert_eq!(asks(&bob, "cake", &[("room", "nonsense")]).await.status, 404);
        let page = bob.get(&format!("/search?q=cake&room={secret}")).await;
        assert!(page.status == 404 && !page.body.contains("Surprise"), "{}", page.body);
        assert!(!bob.get("/search?q=cake").await.body.contains("surprise"));
        // A guessed place in the results opens nothing.
        assert_eq!(finds_in(&bob, "cake", &[("before", &format!("{}.{theirs}", i64::MAX))]).await, [ours.as_str()]);

        ada.adds(&secret, &bob).await;
        assert_eq!(finds(&bob, "cake").await, [ours.as_str(), theirs.as_str()]);
        ada.removes(&secret, &bob).await;
        assert_eq!(finds(&bob, "cake").await, [ours.as_str()]);
        bob.leaves(&room).await;
        assert_eq!(finds(&bob, "cake").await, [] as [&str; 0]);
        let stranger = Person::stranger(&server.url);
        assert_eq!(asks(&stranger, "cake", &[]).await.status, 401);
        assert!(stranger.get("/search?q=cake").await.header("location").starts_with("/sign-in"));
    }

    async fn what_is_changed_or_gone_is_found_so_or_not_at_all(on: On) {
        let (server, ada, bob, room) = kitchen(on).await;
        // One post, however often it is sent; another with its id changes nothing.
        let once = new_id();
        for (words, status) in [("A marmot", 201), ("A marmot", 201), ("A badger", 409)] {
            assert_eq!(ada.tries_to_post(&room, json!({ "id": once, "text": words })).await.status, status, "{words}");
        }
        assert_eq!(finds(&bob, "marmot").await, [once.as_str()]);
        assert_eq!(finds(&bob, "badger").await, [] as [&str; 0]);
        ada.deletes(&room, &once).await;
        let id = ada.says(&room, "An ocelot under the zinnia").await;
        ada.edits(&room, &id, "A heron under the zinnia").await;
        assert_eq!(finds(&bob, "ocelot").await, [] as [&str; 0]);
        assert_eq!(finds(&bob, "heron zinnia").await, [id.as_str()]);
        ada.edits(&room, &id, "…").await;
        assert_eq!(finds(&bob, "zinnia").await, [] as [&str; 0], "a text without words");
        ada.edits(&room, &id, "Quokkas 树袋熊 forever").await;
        assert_eq!(finds(&bob, "树袋").await, [id.as_str()]);
        ada.deletes(&room, &id).await;
        for gone in ["quokkas", "树袋", "forever"] {
            assert_eq!(finds(&bob, gone).await, [] as [&str; 0], "{gone}");
        }
        server.database.holds().await;
        for table in ["searchable", "search_words"] {
            assert_eq!(server.database.number(&format!("SELECT COUNT(*) FROM {table}")).await, 0, "{table}");
        }
        if on == On::Sqlite {
            server.terminate().await;
            let bytes = std::fs::read(server.data().join("parlor.db")).unwrap();
            for word in ["ocelot", "zinnia", "heron", "quokka", "树 袋", "orever"] {
                assert!(!bytes.windows(word.len()).any(|window| window == word.as_bytes()), "{word} is still in the file");
            }
        }
    }

    /// A reply is found when it has ended, however it ended, by its text as it is now.
    async fn replies_are_found_once_they_have_ended(on: On) {
        let (server, ada, bob, room) = kitchen_that_answers(on, Options::default()).await;
        let mut tab = bob.live(&room).await;
        let question = ada.says(&room, &format!("@echo {}", script(&["say A walrus", "wait more", "say and an aardvark"]))).await;
        let reply = tab.sees_reply_to(&question).await;
        tab.until("what the reply begins with", |tab| tab.rows.get(&reply).is_some_and(|row| row.text().contains("A walrus"))).await;
        assert!(!finds(&bob, "walrus").await.contains(&reply), "not while it grows");
        bob.stops(&room, &reply).await;
        tab.sees_state(&reply, "stopped").await;
        assert!(finds(&bob, "walrus").await.contains(&reply));
        assert!(!finds(&bob, "aardvark").await.contains(&reply));
        assert!(finds(&bob, "from:echo").await.contains(&reply));
        // Again: what was said before is no more, and what comes is found at its end.
        server.open("more");
        bob.retries(&room, &reply).await;
        tab.sees_state(&reply, "complete").await;
        assert!(finds(&bob, "aardvark").await.contains(&reply));
        ada.deletes(&room, &reply).await;
        assert!(!finds(&bob, "aardvark").await.contains(&reply));
        server.database.holds().await;
    }

    async fn results_come_in_pages_each_message_once(on: On) {
        let (_server, ada, bob, room) = kitchen(on).await;
        let other = ada.makes_room("Attic").await;
        bob.joins(&other).await;
        let mut said = Vec::new();
        for n in 0..47 {
            said.push(ada.says(if n % 3 == 0 { &other } else { &room }, &format!("pebble {n}")).await);
        }
        said.reverse();
        for q in ["pebble", "from:ada"] {
            let (mut found, mut before) = (Vec::new(), None::<String>);
            loop {
                let more: Vec<(&str, &str)> = before.as_deref().map(|before| ("before", before)).into_iter().collect();
                let page = asks(&bob, q, &more).await.ok();
                let ids: Vec<String> = page["messages"].as_array().unwrap().iter().map(|hit| text(&hit["id"])).collect();
                assert!(ids.len() == 20 || page["more"].is_null(), "{q}: {}", ids.len());
                found.extend(ids);
                match page["more"].as_str() {
                    Some(more) => before = Some(more.to_owned()),
                    None => break,
                }
            }
            assert_eq!(found, said, "{q}");
        }
        assert_eq!(finds_in(&bob, "pebble", &[("room", &other)]).await.len(), 16);
        // Without script, page after page.
        let mut page = bob.get("/search?q=pebble").await;
        assert!(page.body.contains("The newest 20 messages"), "{}", page.body);
        let mut seen = 0;
        loop {
            seen += page.body.matches("class=\"hit\"").count();
            if !page.body.contains("data-column=\"more\"") {
                break;
            }
            let next = page.between("<a class=\"button\" href=\"/search?", "\"").replace("&#38;", "&").replace("&amp;", "&");
            page = bob.get(&format!("/search?{next}")).await;
        }
        assert_eq!(seen, 47);
    }

    /// Whatever is typed is answered, on the page and by the call; none of it is an operator of a database.
    async fn whatever_is_typed_is_answered(on: On) {
        let (_server, ada, _bob, room) = kitchen(on).await;
        let said = ada.says(&room, "near the OR and NOT a b:c d*e \"quoted\" it's 100% _under_").await;
        for q in [
            "NEAR(near the)", "near OR nothing", "a AND b", "NOT", "\"", "\"\"", "\"quoted", "quoted\"", "quo*", "*", "words:near", "b:c", "^near", "near + the",
            "it's", "'", "';--", "100%", "%", "_under_", "\\", "a & b | !c <-> d", "near:*", "(((", "{words}: near", "\u{202e}near", "near\u{ad}", "de\u{301}",
            "from:", "from:\"", "from:from:ada", "\"from:ada\"", "NULL", "$1", "near\n\tthe", "🎉", "ﷺ", "İ", "\u{fffd}", "near\0the", "\0", "𝔫𝔢𝔞𝔯", "\u{10ffff}",
        ] {
            let page = asks(&ada, q, &[]).await;
            assert!(page.status == 200 || (page.status == 422 && page.code() == "search_no_words"), "{q:?}: {} {}", page.status, page.body);
            let page = ada.get(&format!("/search?{}", encoded(&[("q", q)]))).await;
            assert_eq!(page.status, 200, "{q:?}: {}", page.body);
        }
        for q in ["near OR", "\"quoted", "quo", "b:c", "100%", "it's", "𝔫𝔢𝔞𝔯", "near\0the", "_under_"] {
            assert_eq!(finds(&ada, q).await, [said.as_str()], "{q:?}");
        }
        // As much as can be typed, in one part and in many.
        for q in ["的".repeat(QUERY_CHARS), "a ".repeat(QUERY_CHARS / 2), "\"a\"".repeat(QUERY_CHARS / 3), "\"".repeat(QUERY_CHARS), "🎉".repeat(QUERY_CHARS)] {
            let page = asks(&ada, &q, &[]).await;
            assert!(page.status == 200 || page.code() == "search_no_words", "{q}: {} {}", page.status, page.body);
        }
        let long = "x".repeat(QUERY_CHARS + 1);
        assert_eq!(asks(&ada, &long, &[]).await.code(), "search_too_long");
        assert!(ada.get(&format!("/search?q={long}")).await.body.contains("A search can be 200 characters long"));
        for before in ["", "1", "x.y", "1.2", "99999999999999999999.0"] {
            assert_eq!(asks(&ada, "near", &[("before", before)]).await.code(), "bad_page", "{before}");
        }
        for broken in ["/search?q=%ff%fe", "/search?q=%", "/api/search", "/api/search?q=%c3%28", "/search?q=a&q=b"] {
            let status = ada.get(broken).await.status;
            assert!(status < 500, "{broken}: {status}");
        }
        // What somebody wrote is text in the results too.
        ada.says(&room, "<script>alert('pwned')</script> & <b>bold</b>").await;
        let page = ada.get("/search?q=pwned+bold").await.body;
        assert!(page.contains("&lt;script&gt;alert") || page.contains("&#60;script&#62;alert"), "{page}");
        assert!(!page.contains("<script>alert") && page.contains("<mark>pwned</mark>"), "{page}");
    }

    /// Of anything that can be posted, every word is found and every piece of Chinese; and no question at all is an error.
    async fn any_word_of_any_text_finds_it(on: On) {
        let (_server, ada, _bob, room) = kitchen(on).await;
        let mut runner = TestRunner::deterministic();
        let texts = prop_oneof![
            "[a-zA-Zéüßœ0-9]{1,12}([ ,.!?'\"*_:-]{1,3}[a-zA-Zåøñ0-9]{1,12}){0,8}",
            "[\u{4e00}-\u{4e40}\u{3400}-\u{3420}\u{20000}-\u{20010}，。 a-c]{2,24}",
            "[\u{3041}-\u{3096}\u{30a1}-\u{30fa}\u{ac00}-\u{ac40}ｱ-ﾝﾞ ]{2,16}",
            "[а-яА-ЯёЁΑ-Ωα-ω\u{300}-\u{305} ]{2,20}",
            "\\PC{1,40}",
        ];
        for _ in 0..60 {
            let said = texts.new_tree(&mut runner).unwrap().current();
            if said.trim().is_empty() || said.trim_start().starts_with('/') {
                continue;
            }
            let id = ada.says(&room, &said).await;
            let cut_up = cut(&said);
            let words: Vec<&str> = cut_up.split(' ').filter(|word| !word.is_empty()).collect();
            for word in &words {
                assert!(finds(&ada, word).await.contains(&id), "{word:?} of {said:?}");
            }
            for run in words.windows(2).chain(words.windows(3)).step_by(3) {
                assert!(finds(&ada, &format!("\"{}\"", run.join(" "))).await.contains(&id), "{run:?} of {said:?}");
            }
            // A piece as it stands, from wherever to wherever, of what needs no spaces.
            let chars: Vec<char> = said.chars().collect();
            for piece in chars.windows(2).chain(chars.windows(4)).filter(|piece| piece.iter().all(|c| ('\u{3400}'..='\u{9fff}').contains(c))) {
                let piece: String = piece.iter().collect();
                assert!(finds(&ada, &piece).await.contains(&id), "{piece:?} of {said:?}");
            }
        }
        let questions = prop_oneof!["\\PC{0,30}", "[\"*:&|!<>()^'a \u{4e00}-]{0,20}", any::<String>()];
        for _ in 0..120 {
            let q = questions.new_tree(&mut runner).unwrap().current();
            let page = asks(&ada, &q, &[]).await;
            assert!(page.status == 200 || page.status == 422, "{q:?}: {} {}", page.status, page.body);
        }
    }

    /// Messages from before there was an index come into it by themselves, also when the server is killed meanwhile, each once.
    async fn older_messages_come_into_the_index(on: On) {
        let (server, ada, bob, room) = kitchen(on).await;
        let attic = ada.makes_room("Attic").await;
        bob.joins(&attic).await;
        let posts: Vec<_> = (0..260).map(|n| (if n % 4 == 0 { &attic } else { &room }, format!("marble {n}"))).collect();
        let mut gone = String::new();
        for chunk in posts.chunks(20) {
            let ids = futures_util::future::join_all(chunk.iter().map(|(room, words)| ada.says(room, words))).await;
            gone.clone_from(&ids[1]);
        }
        server.terminate().await;
        server.database.execute("DELETE FROM search_words").await;
        server.database.execute("DELETE FROM searchable").await;
        server.database.execute("UPDATE rooms SET to_index = head").await;
        server.restart().await;
        // While it goes on people write, change and delete.
        let new = ada.says(&room, "marble new").await;
        ada.deletes(&room, &gone).await;
        server.kill9().await;
        server.restart().await;
        eventually("all are in the index", async || {
            (server.database.number("SELECT COUNT(*) FROM rooms WHERE to_index > 0").await == 0).then_some(())
        })
        .await;
        assert_eq!(server.database.number("SELECT COUNT(*) FROM searchable").await, 260);
        assert_eq!(server.database.number("SELECT COUNT(*) FROM search_words").await, 260);
        let mut found = finds_in(&bob, "marble", &[("room", &attic)]).await;
        found.extend(finds_in(&bob, "\"marble 1\" ", &[]).await);
        assert!(found.len() == 21, "{}", found.len());
        assert_eq!(finds(&bob, "marble new").await, [new]);
        assert!(!finds(&bob, "marble").await.contains(&gone));
    }
}
