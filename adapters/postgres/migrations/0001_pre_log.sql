-- The log: one order for all writers, appended to and never changed.

CREATE SCHEMA stele;

-- Which history this is. Whoever restores a log gives it another one, so that old cursors are not mistaken for its own.
CREATE TABLE stele.history (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    epoch     text NOT NULL CHECK (epoch ~ '^[0-9a-f]{8}$')
);
INSERT INTO stele.history (epoch) VALUES (left(replace(gen_random_uuid()::text, '-', ''), 8));

-- The last position, and the lock that orders all writers until their commit.
CREATE TABLE stele.head (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    position bigint NOT NULL
);
INSERT INTO stele.head (position) VALUES (0);

CREATE TABLE stele.log (
    position       bigint      NOT NULL,
    event_id       uuid        NOT NULL,
    agent_id       uuid        NOT NULL,
    stream_id      uuid        NOT NULL,
    version        integer     NOT NULL CHECK (version > 0),
    type           text        NOT NULL,
    schema_version smallint    NOT NULL,
    data           bytea       NOT NULL,
    occurred_at    timestamptz NOT NULL,
    recorded_at    timestamptz NOT NULL,
    actor          text        NOT NULL,
    causation_id   uuid,
    correlation_id uuid        NOT NULL,
    traceparent    text,
    PRIMARY KEY (agent_id, stream_id, version)
);
CREATE UNIQUE INDEX log_position ON stele.log (position);

-- What a command that carried a key was answered.
CREATE TABLE stele.command_keys (
    agent_id       uuid        NOT NULL,
    key            text        NOT NULL,
    fingerprint    bytea       NOT NULL,
    first_position bigint      NOT NULL,
    last_position  bigint      NOT NULL,
    result         bytea       NOT NULL,
    recorded_at    timestamptz NOT NULL,
    PRIMARY KEY (agent_id, key)
);

CREATE FUNCTION stele.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the log is append-only: % is refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON stele.log
    FOR EACH STATEMENT EXECUTE FUNCTION stele.refuse_change();

-- For people with psql: the same rows with readable data.
CREATE VIEW stele.log_json AS
    SELECT position, event_id, agent_id, stream_id, version, type, schema_version,
           convert_from(data, 'UTF8')::jsonb AS data,
           occurred_at, recorded_at, actor, causation_id, correlation_id, traceparent
    FROM stele.log;
