-- Append a batch of commands in one transaction, with a verdict for each: one conflict never fails its neighbours.
--
-- Commands are numbered from 1. The caller puts no two commands into a batch that touch the same stream or key, so the
-- state before the batch decides each of them. The head row is locked until the commit: positions are dense, and they
-- become visible in their order.
CREATE FUNCTION stele.append_v1(
    c_agent uuid[], c_key text[], c_fingerprint bytea[], c_result bytea[],
    x_command integer[], x_stream uuid[], x_version integer[],
    e_command integer[], e_id uuid[], e_stream uuid[], e_version integer[], e_type text[], e_schema smallint[],
    e_data bytea[], e_occurred timestamptz[], e_actor text[], e_cause uuid[], e_correlation uuid[], e_trace text[]
) RETURNS TABLE (
    command integer, verdict text, first_position bigint, last_position bigint, kept bytea,
    stream_id uuid, expected integer, actual integer
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    base bigint; -- the last position before this batch
    at timestamptz;
BEGIN
    SELECT h.position INTO STRICT base FROM stele.head h FOR UPDATE;
    at := clock_timestamp(); -- under the lock, so that times are recorded in the order of the positions
    RETURN QUERY
    WITH commands AS MATERIALIZED (
        SELECT c.n::integer AS n, c.agent_id, c.key, c.fingerprint, c.result
        FROM unnest(c_agent, c_key, c_fingerprint, c_result) WITH ORDINALITY AS c (agent_id, key, fingerprint, result, n)
    ),
    known AS MATERIALIZED (
        SELECT c.n, k.fingerprint = c.fingerprint AS same, k.first_position, k.last_position, k.result
        FROM commands c JOIN stele.command_keys k ON k.agent_id = c.agent_id AND k.key = c.key
        WHERE c.key IS NOT NULL
    ),
    broken AS MATERIALIZED (
        SELECT DISTINCT ON (x.n) x.n, x.stream_id, x.version AS expected, now.version AS actual
        FROM unnest(x_command, x_stream, x_version) AS x (n, stream_id, version)
        CROSS JOIN LATERAL (
            SELECT coalesce((
                SELECT l.version FROM stele.log l
                WHERE l.agent_id = c_agent[x.n] AND l.stream_id = x.stream_id
                ORDER BY l.version DESC LIMIT 1), 0) AS version
        ) AS now
        WHERE now.version <> x.version
        ORDER BY x.n
    ),
    placed AS MATERIALIZED (
        SELECT e.*, base + row_number() OVER (ORDER BY e.place) AS position
        FROM unnest(e_command, e_id, e_stream, e_version, e_type, e_schema, e_data, e_occurred, e_actor, e_cause,
                    e_correlation, e_trace) WITH ORDINALITY
            AS e (n, event_id, stream_id, version, type, schema_version, data, occurred_at, actor, causation_id,
                  correlation_id, traceparent, place)
        WHERE e.n NOT IN (SELECT k.n FROM known k) AND e.n NOT IN (SELECT b.n FROM broken b)
    ),
    written AS (
        INSERT INTO stele.log (position, event_id, agent_id, stream_id, version, type, schema_version, data,
                               occurred_at, recorded_at, actor, causation_id, correlation_id, traceparent)
        SELECT p.position, p.event_id, c_agent[p.n], p.stream_id, p.version, p.type, p.schema_version, p.data,
               p.occurred_at, at, p.actor, p.causation_id, p.correlation_id, p.traceparent
        FROM placed p ORDER BY p.position
    ),
    moved AS (
        UPDATE stele.head SET position = base + (SELECT count(*) FROM placed) WHERE EXISTS (SELECT FROM placed)
    ),
    ranges AS MATERIALIZED (
        SELECT p.n, min(p.position) AS first_position, max(p.position) AS last_position FROM placed p GROUP BY p.n
    ),
    answers AS MATERIALIZED (
        SELECT c.n, c.agent_id, c.key, c.fingerprint, c.result,
               coalesce(r.first_position, base + (SELECT count(*) FROM placed)) AS first_position,
               coalesce(r.last_position, base + (SELECT count(*) FROM placed)) AS last_position
        FROM commands c LEFT JOIN ranges r ON r.n = c.n
        WHERE c.n NOT IN (SELECT k.n FROM known k) AND c.n NOT IN (SELECT b.n FROM broken b)
    ),
    remembered AS (
        INSERT INTO stele.command_keys (agent_id, key, fingerprint, first_position, last_position, result, recorded_at)
        SELECT a.agent_id, a.key, a.fingerprint, a.first_position, a.last_position, a.result, at
        FROM answers a WHERE a.key IS NOT NULL
    )
    SELECT a.n, 'appended', a.first_position, a.last_position, NULL::bytea, NULL::uuid, NULL::integer, NULL::integer
    FROM answers a
    UNION ALL
    SELECT k.n, CASE WHEN k.same THEN 'repeated' ELSE 'key_reused' END, k.first_position, k.last_position, k.result,
           NULL, NULL, NULL
    FROM known k
    UNION ALL
    SELECT b.n, 'conflict', NULL, NULL, NULL, b.stream_id, b.expected, b.actual
    FROM broken b WHERE b.n NOT IN (SELECT k.n FROM known k);
END $$;
