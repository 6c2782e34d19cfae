-- Entries without the engine: the same table, the same indexes, the same upsert.
CREATE SCHEMA IF NOT EXISTS bench;
DROP TABLE IF EXISTS bench.entries, bench.checkpoint;
CREATE TABLE bench.entries (LIKE stele.entries INCLUDING ALL);
CREATE INDEX ON bench.entries (agent_id, position);
CREATE INDEX ON bench.entries (agent_id, space_id, position);
CREATE TABLE bench.checkpoint (position bigint NOT NULL);
INSERT INTO bench.checkpoint VALUES (0);
