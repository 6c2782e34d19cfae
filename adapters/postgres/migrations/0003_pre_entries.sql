-- Entries and checkpoints: all of it can be dropped and comes back from the log (invariant I1).

-- One build of a projection. At most one generation of a topic is live; others are being built beside it.
CREATE TABLE stele.generations (
    id             integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic          text    NOT NULL,
    version        integer NOT NULL,
    position       bigint  NOT NULL DEFAULT 0,
    live           boolean NOT NULL,
    aside          boolean NOT NULL DEFAULT false, -- built to be compared or to take over by hand, not by the projector
    floor          bigint  NOT NULL DEFAULT 0,     -- tombstones up to here are pruned
    error          text,
    error_position bigint
);
CREATE UNIQUE INDEX generations_live ON stele.generations (topic) WHERE live;
CREATE UNIQUE INDEX generations_next ON stele.generations (topic, version) WHERE NOT live AND NOT aside;

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

-- A generation with a table of its own: dropping it costs nothing, however many entries it has.
CREATE FUNCTION stele.create_generation_v1(topic text, version integer, live boolean, aside boolean) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    made integer;
BEGIN
    INSERT INTO stele.generations (topic, version, live, aside)
    VALUES (create_generation_v1.topic, create_generation_v1.version, create_generation_v1.live,
            create_generation_v1.aside)
    RETURNING generations.id INTO made;
    EXECUTE format('CREATE TABLE stele.entries_%s PARTITION OF stele.entries FOR VALUES IN (%s)', made, made);
    RETURN made;
END $$;

CREATE FUNCTION stele.drop_generation_v1(generation integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM stele.generations WHERE id = drop_generation_v1.generation;
    EXECUTE format('DROP TABLE IF EXISTS stele.entries_%s', drop_generation_v1.generation);
END $$;

-- For people with psql.
CREATE VIEW stele.topics AS
    SELECT g.topic, g.version, e.agent_id, e.key, e.space_id, e.position,
           convert_from(e.value, 'UTF8')::jsonb AS value
    FROM stele.entries e JOIN stele.generations g ON g.id = e.generation
    WHERE g.live;
