//! Streams: what every tab hears, in which order, and what it hears no more (docs/live-protocol.md §4 to §7).

use serde_json::json;

use crate::support::{On, Server, on_both};

on_both! {
    async fn a_post_is_seen_by_others_at_once(on: On) {
        let server = Server::start(on).await;
        let ada = server.first("Ada").await;
        let bob = server.person("Bob").await;
        let room = ada.makes_room("Kitchen").await;
        bob.joins(&room).await;
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
}
