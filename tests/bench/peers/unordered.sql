-- What goes wrong without a lock: positions are handed out before the commit, and commits overtake each other.
CREATE SCHEMA unordered;
CREATE TABLE unordered.events (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    data     bytea NOT NULL
);
