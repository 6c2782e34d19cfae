-- find: the keys that are there of these persons
SELECT s.agent_id, s.subject_id, s.master_key_id, s.wrapped
FROM unnest(%b::uuid[], %b::uuid[]) AS w (agent_id, subject_id)
JOIN stele_keys.subject_keys s ON s.agent_id = w.agent_id AND s.subject_id = w.subject_id

-- add: a key that goes with no event
INSERT INTO stele_keys.subject_keys (agent_id, subject_id, master_key_id, wrapped)
VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING

-- others: keys that another master key wraps
SELECT agent_id, subject_id, master_key_id, wrapped FROM stele_keys.subject_keys
WHERE master_key_id <> %s LIMIT %s

-- rewrap: the same key under another master key, unless it was destroyed or wrapped anew meanwhile
UPDATE stele_keys.subject_keys SET master_key_id = %s, wrapped = %s
WHERE agent_id = %s AND subject_id = %s AND wrapped = %s

-- count: how many keys each master key wraps
SELECT master_key_id, count(*) FROM stele_keys.subject_keys GROUP BY master_key_id ORDER BY master_key_id
