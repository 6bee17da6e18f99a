-- Counting messages of a span of days reads this alone. Attempts of a span are found by `attempts_by_state`.
CREATE INDEX messages_by_time ON messages (room_id, created_at, author_kind);
