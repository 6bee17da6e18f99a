//! Who goes on before something has come, and who comes back: the history belongs to what is shown.

use serde_json::json;

use crate::stage::play;

#[tokio::test(flavor = "multi_thread")]
async fn whoever_goes_back_while_the_end_of_a_room_is_fetched_keeps_the_address() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let garden = stage.room(&person, "Garden").await;
        let kitchen = stage.room(&person, "Kitchen").await;
        let first = person.says(&kitchen.id, "Message 1").await;
        for n in 2..=130 {
            person.says(&kitchen.id, &format!("Message {n}")).await;
        }
        let ada = stage.in_room("Ada", &garden).await;
        let there = json!(format!("/rooms/{}?around={first}#m-{first}", kitchen.id));
        let visit = "const link = document.createElement('a'); link.href = arguments[0]; document.getElementById('main').append(link); link.click()";
        ada.does(visit, &[there]).await;
        ada.waits("an old place", "document.querySelector('chat-room')?.dataset.room === arguments[0] && document.documentElement.dataset.live === 'caught-up' && !!document.querySelector('.newer')", &[json!(kitchen.id)]).await;
        // The end of the one room and the page of the other are on their way for a while.
        let hold = "const ask = window.fetch; const gates = {}; window.wanted = {}; window.lets = (what) => gates[what](); \
             window.fetch = async (url, how) => { const what = url.includes('/messages?&limit') ? 'end' : url === arguments[0] ? 'page' : null; \
             if (what) { await new Promise((go) => { gates[what] = go; wanted[what] = true; }); } return ask(url, how); };";
        ada.does(hold, &[json!(format!("/rooms/{}", garden.id))]).await;
        ada.does("document.querySelector('.pill').click()", &[]).await;
        ada.waits("the end is wanted", "!!wanted.end", &[]).await;
        ada.does("history.back()", &[]).await;
        ada.waits("the page is wanted", "!!wanted.page && location.pathname === arguments[0]", &[json!(format!("/rooms/{}", garden.id))]).await;
        ada.does("lets('end')", &[]).await;
        ada.sees("Message 130").await;
        ada.does("lets('page')", &[]).await;
        ada.waits("the other room", "document.querySelector('chat-room')?.dataset.room === arguments[0]", &[json!(garden.id)]).await;
        assert_eq!(ada.asks("location.pathname", &[]).await, json!(format!("/rooms/{}", garden.id)));
    })
    .await;
}

/// What is fetched ahead has not been seen.
#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_is_fetched_ahead_is_not_read() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let kitchen = stage.room(&person, "Kitchen").await;
        let garden = stage.room(&person, "Garden").await;
        let bob = stage.person("Bob").await;
        bob.joins(&garden.id).await;
        bob.says(&garden.id, "Weeds").await;
        let ada = stage.in_room("Ada", &kitchen).await;
        let line = format!(".side-item[data-room=\"{}\"]", garden.id);
        ada.does("const ask = window.fetch; window.fetch = async (url, how) => { const answer = await ask(url, how); if (how?.headers?.purpose === 'prefetch') { await answer.clone().text(); window.ahead = url; } return answer; };", &[]).await;
        ada.points_at(&format!("{line} > a")).await;
        ada.waits("it is fetched ahead", "window.ahead === arguments[0]", &[json!(format!("/rooms/{}", garden.id))]).await;
        // What comes after that says how it stands.
        bob.says(&garden.id, "More weeds").await;
        ada.waits("both are unread", "document.querySelector(arguments[0]).dataset.unread === '2'", &[json!(line)]).await;
        ada.does("document.querySelector(arguments[0]).click()", &[json!(format!("{line} > a"))]).await;
        ada.sees("More weeds").await;
        ada.waits("they are read", "!document.querySelector(arguments[0]).dataset.unread", &[json!(line)]).await;
    })
    .await;
}
