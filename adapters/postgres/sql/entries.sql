-- by_key: this connection looks entries up by their keys, however small a table was when a statement was planned
SET enable_seqscan = off

-- open: the generations of a topic that a projector may advance
SELECT id, topic, version, live FROM stele.generations WHERE topic = %s AND NOT aside ORDER BY live DESC, id

-- begin: a checkpoint for a generation that has none, new or because its entries were lost
INSERT INTO stele.entries (generation, agent_id, key, position)
VALUES (%s, '00000000-0000-0000-0000-000000000000', '', 0) ON CONFLICT DO NOTHING

-- checkpoint: where a generation is
SELECT position FROM stele.checkpoints WHERE generation = %s

-- create: a generation with its table (topic, version, live, aside)
SELECT stele.create_generation_v2(%s, %s, %s, %s)

-- index: what readers of a generation need
SELECT stele.index_generation_v1(%s)

-- claim: a generation that is built aside belongs to one builder, as long as its connection lives
SELECT pg_try_advisory_lock(1398031724, %s)

-- unclaim: it is gone, or nobody's
SELECT pg_advisory_unlock(1398031724, %s)

-- slot: one of the places for rebuilds and verifications, as long as the connection lives
SELECT pg_try_advisory_lock(1398031726, %s)

-- unclaimed: generations aside, whose builder may have died; a rebuild that can be gone on with stays
SELECT id FROM stele.generations WHERE aside AND NOT resumable

-- resumable: the rebuild of a topic that is under way, or was
SELECT id, version FROM stele.generations WHERE topic = %s AND resumable

-- resume_later: should its builder die, the next one goes on with it
UPDATE stele.generations SET resumable = true WHERE id = %s

-- forget: a generation whose table is gone
DELETE FROM stele.generations WHERE id = %s

-- retire: what a built generation replaces, the live one and those of its version or older ones that were never finished
-- (topic, the built one, its version)
UPDATE stele.generations SET live = false, aside = true
WHERE topic = %s AND id <> %s AND (live OR NOT aside AND version <= %s) RETURNING id

-- load: the entries that a page of events touches (agents, keys, generation). "The first from this key on" can only be
-- found by the primary key; for "this key", Postgres takes any index that begins with the agent while it has no statistics
SELECT e.agent_id, e.key, e.space_id, e.position, e.value
FROM unnest(%b::uuid[], %b::text[]) AS k (agent_id, key)
CROSS JOIN LATERAL (
    SELECT * FROM stele.entries
    WHERE generation = %b AND agent_id = k.agent_id AND key >= k.key ORDER BY key LIMIT 1
) AS e
WHERE e.key = k.key

-- naming: entries of an agent whose value holds these bytes (generation, agent, after this key, bytes, limit)
SELECT agent_id, key, space_id, position, value FROM stele.entries
WHERE generation = %s AND agent_id = %s AND key > %s AND value IS NOT NULL AND position(%s::bytea IN value) > 0
ORDER BY key LIMIT %s

-- save: a page. The checkpoint moves if it is still where it was and nothing has taken over, and only then is anything
-- written. The lock holds a take-over off until the commit, in the order in which a take-over locks.
WITH still AS MATERIALIZED (
    SELECT FROM stele.generations WHERE id = %(generation)b AND live = %(live)b FOR NO KEY UPDATE
),
moved AS (
    UPDATE stele.entries SET position = %(to)b
    WHERE generation = %(generation)b AND agent_id = '00000000-0000-0000-0000-000000000000' AND key = ''
      AND position = %(from)b AND EXISTS (SELECT FROM still)
    RETURNING 1
),
written AS (
    INSERT INTO stele.entries AS e (generation, agent_id, key, space_id, position, value)
    SELECT %(generation)b, c.*
    FROM unnest(%(agents)b::uuid[], %(keys)b::text[], %(spaces)b::uuid[], %(positions)b::bigint[], %(values)b::bytea[])
        AS c
    WHERE EXISTS (SELECT FROM moved)
    ON CONFLICT (generation, agent_id, key)
    DO UPDATE SET space_id = excluded.space_id, position = excluded.position, value = excluded.value
),
went_on AS (
    UPDATE stele.generations SET error = NULL, error_position = NULL
    WHERE id = %(generation)b AND error IS NOT NULL AND EXISTS (SELECT FROM moved)
)
SELECT count(*) FROM moved

-- add: as `save`, of entries that are all new, which costs the server a quarter to a half less; raises unique_violation otherwise
WITH still AS MATERIALIZED (
    SELECT FROM stele.generations WHERE id = %(generation)b AND live = %(live)b FOR NO KEY UPDATE
),
moved AS (
    UPDATE stele.entries SET position = %(to)b
    WHERE generation = %(generation)b AND agent_id = '00000000-0000-0000-0000-000000000000' AND key = ''
      AND position = %(from)b AND EXISTS (SELECT FROM still)
    RETURNING 1
),
written AS (
    INSERT INTO stele.entries (generation, agent_id, key, space_id, position, value)
    SELECT %(generation)b, c.*
    FROM unnest(%(agents)b::uuid[], %(keys)b::text[], %(spaces)b::uuid[], %(positions)b::bigint[], %(values)b::bytea[])
        AS c
    WHERE EXISTS (SELECT FROM moved)
),
went_on AS (
    UPDATE stele.generations SET error = NULL, error_position = NULL
    WHERE id = %(generation)b AND error IS NOT NULL AND EXISTS (SELECT FROM moved)
)
SELECT count(*) FROM moved

-- live: the generation that readers see
SELECT generation, topic, version, position, live FROM stele.checkpoints WHERE topic = %s AND live

-- still: a generation's checkpoint, and whether readers see it
SELECT position, live FROM stele.checkpoints WHERE generation = %s

-- stop: a fold failed here
UPDATE stele.generations SET error = %s, error_position = %s WHERE id = %s

-- lock: every generation of a topic as it is now, so that no other one takes over or is dropped meanwhile
SELECT id, live, version, revision FROM stele.generations WHERE topic = %s ORDER BY id FOR UPDATE

-- hold: a generation's checkpoint, still until the end of the transaction
SELECT position FROM stele.entries
WHERE generation = %s AND agent_id = '00000000-0000-0000-0000-000000000000' AND key = '' FOR UPDATE

-- dropping: one at a time, because Postgres detaches one partition of a table at a time
SELECT pg_advisory_lock(1398031725)

-- dropped: the next one
SELECT pg_advisory_unlock(1398031725)

-- pending: a table that somebody who died had begun to detach; until that is finished no other one can be
SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'stele.entries'::regclass AND i.inhdetachpending

-- promote: a built generation takes over (revision, generation)
UPDATE stele.generations SET live = true, aside = false, resumable = false, revision = %s WHERE id = %s

-- durable: a commit on disk, with everything before it, whatever the connection does otherwise
SET LOCAL synchronous_commit = on

-- hold_live: the live generation of a topic; it is neither advanced nor replaced until the end of the transaction
SELECT id FROM stele.generations WHERE topic = %s AND live FOR SHARE

-- whole_tables: for one transaction, the opposite of by_key
SET LOCAL enable_seqscan = on

-- differences: entries of a live and a built generation that are not the same, as far as the live one has come, and of
-- those that the built one has changed since, none: the first, and how many there are
SELECT coalesce(l.agent_id, b.agent_id), coalesce(l.key, b.key), least(l.position, b.position), l.position, b.position,
       count(*) OVER ()
FROM (SELECT * FROM stele.entries WHERE generation = %(live)s AND key <> '') AS l
FULL JOIN (SELECT * FROM stele.entries WHERE generation = %(built)s AND key <> '') AS b
    ON b.agent_id = l.agent_id AND b.key = l.key
WHERE (b.position IS NULL OR b.position <= %(up_to)s)
  AND (l.position IS NULL OR b.position IS NULL OR l.position <> b.position
       OR l.value IS DISTINCT FROM b.value OR l.space_id IS DISTINCT FROM b.space_id)
ORDER BY 3, 1, 2 LIMIT 1

-- list: every generation, for people
SELECT g.id, g.topic, g.version, coalesce(c.position, 0), g.live, g.aside, g.floor, g.error, g.error_position,
       g.revision
FROM stele.generations g LEFT JOIN stele.checkpoints c ON c.generation = g.id ORDER BY g.topic, g.live DESC, g.id

-- serving: what readers of a topic see now
SELECT c.generation, c.version, c.revision, c.position, c.floor, h.epoch, head.position
FROM stele.checkpoints c, stele.history h, stele.head head WHERE c.topic = %s AND c.live

-- page: entries changed after a position, tombstones included, never splitting a position; and the checkpoint of the
-- same snapshot (generation, agent, space or null, after, limit)
WITH checkpoint AS (
    SELECT e.position FROM stele.generations g JOIN stele.entries e ON e.generation = g.id
    WHERE g.id = %(generation)s AND g.live AND e.generation = %(generation)s
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

-- one: a single entry (generation, agent, key, key); see `load`
SELECT e.key, e.space_id, e.position, e.value
FROM (SELECT * FROM stele.entries WHERE generation = %s AND agent_id = %s AND key >= %s ORDER BY key LIMIT 1) AS e
WHERE e.key = %s

-- scan: every entry that is not a tombstone, in the order that digests are made in, with the hash of its value
SELECT agent_id, key, position, sha256(value) FROM stele.entries
WHERE generation = %s AND value IS NOT NULL AND key <> '' ORDER BY agent_id, key
