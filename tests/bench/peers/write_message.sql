-- A store in the manner of message-db, written for this comparison: one function call a message, in a transaction of
-- its own; an advisory lock on the category makes positions visible in their order; identity positions; JSON as jsonb.
CREATE SCHEMA message_store;
CREATE TABLE message_store.messages (
    global_position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id              uuid        NOT NULL UNIQUE,
    stream_name     text        NOT NULL,
    position        bigint      NOT NULL,
    type            text        NOT NULL,
    data            jsonb,
    metadata        jsonb,
    time            timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (stream_name, position)
);
CREATE INDEX messages_category ON message_store.messages (split_part(stream_name, '-', 1), global_position);

CREATE FUNCTION message_store.write_message(
    id uuid, stream_name text, type text, data jsonb, metadata jsonb, expected_version bigint
) RETURNS bigint LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    version bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(split_part(stream_name, '-', 1), 0));
    SELECT coalesce(max(m.position), -1) INTO version
    FROM message_store.messages m WHERE m.stream_name = write_message.stream_name;
    IF expected_version IS NOT NULL AND expected_version <> version THEN
        RAISE EXCEPTION 'stream % is at version %, not %', stream_name, version, expected_version;
    END IF;
    INSERT INTO message_store.messages (id, stream_name, position, type, data, metadata)
    VALUES (id, stream_name, version + 1, type, data, metadata);
    RETURN version + 1;
END $$;
