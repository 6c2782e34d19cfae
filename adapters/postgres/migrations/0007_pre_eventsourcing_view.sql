-- The log in the shape that a stock application of the Python library `eventsourcing` selects from (docs/adr/0013):
-- POSTGRES_SCHEMA=eventsourcing, CREATE_TABLE=no, and an application called Stele, which reads `stele_events`.
CREATE SCHEMA eventsourcing;

-- `state` is the envelope with the event's exact bytes in it. Rights and row-level security are those of the reader.
-- The list of agents, found by one step of the index for each, lets a stream be looked up without its agent.
CREATE VIEW eventsourcing.stele_events WITH (security_invoker = true) AS
    SELECT l.stream_id       AS originator_id,
           l.version::bigint AS originator_version,
           l.type            AS topic,
           convert_to(json_build_object(
               'position', l.position,
               'event_id', l.event_id,
               'agent_id', l.agent_id,
               'stream_id', l.stream_id,
               'version', l.version,
               'type', l.type,
               'schema_version', l.schema_version,
               'data', convert_from(l.data, 'UTF8')::json,
               'occurred_at', to_char(l.occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
               'recorded_at', to_char(l.recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
               'actor', l.actor,
               'causation_id', l.causation_id,
               'correlation_id', l.correlation_id,
               'traceparent', l.traceparent,
               'subjects', coalesce(l.subjects, '{}')
           )::text, 'UTF8')  AS state,
           l.position        AS notification_id
    FROM stele.log l
    WHERE l.agent_id = ANY (ARRAY(
        WITH RECURSIVE agents (agent_id) AS (
            (SELECT agent_id FROM stele.log ORDER BY agent_id LIMIT 1)
            UNION ALL
            SELECT (SELECT n.agent_id FROM stele.log n WHERE n.agent_id > a.agent_id ORDER BY n.agent_id LIMIT 1)
            FROM agents a WHERE a.agent_id IS NOT NULL)
        SELECT agent_id FROM agents WHERE agent_id IS NOT NULL));
