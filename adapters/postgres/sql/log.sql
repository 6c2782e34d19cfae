-- append: a batch of commands; see migrations/0016_pre_append.sql
SELECT * FROM stele.append_v3(%b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b)

-- kinds: every kind of event that the log holds
SELECT type, schema_version, first_position FROM stele.kinds ORDER BY first_position, type

-- landed: which of these first events of a batch are in the log, and up to where their command goes
SELECT e.n::integer, l.position
FROM unnest(%b::uuid[], %b::uuid[], %b::integer[], %b::uuid[])
     WITH ORDINALITY AS e (agent_id, stream_id, version, event_id, n)
JOIN stele.log l ON l.agent_id = e.agent_id AND l.stream_id = e.stream_id AND l.version = e.version
                AND l.event_id = e.event_id

-- read: a page of the whole log, for the hub's own readers
SELECT position, event_id, agent_id, stream_id, version, type, schema_version, data, occurred_at, recorded_at, actor,
       causation_id, correlation_id, traceparent, subjects
FROM stele.log WHERE position > %s ORDER BY position LIMIT %s

-- scan: how many events a page of the whole log has, and where it ends (after, up to)
SELECT count(*), max(position) FROM stele.log WHERE position > %s AND position <= %s

-- read_but: such a page, without the events of some types (after, up to, types)
SELECT position, event_id, agent_id, stream_id, version, type, schema_version, data, occurred_at, recorded_at, actor,
       causation_id, correlation_id, traceparent, subjects
FROM stele.log WHERE position > %s AND position <= %s AND type <> ALL (%s::text[]) ORDER BY position

-- read_agent: a page of one agent's events
SELECT position, event_id, agent_id, stream_id, version, type, schema_version, data, occurred_at, recorded_at, actor,
       causation_id, correlation_id, traceparent, subjects
FROM stele.log WHERE position > %s AND agent_id = %s ORDER BY position LIMIT %s

-- load: what streams say after the versions that are known of them, with a snapshot before it where nothing is known
SELECT w.n, s.version, s.position, s.event_id, s.correlation_id, s.fold,
       CASE WHEN l.version IS NULL OR l.version = s.version + 1 THEN s.state END,
       l.position, l.event_id, w.agent_id, w.stream_id, l.version, l.type, l.schema_version, l.data, l.occurred_at,
       l.recorded_at, l.actor, l.causation_id, l.correlation_id, l.traceparent, l.subjects
FROM unnest(%b::uuid[], %b::uuid[], %b::integer[]) WITH ORDINALITY AS w (agent_id, stream_id, version, n)
LEFT JOIN stele.snapshots s ON w.version = 0 AND s.agent_id = w.agent_id AND s.stream_id = w.stream_id
LEFT JOIN LATERAL (
    SELECT * FROM stele.log l
    WHERE l.agent_id = w.agent_id AND l.stream_id = w.stream_id AND l.version > greatest(w.version, s.version, 0)
    ORDER BY l.version LIMIT %b
) AS l ON true
WHERE l.version IS NOT NULL OR s.version IS NOT NULL
ORDER BY w.n, l.version

-- keep_snapshot: the newest one of a stream
INSERT INTO stele.snapshots AS s (agent_id, stream_id, version, position, event_id, correlation_id, fold, state)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (agent_id, stream_id) DO UPDATE SET version = excluded.version, position = excluded.position,
    event_id = excluded.event_id, correlation_id = excluded.correlation_id, fold = excluded.fold,
    state = excluded.state
WHERE excluded.version > s.version OR excluded.fold <> s.fold

-- read_streams: everything of some streams, to load aggregates
SELECT position, event_id, agent_id, stream_id, version, type, schema_version, data, occurred_at, recorded_at, actor,
       causation_id, correlation_id, traceparent, subjects
FROM stele.log WHERE agent_id = %s AND stream_id = ANY(%b) ORDER BY stream_id, version

-- read_positions: single events of one agent, to check evidence
SELECT position, event_id, agent_id, stream_id, version, type, schema_version, data, occurred_at, recorded_at, actor,
       causation_id, correlation_id, traceparent, subjects
FROM stele.log WHERE position = ANY(%b) AND agent_id = %s ORDER BY position

-- positions_about: where a person's key seals something (agent, person, after, before)
SELECT position FROM stele.log
WHERE agent_id = %s AND subjects @> ARRAY[%s]::uuid[] AND position > %s AND position < %s ORDER BY position

-- head: the newest position
SELECT position FROM stele.head

-- previous: the agent's last event before a position
SELECT position FROM stele.log WHERE agent_id = %s AND position < %s ORDER BY position DESC LIMIT 1

-- epoch: which history this is
SELECT epoch FROM stele.history
