-- What an assistant was given for an attempt, by reference: which messages, in which text of theirs, never the text itself. So what is deleted
-- from a room is gone from here without anybody thinking of it.

-- Instructions as they were given, each text once. The key is its fingerprint.
CREATE TABLE instructions (
    id   TEXT NOT NULL PRIMARY KEY,
    text TEXT NOT NULL
);

-- `given` and `parameters` are JSON. `continued`: how much of its own text it was given to go on from, in UTF-16 units.
CREATE TABLE prompts (
    message_id      TEXT    NOT NULL,
    attempt         BIGINT  NOT NULL,
    instructions_id TEXT    NOT NULL REFERENCES instructions (id),
    given           TEXT    NOT NULL,
    named           BOOLEAN NOT NULL,
    continued       BIGINT  NOT NULL,
    model           TEXT    NOT NULL,
    budget          BIGINT  NOT NULL,
    estimate        BIGINT  NOT NULL,
    parameters      TEXT    NOT NULL,
    built_at        BIGINT  NOT NULL,
    PRIMARY KEY (message_id, attempt),
    FOREIGN KEY (message_id, attempt) REFERENCES attempts (message_id, attempt)
);
