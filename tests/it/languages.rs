//! In the reader's language: by what the browser asks for or by choice, in pages, errors and frames.

use reqwest::Method;
use serde_json::json;

use crate::support::{On, Person, Server, on_both};

on_both! {
    async fn everybody_reads_their_own_language(on: On) {
        let server = Server::start(on).await;
        let ada = server.first("Ada").await;
        let room = ada.makes_room("Kitchen").await;
        let li = server.person("Li").await;
        li.joins(&room).await;
        let page = |path: String| li.request(Method::GET, &path).header("accept-language", "zh-CN,zh;q=0.9,en;q=0.8");

        let id = ada.says(&room, "Hello").await;
        ada.deletes(&room, &id).await;
        let chinese = li.send(page(format!("/rooms/{room}"))).await;
        assert!(chinese.body.contains("<html lang=\"zh-Hans\"") && chinese.body.contains("这条消息已删除。"), "{}", chinese.body);
        assert!(ada.get(&format!("/rooms/{room}")).await.body.contains("This message was deleted."));

        // A choice goes before what the browser asks for, and goes back to where it was made.
        let form = li.request(Method::POST, "/look").header("accept-language", "zh").header("referer", format!("{}/rooms?x=1", server.url));
        let chosen = li.send(form.header("content-type", "application/x-www-form-urlencoded").body("lang=en&theme=dark")).await;
        assert_eq!((chosen.status, chosen.header("location")), (303, "/rooms?x=1"));
        let english = li.send(page("/rooms".to_owned())).await;
        assert!(english.body.contains("<html lang=\"en\"") && english.body.contains(" data-theme=\"dark\"") && english.body.contains("Your rooms"), "{}", english.body);
        for evil in ["https://evil.example/", "//evil.example", "/\\evil.example"] {
            let answer = li.post("/look", &[("lang", "zh-Hans"), ("next", evil)]).await;
            assert_eq!((answer.status, answer.header("location")), (303, "/"), "{evil}");
        }
        // What it does not know is no choice: what the browser asks for holds again.
        li.post("/look", &[("lang", "tlh"), ("theme", "pink")]).await;
        let asked = li.send(page("/rooms".to_owned())).await;
        assert!(asked.body.contains("<html lang=\"zh-Hans\"") && !asked.body.contains(" data-theme="), "{}", asked.body);

        // Errors, in forms and in JSON; the code is for programs and stays.
        let refused = li.send(li.request(Method::POST, "/rooms").header("accept-language", "zh").header("content-type", "application/x-www-form-urlencoded").body("name=+")).await;
        assert!(refused.body.contains("是空的：至少写一个字符。"), "{}", refused.body);
        let path = format!("/api/rooms/{room}/messages");
        let refused = li.send(li.request(Method::POST, &path).header("accept-language", "zh").json(&json!({ "text": " " }))).await;
        assert_eq!((refused.status, refused.code().as_str()), (422, "empty"));
        assert_eq!(refused.json()["error"]["message"], "消息是空的：请先写点什么。");
        assert_eq!(
            li.call(Method::POST, &path, Some(json!({ "text": " " }))).await.json()["error"]["message"],
            "The message is empty: write something first."
        );
        let nothing = li.send(li.request(Method::GET, "/rooms/nowhere").header("accept-language", "zh")).await;
        assert!(nothing.status == 404 && nothing.body.contains("这里什么都没有"), "{}", nothing.body);
    }

    async fn frames_speak_the_language_that_they_are_asked_for(on: On) {
        let server = Server::start(on).await;
        let ada = server.first("Ada").await;
        let room = ada.makes_room("Kitchen").await;
        let cursor = ada.cursor(&room).await;
        let mut english = ada.stream(&format!("/live?at={cursor}&view=html&lang=en")).await;
        let mut chinese = ada.stream(&format!("/live?at={cursor}&view=html&lang=zh-Hans")).await;
        let id = ada.says(&room, "Hello").await;
        ada.deletes(&room, &id).await;
        for (stream, words, others) in [(&mut english, "This message was deleted.", "这条"), (&mut chinese, "这条消息已删除。", "This message")]
        {
            let row = stream.sees_state(&id, "deleted").await;
            assert!(row.html().contains(words) && !row.html().contains(others), "{}", row.html());
        }
        // The same words as in a page.
        let list = |lang: &str| format!("/api/rooms/{room}/messages?view=html&lang={lang}");
        for (lang, stream) in [("en", &english), ("zh-Hans", &chinese)] {
            let page = ada.call(Method::GET, &list(lang), None).await.json();
            assert_eq!(page["messages"][0]["html"], json!(stream.rows[&id].html()), "{lang}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_signed_in_reads_theirs_too() {
    let server = Server::start(On::Sqlite).await;
    server.first("Ada").await;
    let stranger = Person::stranger(&server.url);
    let page = stranger.send(stranger.request(Method::GET, "/sign-in").header("accept-language", "zh-TW")).await;
    assert!(page.body.contains("<html lang=\"zh-Hans\"") && page.body.contains("登录"), "{}", page.body);
    let page = stranger.get("/sign-in").await;
    assert!(page.body.contains("<html lang=\"en\"") && page.body.contains("name=\"lang\" value=\"zh-Hans\""), "{}", page.body);
}
