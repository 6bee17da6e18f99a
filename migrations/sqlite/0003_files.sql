-- What messages carry. The bytes lie in the data folder under `stored`; a row says whose they are and which message has taken them.
-- `erased`: to be seen by nobody any more; the row goes once the bytes are gone.

CREATE TABLE files (
    id         TEXT    NOT NULL PRIMARY KEY,
    stored     TEXT    NOT NULL UNIQUE,
    room_id    TEXT    NOT NULL REFERENCES rooms (id),
    person_id  TEXT    NOT NULL REFERENCES people (id),
    message_id TEXT    REFERENCES messages (id),
    name       TEXT    NOT NULL,
    media_type TEXT    NOT NULL,
    bytes      BIGINT  NOT NULL,
    width      BIGINT,
    height     BIGINT,
    erased     BOOLEAN NOT NULL,
    created_at BIGINT  NOT NULL
);
CREATE INDEX files_of_message ON files (message_id);
CREATE INDEX files_of_person ON files (person_id, message_id);

-- The same as JSON, as readers get it with the message; empty where there are none.
ALTER TABLE messages ADD COLUMN files TEXT NOT NULL DEFAULT '';
