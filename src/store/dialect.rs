//! What must differ between the two databases, and nothing else: the index of words and the question to it.
//!
//! SQLite has FTS5, which keeps words with their order and gives rows in the order of their numbers, so that the newest come without looking at
//! all. Postgres has an inverted index of the words; whether they follow each other is seen in the words themselves. What a word is both are
//! told (`domain::search`), and both find the same.

use super::search::{HitRow, Wanted};
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

/// Puts the message `$1` into the order of all, after those of its millisecond: there is room for 4096. On SQLite no two have one place, since
/// it is written to by one alone.
macro_rules! put_place {
    ($and:literal) => {
        concat!(
            "INSERT INTO searchable (message_id, room_id, author_id, place)
             SELECT m.id, m.room_id, m.author_id,
                    COALESCE((SELECT MAX(s.place) + 1 FROM searchable s
                               WHERE s.place >= m.created_at * 4096 AND s.place < (m.created_at + 1) * 4096), m.created_at * 4096)
               FROM messages m WHERE m.id = $1",
            $and,
            " ON CONFLICT (message_id) DO NOTHING"
        )
    };
}

/// What SQLite does with the words of the message `$1`, in one go, since each question is a hop to another thread and back. `changes()` is how
/// many rows the statement before has written, so that nothing is done twice.
macro_rules! put_words {
    ($and:literal, $words:literal) => {
        concat!(
            $crate::store::dialect::put_place!($and),
            "; INSERT INTO search_words (rowid, words) SELECT s.place, ",
            $words,
            " FROM searchable s WHERE s.message_id = $1 AND changes() > 0"
        )
    };
}

pub(super) use {put_place, put_words};

/// Notes the words of a message that is not in the index.
pub(super) async fn add(conn: &mut Conn<'_>, message: MessageId, words: &str) -> Result<(), StoreError> {
    match conn {
        Db::Sqlite(db) => {
            sqlx::query(put_words!("", "$2")).bind(message.to_string()).bind(words).execute(&mut **db).await?;
        }
        Db::Postgres(db) => {
            let sql = concat!(
                "WITH put AS (",
                put_place!(""),
                " RETURNING message_id)
                 INSERT INTO search_words (message_id, words, in_order) SELECT message_id, array_to_tsvector($2), $3 FROM put"
            );
            let each: Vec<&str> = words.split(' ').collect();
            sqlx::query(sql).bind(message.to_string()).bind(each).bind(format!(" {words} ")).execute(&mut **db).await?;
        }
    }
    Ok(())
}

/// Forgets a message's words and its place.
pub(super) async fn remove(conn: &mut Conn<'_>, message: MessageId) -> Result<(), StoreError> {
    match conn {
        Db::Sqlite(db) => {
            let place: Option<i64> = sqlx::query_scalar("DELETE FROM searchable WHERE message_id = $1 RETURNING place")
                .bind(message.to_string())
                .fetch_optional(&mut **db)
                .await?;
            if let Some(place) = place {
                sqlx::query("DELETE FROM search_words WHERE rowid = $1").bind(place).execute(&mut **db).await?;
            }
        }
        Db::Postgres(db) => {
            for sql in ["DELETE FROM search_words WHERE message_id = $1", "DELETE FROM searchable WHERE message_id = $1"] {
                sqlx::query(sql).bind(message.to_string()).execute(&mut **db).await?;
            }
        }
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
