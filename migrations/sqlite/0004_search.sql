-- Finding messages by their words. docs/tables.md says what must hold.

-- The messages that have words which can be found, in the order of time by `place`.
CREATE TABLE searchable (
    message_id TEXT   NOT NULL PRIMARY KEY REFERENCES messages (id),
    room_id    TEXT   NOT NULL REFERENCES rooms (id),
    author_id  TEXT   NOT NULL,
    place      BIGINT NOT NULL
);
CREATE INDEX searchable_by_place ON searchable (place);

-- Their words as we cut them, under their place. What is outside ASCII is no business of SQLite's: it parts words at spaces and nowhere else.
CREATE VIRTUAL TABLE search_words USING fts5 (words, tokenize = 'ascii', columnsize = 0);
-- What is erased leaves the index at once, not when it is next put in order.
INSERT INTO search_words (search_words, rank) VALUES ('secure-delete', 1);

-- Messages of a room up to this number are not in the index yet; those from before there was one are put there little by little, the newest
-- first.
ALTER TABLE rooms ADD COLUMN to_index BIGINT NOT NULL DEFAULT 0;
UPDATE rooms SET to_index = head;
