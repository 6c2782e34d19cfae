-- Entries and checkpoints: all of it can be dropped and comes back from the log (invariant I1).

-- One build of a projection. At most one generation of a topic is live; others are being built beside it.
CREATE TABLE stele.generations (
    id             integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic          text    NOT NULL,
    version        integer NOT NULL,
    live           boolean NOT NULL,
    aside          boolean NOT NULL DEFAULT false, -- built to be compared or to take over by hand, not by the projector
    floor          bigint  NOT NULL DEFAULT 0,     -- tombstones up to here are pruned
    error          text,
    error_position bigint
);
CREATE UNIQUE INDEX generations_live ON stele.generations (topic) WHERE live;
CREATE UNIQUE INDEX generations_next ON stele.generations (topic, version) WHERE NOT live AND NOT aside;

-- The row of no agent with the empty key is the generation's checkpoint: whoever loses the entries loses it as well,
-- and the projector begins anew.
CREATE TABLE stele.entries (
    generation integer NOT NULL,
    agent_id   uuid    NOT NULL,
    key        text    COLLATE "C" NOT NULL,
    space_id   uuid,
    position   bigint  NOT NULL,
    value      bytea, -- canonical JSON; NULL is a tombstone
    PRIMARY KEY (generation, agent_id, key)
) PARTITION BY LIST (generation);
CREATE INDEX entries_position ON stele.entries (generation, agent_id, position);
CREATE INDEX entries_space ON stele.entries (generation, agent_id, space_id, position);

-- A generation with a table of its own: dropping it costs nothing, however many entries it has. The table is made first
-- and attached then, which locks out nobody; CREATE TABLE … PARTITION OF would lock every reader out.
CREATE FUNCTION stele.create_generation_v1(topic text, version integer, live boolean, aside boolean) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    made integer;
BEGIN
    INSERT INTO stele.generations (topic, version, live, aside)
    VALUES (create_generation_v1.topic, create_generation_v1.version, create_generation_v1.live,
            create_generation_v1.aside)
    RETURNING generations.id INTO made;
    EXECUTE format('CREATE TABLE stele.entries_%s (LIKE stele.entries INCLUDING ALL)', made);
    EXECUTE format('ALTER TABLE stele.entries ATTACH PARTITION stele.entries_%s FOR VALUES IN (%s)', made, made);
    RETURN made;
END $$;

-- Where each generation is; without a row its entries are lost and nothing of it can be served.
CREATE VIEW stele.checkpoints AS
    SELECT g.id AS generation, g.topic, g.version, g.live, g.aside, g.floor, g.error, g.error_position, e.position
    FROM stele.generations g
    JOIN stele.entries e ON e.generation = g.id AND e.agent_id = '00000000-0000-0000-0000-000000000000' AND e.key = '';

-- For people with psql.
CREATE VIEW stele.topics AS
    SELECT g.topic, g.version, e.agent_id, e.key, e.space_id, e.position,
           convert_from(e.value, 'UTF8')::jsonb AS value
    FROM stele.entries e JOIN stele.generations g ON g.id = e.generation
    WHERE g.live AND e.key <> '';
