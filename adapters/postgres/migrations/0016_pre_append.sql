-- As append_v2 (0004), for a caller whose connection keeps one plan for all batches (plan_cache_mode =
-- force_generic_plan): Postgres would plan every statement anew for the arrays of every batch, which took longer than
-- carrying it out. And a batch with one event, which is what a lone command is, goes without a subtransaction.
CREATE FUNCTION stele.append_v3(
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
    was integer;
    shift integer[]; -- for each command, the events before it that are not written
BEGIN
    UPDATE stele.head SET position = position + total RETURNING position - total INTO STRICT base;
    at := clock_timestamp(); -- under the lock, so that times are recorded in the order of the positions

    IF cardinality(q_command) > 0 THEN
        SELECT coalesce(array_agg(q.n), '{}') INTO bad
        FROM unnest(q_command, q_key) AS q (n, key)
        JOIN stele.command_keys k ON k.agent_id = c_agent[q.n] AND k.key = q.key;
    END IF;
    IF cardinality(x_command) = 1 AND bad = '{}' THEN
        SELECT l.version INTO was FROM stele.log l
        WHERE l.agent_id = c_agent[x_command[1]] AND l.stream_id = x_stream[1] ORDER BY l.version DESC LIMIT 1;
        IF x_version[1] <> coalesce(was, 0) THEN
            bad := x_command;
        END IF;
    ELSIF cardinality(x_command) > 0 AND bad = '{}' THEN
        SELECT coalesce(array_agg(x.n), '{}') INTO bad
        FROM unnest(x_command, x_stream, x_version) AS x (n, stream_id, version)
        WHERE x.version <> coalesce((
            SELECT l.version FROM stele.log l WHERE l.agent_id = c_agent[x.n] AND l.stream_id = x.stream_id
            ORDER BY l.version DESC LIMIT 1), 0);
    END IF;

    IF bad = '{}' AND total = 1 THEN
        INSERT INTO stele.log (position, event_id, agent_id, stream_id, version, type, schema_version, data,
                               occurred_at, recorded_at, actor, causation_id, correlation_id, traceparent, subjects)
        VALUES (base + 1, e_id[1], c_agent[e_command[1]], e_stream[1], e_version[1], e_type[1], e_schema[1], e_data[1],
                e_occurred[1], at, e_actor[1], e_cause[1], e_correlation[1], e_trace[1], e_subjects[1]::uuid[])
        ON CONFLICT (agent_id, stream_id, version) DO NOTHING;
        IF NOT FOUND THEN
            bad := NULL; -- a new stream is not new
        END IF;
    ELSIF bad = '{}' THEN
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
    IF cardinality(t_type) > 0 THEN -- from the arguments: a plan that is kept for all batches would look through the log
        INSERT INTO stele.kinds (type, schema_version, first_position)
        SELECT e.type, e.schema_version, min(base + e.place - coalesce(shift[e.n], 0))
        FROM unnest(e_command, e_type, e_schema) WITH ORDINALITY AS e (n, type, schema_version, place)
        JOIN unnest(t_type, t_schema) AS t (type, schema_version)
            ON t.type = e.type AND t.schema_version = e.schema_version
        WHERE NOT e.n = ANY (bad) GROUP BY e.type, e.schema_version
        ON CONFLICT DO NOTHING;
    END IF;
    command := 0;
    verdict := 'appended';
    first_position := base;
    last_position := base + total;
    RETURN NEXT;
END $$;
