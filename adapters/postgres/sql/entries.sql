-- open: the generations of a topic that a projector may advance
SELECT id, topic, version, live FROM stele.generations WHERE topic = %s AND NOT aside ORDER BY live DESC, id

-- begin: a checkpoint for a generation that has none, new or because its entries were lost
INSERT INTO stele.entries (generation, agent_id, key, position)
VALUES (%s, '00000000-0000-0000-0000-000000000000', '', 0) ON CONFLICT DO NOTHING

-- checkpoint: where a generation is
SELECT position FROM stele.checkpoints WHERE generation = %s

-- create: a generation with its table (topic, version, live, aside)
SELECT stele.create_generation_v1(%s, %s, %s, %s)

-- claim: a generation that is built aside belongs to one builder, as long as its connection lives
SELECT pg_try_advisory_lock(1398031724, %s)

-- unclaimed: generations aside, whose builder may have died
SELECT id FROM stele.generations WHERE aside

-- forget: a generation whose table is gone
DELETE FROM stele.generations WHERE id = %s

-- retire: what a built generation replaces, the live one and older versions that were never finished (topic, the
-- built one, its version)
UPDATE stele.generations SET live = false, aside = true
WHERE topic = %s AND id <> %s AND (live OR NOT aside AND version < %s) RETURNING id

-- load: the entries that a page of events touches
SELECT e.agent_id, e.key, e.space_id, e.position, e.value
FROM unnest(%b::uuid[], %b::text[]) AS k (agent_id, key)
JOIN stele.entries e ON e.agent_id = k.agent_id AND e.key = k.key AND e.generation = %s

-- write: the entries that a page of events changed
INSERT INTO stele.entries AS e (generation, agent_id, key, space_id, position, value)
SELECT %s, c.* FROM unnest(%b::uuid[], %b::text[], %b::uuid[], %b::bigint[], %b::bytea[]) AS c
ON CONFLICT (generation, agent_id, key)
DO UPDATE SET space_id = excluded.space_id, position = excluded.position, value = excluded.value

-- live: the generation that readers see
SELECT generation, topic, version, position, live FROM stele.checkpoints WHERE topic = %s AND live

-- move: the checkpoint, if it is still where it was and nothing has taken over; the lock holds a take-over off until
-- the commit, in the order in which a take-over locks (generation, live, new position, generation, old position)
WITH still AS MATERIALIZED (
    SELECT FROM stele.generations WHERE id = %s AND live = %s FOR NO KEY UPDATE
)
UPDATE stele.entries SET position = %s
WHERE generation = %s AND agent_id = '00000000-0000-0000-0000-000000000000' AND key = '' AND position = %s
  AND EXISTS (SELECT FROM still)

-- stop: a fold failed here
UPDATE stele.generations SET error = %s, error_position = %s WHERE id = %s

-- go_on: the fold that had failed works again
UPDATE stele.generations SET error = NULL, error_position = NULL WHERE id = %s AND error IS NOT NULL

-- lock: every generation of a topic as it is now, so that no other one takes over or is dropped meanwhile
SELECT id, live FROM stele.generations WHERE topic = %s ORDER BY id FOR UPDATE

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

-- promote: a built generation takes over
UPDATE stele.generations SET live = true, aside = false WHERE id = %s

-- list: every generation, for people
SELECT g.id, g.topic, g.version, coalesce(c.position, 0), g.live, g.aside, g.floor, g.error, g.error_position
FROM stele.generations g LEFT JOIN stele.checkpoints c ON c.generation = g.id ORDER BY g.topic, g.live DESC, g.id

-- serving: what readers of a topic see now
SELECT c.generation, c.version, c.position, c.floor, h.epoch, head.position
FROM stele.checkpoints c, stele.history h, stele.head head WHERE c.topic = %s AND c.live

-- page: entries changed after a position, tombstones included, never splitting a position; and the checkpoint of the
-- same snapshot (generation, agent, space or null, after, limit)
WITH checkpoint AS (SELECT position FROM stele.checkpoints WHERE generation = %(generation)s AND live),
page AS (
    SELECT e.key, e.space_id, e.position, e.value FROM stele.entries e
    WHERE e.generation = %(generation)s AND e.agent_id = %(agent_id)s
      AND (%(space_id)s::uuid IS NULL OR e.space_id = %(space_id)s) AND e.position > %(after)s
    ORDER BY e.position FETCH FIRST %(limit)s ROWS WITH TIES
)
SELECT c.position, p.key, p.space_id, p.position, p.value
FROM checkpoint c LEFT JOIN page p ON true ORDER BY p.position, p.key

-- one: a single entry (generation, agent, key)
SELECT e.key, e.space_id, e.position, e.value FROM stele.entries e
WHERE e.generation = %s AND e.agent_id = %s AND e.key = %s

-- scan: every entry that is not a tombstone, in the order that digests are made in
SELECT agent_id, key, position, value FROM stele.entries
WHERE generation = %s AND value IS NOT NULL AND key <> '' ORDER BY agent_id, key
