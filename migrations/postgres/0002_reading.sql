-- What each person has and has not read, and talks of two people. docs/tables.md says what must hold.

-- `direct` rooms are the talk of one pair of people, the lower id first; for all others the pair is NULL.
ALTER TABLE rooms ADD COLUMN kind TEXT NOT NULL DEFAULT 'room';
ALTER TABLE rooms ADD COLUMN pair_low TEXT REFERENCES people (id);
ALTER TABLE rooms ADD COLUMN pair_high TEXT REFERENCES people (id);
CREATE UNIQUE INDEX rooms_by_pair ON rooms (pair_low, pair_high);

-- Time of the newest message, or of the room's making.
ALTER TABLE rooms ADD COLUMN active_at BIGINT NOT NULL DEFAULT 0;
UPDATE rooms
   SET active_at = COALESCE((SELECT x.created_at FROM messages x WHERE x.room_id = rooms.id ORDER BY x.created_seq DESC LIMIT 1), created_at);

ALTER TABLE members ADD COLUMN favourite BOOLEAN NOT NULL DEFAULT FALSE;
-- Until now nobody's reading was noted: what is there counts as read.
UPDATE members SET read_seq = (SELECT r.head FROM rooms r WHERE r.id = members.room_id);

-- Whom a message concerns: it names them, or answers a message of theirs. `seq` is the message's place.
CREATE TABLE mentions (
    message_id TEXT   NOT NULL REFERENCES messages (id),
    person_id  TEXT   NOT NULL REFERENCES people (id),
    room_id    TEXT   NOT NULL REFERENCES rooms (id),
    seq        BIGINT NOT NULL,
    PRIMARY KEY (message_id, person_id)
);
CREATE INDEX mentions_to_count ON mentions (person_id, room_id, seq);

-- Counting what is unread reads these alone, never a message's row.
CREATE INDEX messages_to_read ON messages (room_id, created_seq, author_id, state) WHERE state NOT IN ('deleted', 'queued', 'streaming');
CREATE INDEX messages_open ON messages (room_id) WHERE state IN ('queued', 'streaming');
