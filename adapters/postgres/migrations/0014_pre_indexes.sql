-- A generation that nobody reads yet has one index, the primary key: the indexes that readers need are made when it is
-- built, which costs a third of keeping them up (docs/adr/0003). Each table has its own, without the generation, which is
-- the same in all its rows.

CREATE FUNCTION stele.index_generation_v1(generation integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE INDEX IF NOT EXISTS entries_%s_position ON stele.entries_%s (agent_id, position)',
                   generation, generation);
    EXECUTE format('CREATE INDEX IF NOT EXISTS entries_%s_space ON stele.entries_%s (agent_id, space_id, position)',
                   generation, generation);
END $$;

-- Entries that are there get theirs first; then the old ones go, which locks readers out for a moment.
SELECT stele.index_generation_v1(id) FROM stele.generations WHERE to_regclass('stele.entries_' || id) IS NOT NULL;
DROP INDEX stele.entries_position;
DROP INDEX stele.entries_space;

CREATE FUNCTION stele.create_generation_v2(topic text, version integer, live boolean, aside boolean)
RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    made integer;
BEGIN
    INSERT INTO stele.generations (topic, version, live, aside)
    VALUES (create_generation_v2.topic, create_generation_v2.version, create_generation_v2.live,
            create_generation_v2.aside)
    RETURNING generations.id INTO made;
    EXECUTE format('CREATE TABLE stele.entries_%s (LIKE stele.entries INCLUDING ALL)', made);
    EXECUTE format('ALTER TABLE stele.entries_%s OWNER TO stele_projector', made);
    EXECUTE format('ALTER TABLE stele.entries ATTACH PARTITION stele.entries_%s FOR VALUES IN (%s)', made, made);
    IF live THEN
        PERFORM stele.index_generation_v1(made);
    END IF;
    RETURN made;
END $$;

-- For projectors of the release before this one, which do not ask for the indexes later.
CREATE OR REPLACE FUNCTION stele.create_generation_v1(topic text, version integer, live boolean, aside boolean)
RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    made integer;
BEGIN
    made := stele.create_generation_v2(topic, version, live, aside);
    PERFORM stele.index_generation_v1(made);
    RETURN made;
END $$;

REVOKE EXECUTE ON FUNCTION stele.index_generation_v1(integer),
    stele.create_generation_v1(text, integer, boolean, boolean),
    stele.create_generation_v2(text, integer, boolean, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION stele.index_generation_v1(integer),
    stele.create_generation_v1(text, integer, boolean, boolean),
    stele.create_generation_v2(text, integer, boolean, boolean) TO stele_projector;
