//! Code in messages: rendered once, and the same for whoever asks, in either database.

use reqwest::Method;

use crate::support::person::{message_path, text};
use crate::support::{On, Server, on_both, script};

const BLOCK: &str = concat!(
    "<figure class=\"code named\"><figcaption><span class=\"language\">Rust</span></figcaption>",
    "<input type=\"checkbox\" class=\"fold\" aria-labelledby=\"word-unfold\"><pre tabindex=\"0\"><code class=\"language-rust\"><span><span class=\"c\">/* a</span>\n</span><span><span class=\"c\">b */ </span>",
    "<span class=\"k\">let </span>c = <span class=\"s\">'&lt;'</span>;\n</span></code></pre></figure>",
);

on_both! {
    async fn code_of_people_and_models_is_served_as_it_is_stored(on: On) {
        let server = Server::start(on).await;
        let ada = server.first("Ada").await;
        let room = ada.makes_room("Kitchen").await;
        let code = "```rs\n/* a\nb */ let c = '<';\n```";
        let posted = ada.says(&room, code).await;
        server.assistant("echo", &room, "always").await;
        let mut tab = ada.live_as(&room, "html").await;
        let question = ada.says(&room, &script(&[r#"say "```rs\n/* a\nb *""#, r#"say "/ let c = '<';\n```""#])).await;
        let reply = tab.sees_reply_to(&question).await;
        tab.sees_state(&reply, "complete").await;
        for id in [&posted, &reply] {
            let message = ada.call(Method::GET, &format!("{}?view=html", message_path(&room, id)), None).await.ok();
            assert!(text(&message["html"]).contains(BLOCK), "{message}");
        }
        let page = ada.get(&format!("/rooms/{room}")).await.body;
        assert_eq!(page.matches(BLOCK).count(), 2, "{page}");
        assert_eq!(page.matches("id=\"word-unfold\"").count(), 1, "the name that the boxes refer to");
    }
}
