-- Append, lighter and with what erasure needs: whom an event's personal fields are about, their keys, and which kinds of
-- event the log holds.

ALTER TABLE stele.log ADD COLUMN subjects uuid[]; -- the persons whose keys seal the personal fields; NULL: none is sealed

CREATE OR REPLACE VIEW stele.log_json AS
    SELECT position, event_id, agent_id, stream_id, version, type, schema_version,
           convert_from(data, 'UTF8')::jsonb AS data,
           occurred_at, recorded_at, actor, causation_id, correlation_id, traceparent, subjects
    FROM stele.log;

-- Which kinds of event the log holds, so that a release can tell at its start whether it can read them all.
CREATE TABLE stele.kinds (
    type           text     NOT NULL,
    schema_version smallint NOT NULL,
    first_position bigint   NOT NULL,
    PRIMARY KEY (type, schema_version)
);
INSERT INTO stele.kinds SELECT type, schema_version, min(position) FROM stele.log GROUP BY type, schema_version;

-- State of aggregates with long streams: a cache, made from the log and good for nothing else (invariant I1).
CREATE TABLE stele.snapshots (
    agent_id       uuid    NOT NULL,
    stream_id      uuid    NOT NULL,
    version        integer NOT NULL,
    position       bigint  NOT NULL,
    event_id       uuid    NOT NULL,
    correlation_id uuid    NOT NULL,
    fold           text    NOT NULL, -- which fold made it
    state          bytea   NOT NULL,
    PRIMARY KEY (agent_id, stream_id)
);

-- Keys are no part of the log and no part of its backup: whoever keeps both together cannot erase. A schema of its own
-- can be left out of a dump.
CREATE SCHEMA stele_keys;
CREATE TABLE stele_keys.subject_keys (
    agent_id      uuid        NOT NULL,
    subject_id    uuid        NOT NULL,
    master_key_id text        NOT NULL,
    wrapped       bytea       NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (agent_id, subject_id)
);

-- Append a batch of commands in one transaction, with a verdict for each: one conflict never fails its neighbours.
--
-- Commands are numbered from 1. The caller puts no two commands into a batch that touch the same stream or key, so the
-- state before the batch decides each of them. The head row is moved first, which locks it until the commit: positions
-- are dense, and they become visible in their order.
--
-- Most batches have nothing wrong with them, so they are tried first: an event with version 1 is held to a new stream by
-- the primary key, and only what the caller lists in x_ (streams that go on, streams that were only read) is looked up.
--
-- c_: commands, with the number of their events · q_: those that carry an idempotency key · x_: expected versions of
-- streams · e_: events, ordered by command · k_: keys that come with a command · d_: keys that go with it · t_: kinds of
-- events that the caller has not seen committed.
--
-- Returns one row with command 0 and the position before the batch, then a row for each command that was not carried
-- out. The others have the positions after that, in their order.
CREATE FUNCTION stele.append_v2(
    c_agent uuid[], c_count integer[],
    q_command integer[], q_key text[], q_fingerprint bytea[], q_result bytea[],
    x_command integer[], x_stream uuid[], x_version integer[],
    e_command integer[], e_id uuid[], e_stream uuid[], e_version integer[], e_type text[], e_schema smallint[],
    e_data bytea[], e_occurred timestamptz[], e_actor text[], e_cause uuid[], e_correlation uuid[], e_trace text[],
    e_subjects text[],
    k_command integer[], k_subject uuid[], k_master text[], k_wrapped bytea[],
    d_command integer[], d_subject uuid[],
    t_type text[], t_schema smallint[]
) RETURNS TABLE (
    command integer, verdict text, first_position bigint, last_position bigint, kept bytea,
    stream_id uuid, expected integer, actual integer
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    base bigint; -- the last position before this batch
    at timestamptz;
    total integer := cardinality(e_command);
    bad integer[] := '{}'; -- commands that are not carried out
    shift integer[]; -- for each command, the events before it that are not written
BEGIN
    UPDATE stele.head SET position = position + total RETURNING position - total INTO STRICT base;
    at := clock_timestamp(); -- under the lock, so that times are recorded in the order of the positions

    IF cardinality(q_command) > 0 THEN
        SELECT coalesce(array_agg(q.n), '{}') INTO bad
        FROM unnest(q_command, q_key) AS q (n, key)
        JOIN stele.command_keys k ON k.agent_id = c_agent[q.n] AND k.key = q.key;
    END IF;
    IF cardinality(x_command) > 0 AND bad = '{}' THEN
        SELECT coalesce(array_agg(x.n), '{}') INTO bad
        FROM unnest(x_command, x_stream, x_version) AS x (n, stream_id, version)
        WHERE x.version <> coalesce((
            SELECT l.version FROM stele.log l WHERE l.agent_id = c_agent[x.n] AND l.stream_id = x.stream_id
            ORDER BY l.version DESC LIMIT 1), 0);
    END IF;

    IF bad = '{}' THEN
        BEGIN
            INSERT INTO stele.log (position, event_id, agent_id, stream_id, version, type, schema_version, data,
                                   occurred_at, recorded_at, actor, causation_id, correlation_id, traceparent, subjects)
            SELECT base + e.place, e.event_id, c_agent[e.n], e.stream_id, e.version, e.type, e.schema_version, e.data,
                   e.occurred_at, at, e.actor, e.causation_id, e.correlation_id, e.traceparent, e.subjects::uuid[]
            FROM unnest(e_command, e_id, e_stream, e_version, e_type, e_schema, e_data, e_occurred, e_actor, e_cause,
                        e_correlation, e_trace, e_subjects) WITH ORDINALITY
                AS e (n, event_id, stream_id, version, type, schema_version, data, occurred_at, actor, causation_id,
                      correlation_id, traceparent, subjects, place);
        EXCEPTION WHEN unique_violation THEN
            bad := NULL; -- a new stream is not new; which one, is looked for below
        END;
    END IF;

    IF bad IS DISTINCT FROM '{}' THEN
        RETURN QUERY
        SELECT q.n, CASE WHEN k.fingerprint = q.fingerprint THEN 'repeated' ELSE 'key_reused' END,
               k.first_position, k.last_position, k.result, NULL::uuid, NULL::integer, NULL::integer
        FROM unnest(q_command, q_key, q_fingerprint) AS q (n, key, fingerprint)
        JOIN stele.command_keys k ON k.agent_id = c_agent[q.n] AND k.key = q.key;

        RETURN QUERY
        SELECT DISTINCT ON (x.n) x.n, 'conflict', NULL::bigint, NULL::bigint, NULL::bytea, x.stream_id, x.version,
               now.version
        FROM (SELECT * FROM unnest(x_command, x_stream, x_version) AS x (n, stream_id, version)
              UNION ALL
              SELECT e.n, e.stream_id, 0 FROM unnest(e_command, e_stream, e_version) AS e (n, stream_id, version)
              WHERE e.version = 1) AS x
        CROSS JOIN LATERAL (
            SELECT coalesce((
                SELECT l.version FROM stele.log l
                WHERE l.agent_id = c_agent[x.n] AND l.stream_id = x.stream_id
                ORDER BY l.version DESC LIMIT 1), 0) AS version
        ) AS now
        WHERE now.version <> x.version AND NOT EXISTS (
            SELECT FROM unnest(q_command, q_key) AS q (n, key)
            JOIN stele.command_keys k ON k.agent_id = c_agent[q.n] AND k.key = q.key WHERE q.n = x.n)
        ORDER BY x.n;

        SELECT coalesce(array_agg(DISTINCT r.n), '{}') INTO bad FROM (
            SELECT q.n FROM unnest(q_command, q_key) AS q (n, key)
            JOIN stele.command_keys k ON k.agent_id = c_agent[q.n] AND k.key = q.key
            UNION ALL
            SELECT x.n FROM (
                SELECT * FROM unnest(x_command, x_stream, x_version) AS x (n, stream_id, version)
                UNION ALL
                SELECT e.n, e.stream_id, 0 FROM unnest(e_command, e_stream, e_version) AS e (n, stream_id, version)
                WHERE e.version = 1) AS x
            WHERE x.version <> coalesce((
                SELECT l.version FROM stele.log l WHERE l.agent_id = c_agent[x.n] AND l.stream_id = x.stream_id
                ORDER BY l.version DESC LIMIT 1), 0)
        ) AS r;
        SELECT array_agg(c.missing - CASE WHEN c.n = ANY (bad) THEN c.count ELSE 0 END ORDER BY c.n), max(c.missing)
        INTO shift, total
        FROM (SELECT c.n, c.count, sum(CASE WHEN c.n = ANY (bad) THEN c.count ELSE 0 END) OVER (ORDER BY c.n) AS missing
              FROM unnest(c_count) WITH ORDINALITY AS c (count, n)) AS c;
        total := cardinality(e_command) - total;
        UPDATE stele.head SET position = base + total;

        INSERT INTO stele.log (position, event_id, agent_id, stream_id, version, type, schema_version, data,
                               occurred_at, recorded_at, actor, causation_id, correlation_id, traceparent, subjects)
        SELECT base + e.place - shift[e.n], e.event_id, c_agent[e.n], e.stream_id, e.version, e.type, e.schema_version,
               e.data, e.occurred_at, at, e.actor, e.causation_id, e.correlation_id, e.traceparent, e.subjects::uuid[]
        FROM unnest(e_command, e_id, e_stream, e_version, e_type, e_schema, e_data, e_occurred, e_actor, e_cause,
                    e_correlation, e_trace, e_subjects) WITH ORDINALITY
            AS e (n, event_id, stream_id, version, type, schema_version, data, occurred_at, actor, causation_id,
                  correlation_id, traceparent, subjects, place)
        WHERE NOT e.n = ANY (bad);
    END IF;

    IF cardinality(q_command) > 0 THEN
        INSERT INTO stele.command_keys (agent_id, key, fingerprint, first_position, last_position, result, recorded_at)
        SELECT c_agent[q.n], q.key, q.fingerprint,
               CASE WHEN c_count[q.n] = 0 THEN base + total ELSE r.last - c_count[q.n] + 1 END,
               CASE WHEN c_count[q.n] = 0 THEN base + total ELSE r.last END, q.result, at
        FROM unnest(q_command, q_key, q_fingerprint, q_result) AS q (n, key, fingerprint, result)
        JOIN (SELECT c.n, base + sum(c.count) OVER (ORDER BY c.n) - coalesce(shift[c.n], 0) AS last
              FROM unnest(c_count) WITH ORDINALITY AS c (count, n)) AS r ON r.n = q.n
        WHERE NOT q.n = ANY (bad);
    END IF;
    IF cardinality(k_command) > 0 THEN
        INSERT INTO stele_keys.subject_keys (agent_id, subject_id, master_key_id, wrapped, created_at)
        SELECT c_agent[k.n], k.subject_id, k.master, k.wrapped, at
        FROM unnest(k_command, k_subject, k_master, k_wrapped) AS k (n, subject_id, master, wrapped)
        WHERE NOT k.n = ANY (bad);
    END IF;
    IF cardinality(d_command) > 0 THEN
        DELETE FROM stele_keys.subject_keys s
        USING unnest(d_command, d_subject) AS d (n, subject_id)
        WHERE s.agent_id = c_agent[d.n] AND s.subject_id = d.subject_id AND NOT d.n = ANY (bad);
    END IF;
    IF cardinality(t_type) > 0 THEN
        INSERT INTO stele.kinds (type, schema_version, first_position)
        SELECT l.type, l.schema_version, min(l.position)
        FROM stele.log l JOIN unnest(t_type, t_schema) AS t (type, schema_version)
            ON t.type = l.type AND t.schema_version = l.schema_version
        WHERE l.position > base GROUP BY l.type, l.schema_version
        ON CONFLICT DO NOTHING;
    END IF;
    command := 0;
    verdict := 'appended';
    first_position := base;
    last_position := base + total;
    RETURN NEXT;
END $$;
