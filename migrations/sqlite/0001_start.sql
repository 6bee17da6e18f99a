-- The tables of a chat. docs/tables.md says what each is for; docs/live-protocol.md what the numbers mean.
-- Both databases: ids and secrets' fingerprints are TEXT, times are BIGINT milliseconds, flags BOOLEAN.

CREATE TABLE people (
    id                  TEXT    NOT NULL PRIMARY KEY,
    name                TEXT    NOT NULL,
    password_hash       TEXT    NOT NULL,
    admin               BOOLEAN NOT NULL,
    disabled            BOOLEAN NOT NULL,
    created_at          BIGINT  NOT NULL,
    password_changed_at BIGINT  NOT NULL
);

CREATE TABLE assistants (
    id            TEXT    NOT NULL PRIMARY KEY,
    name          TEXT    NOT NULL,
    provider      TEXT    NOT NULL,
    base_url      TEXT    NOT NULL,
    model         TEXT    NOT NULL,
    key_env       TEXT,
    headers       TEXT    NOT NULL,
    system_prompt TEXT    NOT NULL,
    created_at    BIGINT  NOT NULL,
    removed       BOOLEAN NOT NULL
);

-- One namespace for people and assistants. `name_key` finds, `skeleton` refuses look-alikes.
CREATE TABLE names (
    name_key   TEXT NOT NULL PRIMARY KEY,
    skeleton   TEXT NOT NULL UNIQUE,
    owner_kind TEXT NOT NULL,
    owner_id   TEXT NOT NULL
);

-- The key is a fingerprint of the cookie, never the cookie.
CREATE TABLE sessions (
    id         TEXT   NOT NULL PRIMARY KEY,
    person_id  TEXT   REFERENCES people (id),
    data       TEXT   NOT NULL,
    address    TEXT   NOT NULL,
    agent      TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    seen_at    BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX sessions_of_person ON sessions (person_id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

CREATE TABLE tokens (
    id         TEXT    NOT NULL PRIMARY KEY,
    person_id  TEXT    NOT NULL REFERENCES people (id),
    secret     TEXT    NOT NULL UNIQUE,
    created_at BIGINT  NOT NULL,
    used_at    BIGINT,
    revoked    BOOLEAN NOT NULL
);

CREATE TABLE rooms (
    id         TEXT    NOT NULL PRIMARY KEY,
    name       TEXT    NOT NULL,
    topic      TEXT    NOT NULL,
    private    BOOLEAN NOT NULL,
    epoch      TEXT    NOT NULL,
    head       BIGINT  NOT NULL,
    rev_seq    BIGINT  NOT NULL,
    access_seq BIGINT  NOT NULL,
    created_at BIGINT  NOT NULL
);

CREATE TABLE invites (
    id         TEXT    NOT NULL PRIMARY KEY,
    secret     TEXT    NOT NULL UNIQUE,
    room_id    TEXT    REFERENCES rooms (id),
    created_by TEXT    REFERENCES people (id),
    created_at BIGINT  NOT NULL,
    expires_at BIGINT  NOT NULL,
    uses_left  BIGINT  NOT NULL,
    revoked    BOOLEAN NOT NULL
);

CREATE TABLE members (
    room_id   TEXT   NOT NULL REFERENCES rooms (id),
    person_id TEXT   NOT NULL REFERENCES people (id),
    role      TEXT   NOT NULL,
    joined_at BIGINT NOT NULL,
    read_seq  BIGINT NOT NULL,
    PRIMARY KEY (room_id, person_id)
);
CREATE INDEX members_by_person ON members (person_id);

CREATE TABLE room_assistants (
    room_id      TEXT NOT NULL REFERENCES rooms (id),
    assistant_id TEXT NOT NULL REFERENCES assistants (id),
    speaks       TEXT NOT NULL,
    PRIMARY KEY (room_id, assistant_id)
);

CREATE TABLE messages (
    id            TEXT   NOT NULL PRIMARY KEY,
    room_id       TEXT   NOT NULL REFERENCES rooms (id),
    author_id     TEXT   NOT NULL,
    author_kind   TEXT   NOT NULL,
    post_hash     TEXT   NOT NULL,
    created_seq   BIGINT NOT NULL,
    rev_seq       BIGINT NOT NULL,
    state         TEXT   NOT NULL,
    state_by      TEXT   REFERENCES people (id),
    state_why     TEXT   NOT NULL,
    attempt       BIGINT NOT NULL,
    reply_to      TEXT   REFERENCES messages (id),
    asked_by      TEXT   REFERENCES people (id),
    text          TEXT   NOT NULL,
    html          TEXT   NOT NULL,
    reasoning     TEXT   NOT NULL,
    excerpt       TEXT   NOT NULL,
    renderer      BIGINT NOT NULL,
    facts         TEXT   NOT NULL,
    reactions     TEXT   NOT NULL,
    created_at    BIGINT NOT NULL,
    edited_at     BIGINT,
    UNIQUE (room_id, created_seq)
);
CREATE INDEX messages_by_change ON messages (room_id, rev_seq);
CREATE INDEX messages_by_parent ON messages (reply_to);

CREATE TABLE attempts (
    message_id   TEXT   NOT NULL REFERENCES messages (id),
    attempt      BIGINT NOT NULL,
    kind         TEXT   NOT NULL,
    asked_by     TEXT   NOT NULL REFERENCES people (id),
    assistant_id TEXT   NOT NULL REFERENCES assistants (id),
    state        TEXT   NOT NULL,
    owner        TEXT,
    fence        BIGINT NOT NULL,
    lease_until  BIGINT NOT NULL,
    stop_by      TEXT   REFERENCES people (id),
    first_seq    BIGINT NOT NULL,
    text         TEXT   NOT NULL,
    reasoning    TEXT   NOT NULL,
    why          TEXT   NOT NULL,
    facts        TEXT   NOT NULL,
    asked_at     BIGINT NOT NULL,
    claimed_at   BIGINT,
    ended_at     BIGINT,
    PRIMARY KEY (message_id, attempt)
);
CREATE INDEX attempts_by_state ON attempts (state, asked_at);

CREATE TABLE chunks (
    message_id TEXT   NOT NULL,
    attempt    BIGINT NOT NULL,
    part       TEXT   NOT NULL,
    off        BIGINT NOT NULL,
    text       TEXT   NOT NULL,
    PRIMARY KEY (message_id, attempt, part, off),
    FOREIGN KEY (message_id, attempt) REFERENCES attempts (message_id, attempt)
);
