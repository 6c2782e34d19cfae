-- Time travel: which generations hold a topic as it was at a position (docs/adr/0012). Like all generations they come
-- from the log and can be dropped.
CREATE TABLE stele.as_of (
    generation integer     PRIMARY KEY REFERENCES stele.generations ON DELETE CASCADE,
    position   bigint      NOT NULL,
    ready      boolean     NOT NULL DEFAULT false,
    used_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Whoever erases a person must not leave their words in a state of the past: with the key go all of these, in the same
-- transaction, those that are being built as well. What is left of the entries is nobody's and is dropped.
CREATE FUNCTION stele.forget_the_past() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    DELETE FROM stele.as_of;
    RETURN NULL;
END $$;
CREATE TRIGGER forget_the_past AFTER DELETE ON stele_keys.subject_keys
    FOR EACH STATEMENT EXECUTE FUNCTION stele.forget_the_past();

-- Keys of commands are pruned by age. They come in the order of time, so a BRIN index finds the old ones and costs the
-- appender next to nothing.
CREATE INDEX command_keys_recorded ON stele.command_keys USING brin (recorded_at) WITH (pages_per_range = 16);
