//! Installed, and without a network: what the browser keeps, what it shows when the server cannot be reached, and what it never keeps.

use serde_json::json;

use crate::stage::{PASSWORD, play};
use crate::tab::Tab;

/// What a browser says of a network that is not there.
const NO_NETWORK: &str = "net::ERR_";
/// Every entry of every cache: its address and what is in it.
const KEPT: &str = "(async () => { const all = []; for (const name of await caches.keys()) { const cache = await caches.open(name); \
     for (const asked of await cache.keys()) all.push([name, new URL(asked.url).pathname, await (await cache.match(asked)).text()]); } return all; })()";

impl Tab {
    /// Waits until this page's worker answers for it.
    async fn is_kept(&self) {
        self.waits("the worker", "navigator.serviceWorker.controller?.state === 'activated'", &[]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_network_our_own_page_says_so_and_goes_when_it_is_back() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let (kitchen, garden) = (stage.room(&person, "Kitchen").await, stage.room(&person, "Garden").await);
        person.says(&kitchen.id, "A word in the kitchen").await;
        let ada = stage.in_room_by_cable("Ada", &kitchen).await;
        ada.is_kept().await;
        ada.browser.forgive(&[NO_NETWORK, "Failed to load resource"]);

        ada.cable().cut().await;
        ada.reloads().await;
        ada.reads("The server cannot be reached").await;
        ada.is_at(&format!("/rooms/{}", kitchen.id)).await;
        // It looks like ours, from what was kept.
        ada.waits("the style", "getComputedStyle(document.querySelector('.card')).borderTopStyle === 'solid'", &[]).await;
        let says_nothing =
            "!document.documentElement.outerHTML.includes('A word in the kitchen') && !document.body.innerText.includes('Ada')";
        ada.waits("nothing of anybody's", says_nothing, &[]).await;
        // Whoever is impatient may ask, and gets the same answer.
        ada.does("window.stale = true", &[]).await;
        ada.clicks("Try again").await;
        ada.waits(
            "the same page anew",
            "!window.stale && document.querySelector('h1')?.textContent === 'The server cannot be reached'",
            &[],
        )
        .await;
        // A page where one has never been.
        ada.goes(&format!("/rooms/{}", garden.id)).await;
        ada.reads("The server cannot be reached").await;
        ada.is_at(&format!("/rooms/{}", garden.id)).await;

        ada.cable().mend().await;
        ada.is_caught_up().await;
        ada.waits("the garden", "document.querySelector('h1').textContent.includes('Garden')", &[]).await;
        ada.opens(&kitchen.id).await;
        ada.sees("A word in the kitchen").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_anybodys_is_kept() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room_with_echo(&person, "Kitchen").await;
        let ada = stage.browser("Ada").await;
        ada.signs_in("Ada", PASSWORD).await;
        ada.goes("/account").await;
        ada.is_kept().await;
        // Everything below is done while the worker stands between page and network.
        ada.opens(&room.id).await;
        ada.types_and_sends("The secret of the soup").await;
        let question = ada.finds("The secret of the soup").await;
        ada.waits(
            "the answer",
            "document.querySelector('.message[data-kind=assistant][data-state=complete]')?.textContent.includes('The secret')",
            &[],
        )
        .await;
        ada.goes(&format!("/rooms/{}/messages/{}", room.id, question.id)).await;
        ada.reads("The secret of the soup").await;
        ada.goes("/people").await;
        ada.reads("Ada").await;

        let kept = ada.asks(KEPT, &[]).await;
        let kept: Vec<_> = kept.as_array().unwrap().iter().map(|entry| [0, 1, 2].map(|part| entry[part].as_str().unwrap())).collect();
        for wanted in ["/css/all.css", "/js/room.js", "/offline"] {
            assert!(kept.iter().any(|[_, path, _]| path.ends_with(wanted)), "{wanted} is kept: {kept:?}");
        }
        for [name, path, text] in kept {
            assert!(path.starts_with("/assets/") || path == "/offline", "{name} keeps {path}");
            for private in ["The secret of the soup", "Kitchen", room.id.as_str(), person.id.as_str()] {
                assert!(!text.contains(private), "{path} holds {private}");
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_worker_takes_the_old_ones_place_and_leaves_nothing() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        let ada = stage.in_room_by_cable("Ada", &room).await;
        ada.is_kept().await;
        // What a build of long ago has left.
        ada.asks("caches.open('parlor 000000000000 ?lang=en').then((cache) => cache.put('/assets/000000000000/css/all.css', new Response('old'))).then(() => true)", &[]).await;
        let before = ada.asks("caches.keys()", &[]).await;
        assert_eq!(before.as_array().unwrap().len(), 2, "{before}");

        // Another language has another worker, as another build does.
        ada.asks("fetch('/look', { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: 'lang=zh-Hans&next=/' }).then(() => true)", &[]).await;
        ada.opens(&room.id).await;
        ada.waits("the new worker", "navigator.serviceWorker.controller?.scriptURL.endsWith('?lang=zh-Hans') && navigator.serviceWorker.controller.state === 'activated'", &[]).await;
        ada.waits("one cache", "caches.keys().then((names) => names.length === 1 && names[0].endsWith('?lang=zh-Hans'))", &[]).await;
        let stale = "(async () => { const [name] = await caches.keys(); const build = name.split(' ')[1]; const cache = await caches.open(name); \
             return (await cache.keys()).map(({ url }) => new URL(url).pathname).filter((path) => path !== '/offline' && !path.startsWith(`/assets/${build}/`)); })()";
        assert_eq!(ada.asks(stale, &[]).await, json!([]));

        ada.browser.forgive(&[NO_NETWORK, "Failed to load resource"]);
        ada.cable().cut().await;
        ada.reloads().await;
        ada.reads("无法连接到服务器").await;
        ada.cable().mend().await;
        ada.is_caught_up().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_browsers_have_no_workers_nothing_is_missed() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        let ada = stage.browser("Ada").await;
        // As over plain http to another machine.
        ada.begins_with("delete Navigator.prototype.serviceWorker;").await;
        ada.signs_in("Ada", PASSWORD).await;
        ada.opens(&room.id).await;
        ada.types_and_sends("Hello").await;
        ada.sees("Hello").await;
        assert_eq!(ada.asks("'serviceWorker' in navigator", &[]).await, json!(false));
        assert_eq!(ada.asks("caches.keys()", &[]).await, json!([]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_can_be_installed_and_its_icons_are_one_drawing() {
    play(async |stage| {
        stage.first("Ada").await;
        let ada = stage.browser("Ada").await;
        ada.goes("/sign-in").await;
        let manifest = ada.browser.devtools(&ada.window, "Page.getAppManifest", json!({})).await;
        assert_eq!(manifest["errors"], json!([]));
        assert!(manifest["url"].as_str().unwrap().contains("/manifest.webmanifest?lang=en"), "{manifest}");
        let problems = ada.browser.devtools(&ada.window, "Page.getInstallabilityErrors", json!({})).await;
        assert_eq!(problems["installabilityErrors"], json!([]));

        // The picture drawn by code beside the one that browsers draw: how far they are apart, of 255.
        let apart = "(async () => { const draw = async (src) => { const image = new Image(192, 192); image.src = src; await image.decode(); \
             const canvas = new OffscreenCanvas(192, 192).getContext('2d'); canvas.drawImage(image, 0, 0, 192, 192); return canvas.getImageData(0, 0, 192, 192).data; }; \
             const [ours, theirs] = await Promise.all([draw('/icons/parlor-192.png'), draw(document.querySelector('link[rel=icon]').href)]); \
             let sum = 0; for (let i = 0; i < ours.length; i++) sum += Math.abs(ours[i] - theirs[i]); return sum / ours.length; })()";
        let apart = ada.asks(apart, &[]).await.as_f64().unwrap();
        assert!(apart < 4.0, "{apart}");
        println!("the icons are {apart:.2} of 255 apart");
    })
    .await;
}
