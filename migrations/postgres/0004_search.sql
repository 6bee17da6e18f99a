-- Finding messages by their words. docs/tables.md says what must hold.

-- The messages that have words which can be found, in the order of time by `place`.
CREATE TABLE searchable (
    message_id TEXT   NOT NULL PRIMARY KEY REFERENCES messages (id),
    room_id    TEXT   NOT NULL REFERENCES rooms (id),
    author_id  TEXT   NOT NULL,
    place      BIGINT NOT NULL
);
CREATE INDEX searchable_by_place ON searchable (place);

-- Their words as we cut them: each once, to find where they are, and in order, to see whether they follow each other. A `tsvector` could keep
-- the order too, but of a long text only a part of it: 256 places of a word, and 16383 in all.
CREATE TABLE search_words (
    message_id TEXT     NOT NULL PRIMARY KEY REFERENCES searchable (message_id),
    words      TSVECTOR NOT NULL,
    in_order   TEXT     NOT NULL
);
CREATE INDEX search_words_found ON search_words USING GIN (words);

-- Messages of a room up to this number are not in the index yet; those from before there was one are put there little by little, the newest
-- first.
ALTER TABLE rooms ADD COLUMN to_index BIGINT NOT NULL DEFAULT 0;
UPDATE rooms SET to_index = head;
