-- append: a batch of commands; see migrations/0002_pre_append.sql
SELECT * FROM stele.append_v1(
    %b::uuid[], %b::text[], %b::bytea[], %b::bytea[],
    %b::integer[], %b::uuid[], %b::integer[],
    %b::integer[], %b::uuid[], %b::uuid[], %b::integer[], %b::text[], %b::smallint[],
    %b::bytea[], %b::timestamptz[], %b::text[], %b::uuid[], %b::uuid[], %b::text[])

-- landed: which of these first events of a batch are in the log, and up to where their command goes
SELECT e.n::integer, l.position
FROM unnest(%b::uuid[], %b::uuid[], %b::integer[], %b::uuid[])
     WITH ORDINALITY AS e (agent_id, stream_id, version, event_id, n)
JOIN stele.log l ON l.agent_id = e.agent_id AND l.stream_id = e.stream_id AND l.version = e.version
                AND l.event_id = e.event_id

-- read: a page of the whole log, for the hub's own readers
SELECT position, event_id, agent_id, stream_id, version, type, schema_version, data, occurred_at, recorded_at, actor,
       causation_id, correlation_id, traceparent
FROM stele.log WHERE position > %s ORDER BY position LIMIT %s

-- read_agent: a page of one agent's events
SELECT position, event_id, agent_id, stream_id, version, type, schema_version, data, occurred_at, recorded_at, actor,
       causation_id, correlation_id, traceparent
FROM stele.log WHERE position > %s AND agent_id = %s ORDER BY position LIMIT %s

-- read_streams: everything of some streams, to load aggregates
SELECT position, event_id, agent_id, stream_id, version, type, schema_version, data, occurred_at, recorded_at, actor,
       causation_id, correlation_id, traceparent
FROM stele.log WHERE agent_id = %s AND stream_id = ANY(%b) ORDER BY stream_id, version

-- read_positions: single events of one agent, to check evidence
SELECT position, event_id, agent_id, stream_id, version, type, schema_version, data, occurred_at, recorded_at, actor,
       causation_id, correlation_id, traceparent
FROM stele.log WHERE position = ANY(%b) AND agent_id = %s ORDER BY position

-- head: the newest position
SELECT position FROM stele.head

-- previous: the agent's last event before a position
SELECT position FROM stele.log WHERE agent_id = %s AND position < %s ORDER BY position DESC LIMIT 1

-- epoch: which history this is
SELECT epoch FROM stele.history
