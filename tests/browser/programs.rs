//! What a program in a page can do: the check of streaming, and a plain `EventSource` on a room.

use serde_json::{Value, json};

use crate::stage::{play, script};

#[tokio::test(flavor = "multi_thread")]
async fn the_check_of_streaming_shows_numbers_one_by_one() {
    play(async |stage| {
        let anybody = stage.browser("anybody").await;
        anybody.goes("/web/stream-chat?n=6&every_ms=400").await;
        let count = "document.querySelectorAll('stream-chat .events li').length";
        anybody.waits("the first", &format!("{count} >= 1"), &[]).await;
        assert!(anybody.asks(count, &[]).await.as_i64() < Some(6), "they come one by one");
        anybody.reads("All 6 came, one by one").await;
        let shown = anybody.asks("[...document.querySelectorAll('stream-chat .events li')].map((item) => item.textContent)", &[]).await;
        assert_eq!(shown, json!(["1", "2", "3", "4", "5", "6"]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_event_source_gets_every_message() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room_with_echo(&person, "Kitchen").await;
        let ada = stage.signed_in("Ada").await;
        let listen = "window.got = []; window.source = new EventSource(`/rooms/${arguments[0]}/live`); source.onmessage = (event) => got.push(JSON.parse(event.data));";
        ada.does(listen, &[json!(room.id)]).await;
        ada.waits("it is open", "source.readyState === EventSource.OPEN", &[]).await;
        let question = person.says(&room.id, &script(&["say Hello **you**", "wait go", "say !"])).await;
        ada.waits("the reply begins", "got.some((m) => m.kind === 'assistant' && m.state === 'streaming')", &[]).await;
        stage.open("go");
        let finished = ada.waits("the reply", "got.find((m) => m.kind === 'assistant' && m.state === 'complete')", &[]).await;
        assert_eq!(finished["text"], "Hello **you**!");
        assert_eq!(finished["asked_by"]["name"], "Ada");
        let posted = ada.asks("got.find((m) => m.id === arguments[0])", &[json!(question)]).await;
        assert_eq!(posted["state"], "complete");
        assert!(posted["text"].as_str().is_some_and(|text| text.starts_with("Please")));

        person.edits(&room.id, &question, "Never mind").await;
        let edited = ada.waits("the edit", "got.find((m) => m.text === 'Never mind')", &[]).await;
        assert_eq!(edited["id"], json!(question));
        let empty = ada.asks("got.filter((m) => !m.id || !m.state)", &[]).await;
        assert_eq!(empty, Value::Array(Vec::new()), "nothing but messages comes to onmessage");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_complains_is_heard() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        let ada = stage.in_room("Ada", &room).await;
        assert_eq!(ada.browser.complaints().await, Vec::<String>::new());
        // Markup as text is refused wherever it is slipped in, and so is what another site would serve; errors of scripts are not swallowed.
        let slip = "try { document.body.insertAdjacentHTML('beforeend', '<b>slipped</b>') } catch {} \
             document.body.setAttribute('style', 'color: red'); \
             const image = new Image(); image.src = 'https://example.org/pixel.png'; setTimeout(() => { throw new Error('on purpose') });";
        ada.does(slip, &[]).await;
        let mut heard = Vec::new();
        ada.waits("the timer", "new Promise((done) => setTimeout(() => done(true), 50))", &[]).await;
        for _ in 0..100 {
            heard.extend(ada.browser.complaints().await);
            if heard.len() >= 4 {
                break;
            }
        }
        for word in ["TrustedHTML", "style-src", "img-src", "on purpose"] {
            assert!(heard.iter().any(|line| line.contains(word)), "{word} in {heard:#?}");
        }
        assert_eq!(
            ada.asks("document.body.lastElementChild.localName !== 'b' && getComputedStyle(document.body).color !== 'rgb(255, 0, 0)'", &[])
                .await,
            true
        );
    })
    .await;
}
