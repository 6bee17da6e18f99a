//! The usage page: what was said is counted where it was said, for who may see it, in pictures that have the same numbers behind them.

use crate::support::person::Page;
use crate::support::{On, Options, Person, kitchen, kitchen_that_answers, on_both, script};

const DAY: i64 = 86_400_000;

async fn usage(person: &Person, query: &str) -> String {
    let page: Page = person.get(&format!("/usage{query}")).await;
    assert_eq!(page.status, 200, "{}", page.body);
    page.body
}

/// The cells of the table behind a picture, without markup.
fn table(page: &str, picture: &str) -> Vec<Vec<String>> {
    let (_, section) = page.split_once(&format!("aria-labelledby=\"{picture}\"")).unwrap_or_else(|| panic!("no {picture} in {page}"));
    let (table, _) = section.split_once("</table>").unwrap();
    let rows = table.split("<tr>").skip(1);
    let text = |cell: &str| cell.split_once('>').unwrap().1.split('<').next().unwrap().to_owned();
    rows.map(|row| row.split("<t").skip(1).filter(|cell| cell.starts_with('d') || cell.starts_with('h')).map(text).collect()).collect()
}

on_both! {
    async fn a_day_with_nothing_and_a_day_with_something(on: On) {
        let (server, ada, _, _) = kitchen(on).await;
        let page = usage(&ada, "").await;
        assert!(page.contains("Nothing was said in these days.") && !page.contains("<svg role=\"img\""));
        let (server_two, ada, bob, room) = kitchen_that_answers(on, Options::default()).await;
        let mut tab = bob.live(&room).await;
        for words in ["one two three", "four five"] {
            let question = ada.says(&room, &script(&[&format!("say \"{words}\""), "usage 120 30"])).await;
            let reply = tab.sees_reply_to(&question).await;
            tab.sees_state(&reply, "complete").await;
        }
        let failed = bob.says(&room, &script(&["error 503 \"on fire\""])).await;
        let failed = tab.sees_reply_to(&failed).await;
        tab.sees_state(&failed, "failed").await;
        let page = usage(&bob, "?days=7").await;
        let messages = table(&page, "messages");
        assert_eq!(messages[0][1..], ["by people", "by assistants"]);
        assert_eq!(messages[1][1..], ["3", "3"], "today stands first: {messages:?}");
        assert_eq!(messages.len(), 8);
        assert!(messages[2..].iter().all(|day| day[1..] == ["0", "0"]), "{messages:?}");
        assert_eq!(table(&page, "tokens")[1][1], "240 read, 60 written");
        assert_eq!(table(&page, "ends"), [vec!["Assistant", "finished", "stopped", "interrupted", "failed"], vec!["Echo", "2", "0", "0", "1"]]);
        assert!(page.contains("aria-label=\"3 by people and 3 by assistants. Most on "), "the picture says what it shows");
        assert!(page.contains("66% finished"));
        assert!(!page.contains(" style="));
        // Ninety days have as many rows; what cannot be read is the usual.
        assert_eq!(table(&usage(&bob, "?days=90").await, "messages").len(), 91);
        for query in ["", "?days=31", "?days=x", "?of=mine"] {
            assert_eq!(table(&usage(&bob, query).await, "messages").len(), 31, "{query}");
        }
        // A deleted reply takes its numbers with it.
        ada.deletes(&room, &failed).await;
        assert_eq!(table(&usage(&bob, "").await, "ends")[1], ["Echo", "2", "0", "0", "0"]);
        let zh = bob.clone().with_header("accept-language", "zh");
        let page = usage(&zh, "").await;
        assert!(page.contains("每天的消息") && page.contains("读入 240，写出 60"), "{page}");
        server.database.holds().await;
        server_two.database.holds().await;
    }

    async fn everyone_sees_their_rooms_and_an_administrator_may_see_all(on: On) {
        let (server, ada, bob, room) = kitchen(on).await;
        let eve = server.person("Eve").await;
        let hers = eve.makes_private_room("Diary").await;
        server.assistant("Echo", &room, "always").await;
        server.assistant("Muse", &hers, "always").await;
        let (mut his, mut tab) = (bob.live(&room).await, eve.live(&hers).await);
        let question = bob.says(&room, &script(&["say hello", "usage 10 5"])).await;
        let reply = his.sees_reply_to(&question).await;
        his.sees_state(&reply, "complete").await;
        for _ in 0..4 {
            let question = eve.says(&hers, &script(&["say secret", "usage 1000 500"])).await;
            let reply = tab.sees_reply_to(&question).await;
            tab.sees_state(&reply, "complete").await;
        }
        let today = |page: &str| table(page, "messages")[1][1..].to_vec();
        assert_eq!(today(&usage(&bob, "").await), ["1", "1"]);
        assert_eq!(today(&usage(&ada, "").await), ["1", "1"], "an administrator sees their own rooms first");
        let page = usage(&eve, "").await;
        assert_eq!(today(&page), ["4", "4"]);
        assert!(page.contains("Muse") && !page.contains("Echo"));
        let all = usage(&ada, "?of=all").await;
        assert_eq!(today(&all), ["5", "5"]);
        assert!(all.contains("Muse") && all.contains("Echo") && !all.contains("Diary") && !all.contains("secret"), "numbers, and nothing else");
        for person in [&bob, &eve] {
            assert_eq!(person.get("/usage?of=all").await.status, 403, "{}", person.name);
            assert!(!usage(person, "").await.contains("of=all"), "nor is it offered");
        }
        // Who leaves does not count what was said there any more.
        bob.leaves(&room).await;
        assert!(usage(&bob, "").await.contains("Nothing was said in these days."));
        assert_eq!(Person::stranger(&server.url).get("/usage").await.status, 303);
        server.database.holds().await;
    }

    async fn days_are_counted_where_they_were(on: On) {
        let (server, ada, bob, room) = kitchen_that_answers(on, Options::default()).await;
        let mut tab = bob.live(&room).await;
        let mut replies = Vec::new();
        for _ in 0..4 {
            let question = ada.says(&room, &script(&["say hello", "usage 100 50"])).await;
            let reply = tab.sees_reply_to(&question).await;
            tab.sees_state(&reply, "complete").await;
            replies.push((question, reply));
        }
        // As if they had been said so many days ago.
        for ((question, reply), days) in replies.iter().zip([1, 6, 7, 89]) {
            let earlier = days * DAY;
            server.database.execute(&format!("UPDATE messages SET created_at = created_at - {earlier} WHERE id IN ('{question}', '{reply}')")).await;
            server.database.execute(&format!("UPDATE attempts SET asked_at = asked_at - {earlier} WHERE message_id = '{reply}'")).await;
        }
        let counted = |page: &str| -> Vec<usize> {
            table(page, "messages")[1..].iter().enumerate().filter(|(_, day)| day[1..] == ["1", "1"]).map(|(place, _)| place).collect()
        };
        assert_eq!(counted(&usage(&ada, "?days=7").await), [1, 6]);
        assert_eq!(counted(&usage(&ada, "?days=30").await), [1, 6, 7]);
        assert_eq!(counted(&usage(&ada, "?days=90").await), [1, 6, 7, 89]);
        for query in ["?days=7", "?days=7&of=all"] {
            let tokens = table(&usage(&ada, query).await, "tokens");
            let used: Vec<usize> = tokens[1..].iter().enumerate().filter(|(_, day)| day[1] == "100 read, 50 written").map(|(place, _)| place).collect();
            assert_eq!(used, [1, 6], "{query}");
        }
        server.database.holds().await;
    }
}
