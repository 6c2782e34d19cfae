-- find: the generation that holds a topic as it was, if it is built and whole (topic, version, position)
SELECT a.generation FROM stele.as_of a JOIN stele.checkpoints c ON c.generation = a.generation AND c.position = a.position
WHERE a.ready AND c.topic = %s AND c.version = %s AND a.position = %s LIMIT 1

-- nearest: a generation to go on from, built up to an earlier position (topic, version, position)
SELECT a.generation FROM stele.as_of a JOIN stele.checkpoints c ON c.generation = a.generation AND c.position = a.position
WHERE a.ready AND c.topic = %s AND c.version = %s AND a.position < %s ORDER BY a.position DESC LIMIT 1

-- use: somebody has read it; said at most every few seconds
UPDATE stele.as_of SET used_at = clock_timestamp()
WHERE generation = %s AND used_at < clock_timestamp() - interval '5 seconds'

-- page: entries changed after a position, as the page of a live topic; no row when it was dropped (generation, agent,
-- space or null, after, limit)
WITH checkpoint AS (
    SELECT a.position FROM stele.as_of a JOIN stele.entries e ON e.generation = a.generation AND e.position = a.position
    WHERE a.generation = %(generation)s AND a.ready AND e.generation = %(generation)s
      AND e.agent_id = '00000000-0000-0000-0000-000000000000' AND e.key = ''
),
page AS (
    SELECT e.key, e.space_id, e.position, e.value FROM stele.entries e
    WHERE e.generation = %(generation)s AND e.agent_id = %(agent_id)s
      AND (%(space_id)s::uuid IS NULL OR e.space_id = %(space_id)s) AND e.position > %(after)s
    ORDER BY e.position FETCH FIRST %(limit)s ROWS WITH TIES
)
SELECT c.position, p.key, p.space_id, p.position, p.value
FROM checkpoint c LEFT JOIN page p ON true ORDER BY p.position, p.key

-- begin: it is being built (generation, position)
INSERT INTO stele.as_of (generation, position) VALUES (%s, %s)

-- copy: the entries of another generation with its checkpoint, all or, when it is gone, none (to, from)
INSERT INTO stele.entries AS e (generation, agent_id, key, space_id, position, value)
SELECT %s, b.agent_id, b.key, b.space_id, b.position, b.value FROM stele.entries b WHERE b.generation = %s
ORDER BY b.agent_id, b.position -- as an index has them, so that none is sorted and the new indexes grow at their ends
ON CONFLICT (generation, agent_id, key) DO UPDATE SET position = excluded.position

-- no_timeout: a large generation takes its time to copy
SET LOCAL statement_timeout = 0

-- checkpoint: where a generation is
SELECT position FROM stele.checkpoints WHERE generation = %s

-- index: what readers of a generation need, as in entries.sql
SELECT stele.index_generation_v1(%s)

-- finish: it is built; no row when it was forgotten meanwhile
UPDATE stele.as_of SET ready = true, used_at = clock_timestamp() WHERE generation = %s

-- kept: what is kept, the longest unused first, with the seconds since somebody used it
SELECT generation, position, extract(epoch FROM clock_timestamp() - used_at)::float8 FROM stele.as_of ORDER BY used_at

-- forget: nobody finds it any more
DELETE FROM stele.as_of WHERE generation = %s

-- release: the claim of a generation that is dropped, as in entries.sql
SELECT pg_advisory_unlock(1398031724, %s)

-- stream_version: the version that a stream had at a position (agent, stream, position)
SELECT version FROM stele.log WHERE agent_id = %s AND stream_id = %s AND position <= %s ORDER BY version DESC LIMIT 1

-- stream_page: where the events of a stream are (agent, stream, after this version, up to this one, position)
SELECT position FROM stele.log
WHERE agent_id = %s AND stream_id = %s AND version > %s AND version <= %s AND position <= %s ORDER BY version
