-- The floor: the log's columns, checks and indexes, and nothing of what an event log has to promise.
CREATE SCHEMA bench;
CREATE TABLE bench.raw (LIKE stele.log INCLUDING ALL);
