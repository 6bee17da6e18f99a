//! The third column of a room, whatever it shows: one at a time, in place, with a way back, and never in the way of a link.

use serde_json::json;

use crate::stage::play;
use crate::tab::Key;

const OPEN: &str =
    "document.querySelector('.column').matches('[data-open]') && !!document.querySelector('.column > [data-column-part=members]')";
const CLOSED: &str = "!document.querySelector('.column').matches('[data-open], :popover-open') && document.querySelector('.column').childElementCount === 0 \
                      && !document.querySelector('.room').matches('[data-three]')";

#[tokio::test(flavor = "multi_thread")]
async fn it_opens_changes_in_place_and_closes() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        let ada = stage.in_room("Ada", &room).await;
        ada.is_caught_up().await;
        let expanded = "document.querySelector('.room-who').getAttribute('aria-expanded')";
        assert_eq!(ada.asks(expanded, &[]).await, "false");
        ada.clicks_on(".room-who").await;
        ada.waits(
            "open, with the focus on its heading",
            &format!("{OPEN} && document.activeElement.matches('.column h2') && {expanded} === 'true'"),
            &[],
        )
        .await;
        assert_eq!(ada.asks("document.querySelector('.column').getAttribute('aria-label')", &[]).await, "Members");
        // Who comes is there at once, and the focus stays where it is.
        ada.does("document.querySelector('.column p > a').focus()", &[]).await;
        stage.person("Bob").await.joins(&room.id).await;
        ada.waits("Bob", "document.querySelector('.column').innerText.includes('Bob')", &[]).await;
        assert_eq!(ada.asks("document.activeElement.matches('.column p > a')", &[]).await, true);
        // By its own button, by Escape, and by what opened it; the focus goes back there.
        ada.clicks_on(".column [data-close]").await;
        ada.waits("closed", &format!("{CLOSED} && {expanded} === 'false' && document.activeElement.matches('.room-who')"), &[]).await;
        ada.presses(Key::Enter).await;
        ada.waits("open", OPEN, &[]).await;
        ada.presses(Key::Escape).await;
        ada.waits("closed", &format!("{CLOSED} && document.activeElement.matches('.room-who')"), &[]).await;
        ada.presses(Key::Space).await;
        ada.waits("open", OPEN, &[]).await;
        ada.clicks_on(".room-who").await;
        ada.waits("closed", CLOSED, &[]).await;
        // Escape in the composer closes it too, before it says that all is read.
        ada.clicks_on(".room-who").await;
        ada.waits("open", OPEN, &[]).await;
        ada.does("document.querySelector('#text').focus()", &[]).await;
        ada.presses(Key::Escape).await;
        ada.waits("closed, and one goes on writing", &format!("{CLOSED} && document.activeElement.id === 'text'"), &[]).await;
        // A window that becomes narrow has no third column.
        ada.clicks_on(".room-who").await;
        ada.waits("open", OPEN, &[]).await;
        ada.becomes_a_phone().await;
        ada.waits("closed", CLOSED, &[]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_cannot_show_is_gone_to() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        let ada = stage.in_room("Ada", &room).await;
        ada.is_caught_up().await;
        ada.browser.forgive(&["404"]);
        // A page without a part for it, and one that is not there.
        for path in ["/account", "/rooms/nowhere"] {
            ada.does("document.querySelector('.room-who').href = arguments[0]", &[json!(path)]).await;
            ada.clicks_on(".room-who").await;
            ada.is_at(path).await;
            ada.opens(&room.id).await;
        }
        // Who holds a key wants what the browser does then: here a window of its own.
        let kept = "(() => { let prevented; addEventListener('click', (event) => { prevented = event.defaultPrevented; event.preventDefault(); }, { once: true }); \
                    document.querySelector('.room-who').dispatchEvent(new MouseEvent('click', { bubbles: true, cancelable: true, ctrlKey: true })); return prevented; })()";
        assert_eq!(ada.asks(kept, &[]).await, false);
        assert_eq!(ada.asks(CLOSED, &[]).await, true);
    })
    .await;
}
