//! What must differ between the two databases, and nothing else: the index of words and the question to it.
//!
//! SQLite has FTS5, which keeps words with their order and gives rows in the order of their numbers, so that the newest come without looking at
//! all. Postgres has an inverted index of the words; whether they follow each other is seen in the words themselves. What a word is both are
//! told (`domain::search`), and both find the same.

use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;

use super::decode::to_json;
use super::search::{HitRow, News, Wanted};
use super::{Conn, Db, StoreError};
use crate::domain::id::MessageId;
use crate::domain::search::Phrase;

/// A hit's columns; `$1` is the reader, in whose rooms alone anything is found, `$2` a room or NULL, `$3` an author or NULL, `$4` and `$5`
/// place and message before which is looked, `$6` how many.
macro_rules! select_hits {
    ($from:literal, $words:literal, $order:literal) => {
        concat!(
            "SELECT m.id, m.room_id, s.place, m.author_id, m.author_kind, COALESCE(p.name, a.name) AS author_name, m.text, m.created_at
               FROM ",
            $from,
            " CROSS JOIN messages m
               LEFT JOIN people     p ON m.author_kind = 'person'    AND p.id = m.author_id
               LEFT JOIN assistants a ON m.author_kind = 'assistant' AND a.id = m.author_id
              WHERE m.id = s.message_id
                AND s.room_id IN (SELECT room_id FROM members WHERE person_id = $1)
                AND ($2 IS NULL OR s.room_id = $2) AND ($3 IS NULL OR s.author_id = $3)
                AND s.place <= $4 AND (s.place < $4 OR s.message_id < $5)",
            $words,
            " ORDER BY ",
            $order,
            " LIMIT $6"
        )
    };
}

/// The place of the message `m` after those of its millisecond: there is room for 4096. On SQLite no two have one place, since it is written to
/// by one alone.
macro_rules! next_place {
    () => {
        "COALESCE((SELECT MAX(s.place) + 1 FROM searchable s
                    WHERE s.place >= m.created_at * 4096 AND s.place < (m.created_at + 1) * 4096), m.created_at * 4096)"
    };
}

/// Ends a transaction of SQLite, and before that teaches the index what it brings: all at once, since FTS5 writes what it has gathered at each
/// savepoint, and since each statement is a hop to another thread and back. No message is there twice.
pub(super) async fn commit(conn: &mut SqliteConnection, news: &[News]) -> Result<(), StoreError> {
    let known: Vec<String> = news.iter().filter(|news| news.known).map(|news| news.message.to_string()).collect();
    if !known.is_empty() {
        let sql = "DELETE FROM search_words
                    WHERE rowid IN (SELECT s.place FROM json_each($1) j CROSS JOIN searchable s WHERE s.message_id = j.value);
                   DELETE FROM searchable WHERE message_id IN (SELECT value FROM json_each($1))";
        sqlx::query(sql).bind(to_json(&known)?).execute(&mut *conn).await?;
    }
    let put: Vec<(String, &str)> =
        news.iter().filter(|news| !news.words.is_empty()).map(|news| (news.message.to_string(), news.words.as_str())).collect();
    if put.is_empty() {
        sqlx::query("COMMIT").execute(conn).await?;
        return Ok(());
    }
    let sql = concat!(
        "INSERT INTO searchable (message_id, room_id, author_id, place)
         SELECT m.id, m.room_id, m.author_id, ",
        next_place!(),
        " + ROW_NUMBER() OVER (PARTITION BY m.created_at ORDER BY j.key) - 1
           FROM json_each($1) j CROSS JOIN messages m WHERE m.id = j.value ->> 0;
         INSERT INTO search_words (rowid, words)
         SELECT s.place, j.value ->> 1 FROM json_each($1) j CROSS JOIN searchable s WHERE s.message_id = j.value ->> 0 ORDER BY s.place;
         COMMIT"
    );
    sqlx::query(sql).bind(to_json(&put)?).execute(conn).await?;
    Ok(())
}

/// Notes on Postgres the words of a message that is not in the index.
pub(super) async fn add(db: &mut PgConnection, message: MessageId, words: &str) -> Result<(), StoreError> {
    let sql = concat!(
        "WITH put AS (
             INSERT INTO searchable (message_id, room_id, author_id, place)
             SELECT m.id, m.room_id, m.author_id, ",
        next_place!(),
        " FROM messages m WHERE m.id = $1
             ON CONFLICT (message_id) DO NOTHING RETURNING message_id)
         INSERT INTO search_words (message_id, words, in_order) SELECT message_id, array_to_tsvector($2), $3 FROM put"
    );
    let each: Vec<&str> = words.split(' ').collect();
    sqlx::query(sql).bind(message.to_string()).bind(each).bind(format!(" {words} ")).execute(db).await?;
    Ok(())
}

/// Forgets on Postgres a message's words and its place.
pub(super) async fn remove(db: &mut PgConnection, message: MessageId) -> Result<(), StoreError> {
    for sql in ["DELETE FROM search_words WHERE message_id = $1", "DELETE FROM searchable WHERE message_id = $1"] {
        sqlx::query(sql).bind(message.to_string()).execute(&mut *db).await?;
    }
    Ok(())
}

/// Messages with all phrases, the newest first.
pub(super) async fn find(conn: &mut Conn<'_>, wanted: &Wanted<'_>) -> Result<Vec<HitRow>, StoreError> {
    macro_rules! bound {
        ($sql:expr) => {
            sqlx::query_as($sql)
                .bind(wanted.reader.to_string())
                .bind(wanted.room.map(|room| room.to_string()))
                .bind(wanted.author.as_deref())
                .bind(wanted.before.place)
                .bind(&wanted.before.message)
                .bind(wanted.most as i64)
        };
    }
    Ok(match conn {
        Db::Sqlite(db) if wanted.phrases.is_empty() => {
            bound!(select_hits!("searchable s", "", "s.place DESC")).fetch_all(&mut **db).await?
        }
        Db::Postgres(db) if wanted.phrases.is_empty() => {
            bound!(select_hits!("searchable s", "", "s.place DESC, s.message_id DESC")).fetch_all(&mut **db).await?
        }
        Db::Sqlite(db) => {
            let sql = select_hits!(
                "search_words w CROSS JOIN searchable s",
                " AND s.place = w.rowid AND w.search_words MATCH $7 AND w.rowid <= $4",
                "w.rowid DESC"
            );
            bound!(sql).bind(for_fts5(wanted.phrases)).fetch_all(&mut **db).await?
        }
        Db::Postgres(db) => {
            let sql = select_hits!(
                "search_words w CROSS JOIN searchable s",
                " AND s.message_id = w.message_id AND w.words @@ $7::tsquery AND w.in_order LIKE ALL ($8)",
                "s.place DESC, s.message_id DESC"
            );
            let in_order: Vec<String> = wanted.phrases.iter().filter(|phrase| phrase.words.len() > 1).map(like).collect();
            bound!(sql).bind(for_tsquery(wanted.phrases)).bind(in_order).fetch_all(&mut **db).await?
        }
    })
}

// Words are letters, digits and marks alone: there is nothing in them to be escaped.

/// `"warm soup" AND "ris"*`.
fn for_fts5(phrases: &[Phrase]) -> String {
    let each: Vec<String> =
        phrases.iter().map(|phrase| format!("\"{}\"{}", phrase.words.join(" "), if phrase.open { "*" } else { "" })).collect();
    each.join(" AND ")
}

/// `'warm' & 'soup' & 'ris':*`.
fn for_tsquery(phrases: &[Phrase]) -> String {
    let mut each = Vec::new();
    for phrase in phrases {
        for (n, word) in phrase.words.iter().enumerate() {
            let open = phrase.open && n + 1 == phrase.words.len();
            each.push(format!("'{word}'{}", if open { ":*" } else { "" }));
        }
    }
    each.join(" & ")
}

/// `% warm soup %`.
fn like(phrase: &Phrase) -> String {
    format!("% {}{}%", phrase.words.join(" "), if phrase.open { "" } else { " " })
}
