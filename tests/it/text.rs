//! What the words of a message become: links to rooms, formulas, emoji, and the fold of long ones. The markup itself is tested where it is
//! made; here it is what the store, the pages and the streams say of it.

use crate::support::{On, Person, Server, on_both, script};

/// The message's markup on the room's page.
async fn markup(person: &Person, room: &str, id: &str) -> String {
    let page = person.get(&format!("/rooms/{room}")).await;
    let (_, from) = page.body.split_once(&format!("id=\"m-{id}\"")).expect("the message is on the page");
    from.split_once("</article>").expect("a message ends").0.to_owned()
}

fn link(room: &str, words: &str) -> String {
    format!("<a class=\"room-link\" href=\"/rooms/{room}\">{words}</a>")
}

on_both! {
    async fn a_room_is_linked_to_by_its_name(on: On) {
        let server = Server::start(on).await;
        let ada = server.first("Ada").await;
        let bob = server.person("Bob").await;
        let kitchen = ada.makes_room("Kitchen").await;
        let talk = ada.makes_room("Kitchen talk").await;
        let secret = ada.makes_private_room("密室").await;
        bob.joins(&kitchen).await;

        // Ada knows her own private room; the longest name counts; full-width signs are signs.
        let hers = ada.says(&kitchen, "See #kitchen, #Kitchen Talk and ＃密室！ Not #Kitchens, `#Kitchen` or #Nowhere.\n\n# Kitchen").await;
        let seen = markup(&bob, &kitchen, &hers).await;
        for link in [link(&kitchen, "#kitchen"), link(&talk, "#Kitchen Talk"), link(&secret, "＃密室")] {
            assert!(seen.contains(&link), "{link} in {seen}");
        }
        assert_eq!(seen.matches("class=\"room-link\"").count(), 3, "{seen}");
        assert_eq!(ada.get(&format!("/rooms/{talk}")).await.status, 200);

        // Bob does not: to him the name is a word. He need not be in an open room to point to it.
        let his = bob.says(&kitchen, "#密室 or #Kitchen talk").await;
        let seen = markup(&ada, &kitchen, &his).await;
        assert!(!seen.contains(&secret) && seen.contains(&link(&talk, "#Kitchen talk")), "{seen}");
        bob.edits(&kitchen, &his, "#Kitchen").await;
        assert!(markup(&ada, &kitchen, &his).await.contains(&link(&kitchen, "#Kitchen")));
    }

    async fn a_reply_links_to_what_everyone_may_find(on: On) {
        let server = Server::start(on).await;
        let ada = server.first("Ada").await;
        let kitchen = ada.makes_room("Kitchen").await;
        let secret = ada.makes_private_room("Secret").await;
        server.assistant("Echo", &kitchen, "always").await;
        let mut tab = ada.live(&kitchen).await;
        let question = ada.says(&kitchen, &script(&["say \"Go to #Kitchen, not #Secret: \"", "say \"$x^2$ :tada:\""])).await;
        let reply = tab.sees_reply_to(&question).await;
        tab.sees_state(&reply, "complete").await;
        let seen = markup(&ada, &kitchen, &reply).await;
        assert!(seen.contains(&link(&kitchen, "#Kitchen")) && !seen.contains(&secret), "{seen}");
        assert!(seen.contains("<msup><mi>x</mi><mn>2</mn></msup>") && seen.contains('🎉'), "{seen}");
    }

    async fn a_long_message_of_a_person_folds(on: On) {
        let server = Server::start(on).await;
        let ada = server.first("Ada").await;
        let room = ada.makes_room("Kitchen").await;
        let short = ada.says(&room, &"line\n".repeat(39)).await;
        let lines = ada.says(&room, &format!("{}last", "line\n".repeat(40))).await;
        let letters = ada.says(&room, &"字".repeat(4001)).await;
        for (id, folds) in [(&short, false), (&lines, true), (&letters, true)] {
            let seen = markup(&ada, &room, id).await;
            assert_eq!(seen.contains("<label class=\"unclamp\"><input type=\"checkbox\">"), folds, "{seen}");
        }
        assert!(markup(&ada, &room, &letters).await.contains("<p lang=\"zh\">"));
    }
}
