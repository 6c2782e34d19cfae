-- What a rebuild leaves behind for the next one, and what it changed.

-- Counts the rebuilds of one version that changed an entry; with the version, it is what cursors carry (docs/adr/0011).
ALTER TABLE stele.generations ADD COLUMN revision integer NOT NULL DEFAULT 0 CHECK (revision BETWEEN 0 AND 999999);

-- Built aside to take over: when its builder dies, the next rebuild of the topic goes on with it. There is one at most, and
-- it belongs to whoever holds its advisory lock.
ALTER TABLE stele.generations ADD COLUMN resumable boolean NOT NULL DEFAULT false;
CREATE UNIQUE INDEX generations_resumable ON stele.generations (topic) WHERE resumable;

CREATE OR REPLACE VIEW stele.checkpoints AS
    SELECT g.id AS generation, g.topic, g.version, g.live, g.aside, g.floor, g.error, g.error_position, e.position,
           g.revision
    FROM stele.generations g
    JOIN stele.entries e ON e.generation = g.id AND e.agent_id = '00000000-0000-0000-0000-000000000000' AND e.key = '';
