-- Four roles without a login, and row-level security (docs/adr/0015). The login that a process connects with is a member of
-- them and takes one on for as long as it is connected.
--
-- stele_owner: migrations · stele_projector: entries and their tables · stele_writer: the rest of the hub's own work ·
-- stele_reader: one tenant's reads

-- Roles belong to the whole server, and another database of it may make them at this moment.
DO $$
DECLARE
    wanted text;
    missing boolean;
    login text := quote_ident(current_user);
    may_set text := CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN 'SET' ELSE 'MEMBER' END;
BEGIN
    FOREACH wanted IN ARRAY ARRAY[
        'CREATE ROLE stele_owner NOLOGIN', 'CREATE ROLE stele_projector NOLOGIN', 'CREATE ROLE stele_writer NOLOGIN',
        'CREATE ROLE stele_reader NOLOGIN', 'GRANT stele_projector TO stele_owner',
        'GRANT stele_owner TO ' || login, 'GRANT stele_projector TO ' || login, 'GRANT stele_writer TO ' || login,
        'GRANT stele_reader TO ' || login]
    LOOP
        FOR attempt IN 1..10 LOOP
            missing := CASE
                WHEN wanted LIKE 'CREATE%' THEN to_regrole(split_part(wanted, ' ', 3)) IS NULL
                WHEN wanted LIKE '%TO stele_owner' THEN NOT pg_has_role('stele_owner', 'stele_projector', 'USAGE')
                ELSE NOT pg_has_role(split_part(wanted, ' ', 2), may_set)
            END;
            EXIT WHEN NOT missing;
            BEGIN
                EXECUTE wanted;
            EXCEPTION
                WHEN duplicate_object OR unique_violation OR internal_error THEN -- "tuple concurrently updated"
                    IF attempt = 10 THEN
                        RAISE;
                    END IF;
                WHEN insufficient_privilege THEN
                    RAISE EXCEPTION '% may not make the roles that Stele works under', current_user
                    USING ERRCODE = 'insufficient_privilege', HINT = format(
                        'as an administrator of this Postgres run, leaving out the roles that are there: '
                        'CREATE ROLE stele_owner NOLOGIN; CREATE ROLE stele_projector NOLOGIN; '
                        'CREATE ROLE stele_writer NOLOGIN; CREATE ROLE stele_reader NOLOGIN; '
                        'GRANT stele_projector TO stele_owner; '
                        'GRANT stele_owner, stele_projector, stele_writer, stele_reader TO %s;', login);
            END;
        END LOOP;
    END LOOP;
END $$;

-- Whoever makes a generation, also a projector of the release before this one: its table is the projector's.
CREATE OR REPLACE FUNCTION stele.create_generation_v1(topic text, version integer, live boolean, aside boolean)
RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    made integer;
BEGIN
    INSERT INTO stele.generations (topic, version, live, aside)
    VALUES (create_generation_v1.topic, create_generation_v1.version, create_generation_v1.live,
            create_generation_v1.aside)
    RETURNING generations.id INTO made;
    EXECUTE format('CREATE TABLE stele.entries_%s (LIKE stele.entries INCLUDING ALL)', made);
    EXECUTE format('ALTER TABLE stele.entries_%s OWNER TO stele_projector', made);
    EXECUTE format('ALTER TABLE stele.entries ATTACH PARTITION stele.entries_%s FOR VALUES IN (%s)', made, made);
    RETURN made;
END $$;

-- The tenant whose rows stele_reader sees; none when nobody said. After a transaction that said it, the setting is empty.
CREATE FUNCTION stele.tenant_v1() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
    RETURN nullif(current_setting('stele.agent_id', true), '')::uuid;

-- Views show what their reader may see, not what their owner may.
ALTER VIEW stele.log_json SET (security_invoker = true);
ALTER VIEW stele.checkpoints SET (security_invoker = true);
ALTER VIEW stele.topics SET (security_invoker = true);

-- Policies before owners: they are made by whoever has made the tables.
--
-- Forced, so that it holds for the owner too: what merely runs with the owner's rights, as a view that is not its
-- reader's would, is not the owner and sees nothing. A login that is a member of the owner is, as it was before.
DO $$
DECLARE
    held regclass;
    owner text;
BEGIN
    FOREACH held IN ARRAY ARRAY['stele.log', 'stele.command_keys', 'stele.snapshots', 'stele.entries',
                                'stele_keys.subject_keys']::regclass[]
    LOOP
        owner := CASE held WHEN 'stele.entries'::regclass THEN 'stele_projector' ELSE 'stele_owner' END;
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', held);
        EXECUTE format('CREATE POLICY owner ON %s TO %s USING ((SELECT pg_has_role(%L, ''USAGE'')))', held, owner, owner);
        IF held <> 'stele_keys.subject_keys'::regclass THEN
            EXECUTE format('CREATE POLICY tenant ON %s FOR SELECT TO stele_reader USING (agent_id = (SELECT stele.tenant_v1()))',
                           held);
        END IF;
    END LOOP;
END $$;
CREATE POLICY hub ON stele.log FOR SELECT TO stele_writer USING (true);
CREATE POLICY hub_appends ON stele.log FOR INSERT TO stele_writer WITH CHECK (true);
CREATE POLICY hub ON stele.command_keys TO stele_writer USING (true);
CREATE POLICY hub ON stele.snapshots TO stele_writer USING (true);
CREATE POLICY hub ON stele.entries FOR SELECT TO stele_writer USING (true);
CREATE POLICY hub ON stele_keys.subject_keys TO stele_writer USING (true);
-- A page says where its generation is; that row is no tenant's.
CREATE POLICY checkpoint ON stele.entries FOR SELECT TO stele_reader USING (
    agent_id = '00000000-0000-0000-0000-000000000000' AND key = '' AND (SELECT stele.tenant_v1()) IS NOT NULL);

GRANT USAGE ON SCHEMA stele TO stele_owner, stele_projector, stele_writer, stele_reader;
GRANT USAGE ON SCHEMA stele_keys TO stele_owner, stele_writer;
GRANT USAGE ON SCHEMA eventsourcing TO stele_owner, stele_writer, stele_reader;
GRANT CREATE ON SCHEMA stele, stele_keys, eventsourcing TO stele_owner;
GRANT CREATE ON SCHEMA stele TO stele_projector; -- each generation has a table of its own

GRANT SELECT, INSERT ON stele.log, stele.kinds TO stele_writer;
GRANT SELECT, UPDATE ON stele.head TO stele_writer;
GRANT SELECT, INSERT, DELETE, UPDATE (recorded_at) ON stele.command_keys TO stele_writer; -- pruning locks what it deletes
GRANT SELECT, INSERT, UPDATE, DELETE ON stele.snapshots TO stele_writer;
GRANT SELECT, INSERT, DELETE, UPDATE (master_key_id, wrapped) ON stele_keys.subject_keys TO stele_writer;
GRANT SELECT ON stele.history, stele.entries, stele.generations TO stele_writer;
GRANT SELECT ON stele.log_json, stele.checkpoints, stele.topics, eventsourcing.stele_events TO stele_writer;

GRANT SELECT, INSERT, UPDATE, DELETE ON stele.generations TO stele_projector;
GRANT SELECT ON stele.history, stele.head, stele.checkpoints TO stele_projector;

GRANT SELECT ON stele.log, stele.command_keys, stele.snapshots, stele.entries TO stele_reader;
GRANT SELECT ON stele.history, stele.head TO stele_reader; -- every cursor holds them
GRANT SELECT (id, topic, version, live, aside, floor, revision) ON stele.generations TO stele_reader; -- errors quote
GRANT SELECT ON stele.log_json, stele.topics, eventsourcing.stele_events TO stele_reader;

GRANT SELECT, INSERT ON public.stele_migrations TO stele_owner;

-- Everything has its owner from now on; migrations that come later run as stele_owner (adapters/postgres/migrate.py).
DO $$
DECLARE
    command text;
BEGIN
    FOR command IN
        SELECT format('ALTER TABLE %s OWNER TO %I', c.oid::regclass,
                      CASE WHEN c.relname ~ '^entries(_[0-9]+)?$' THEN 'stele_projector' ELSE 'stele_owner' END)
        FROM pg_class c
        WHERE c.relnamespace::regnamespace::text IN ('stele', 'stele_keys', 'eventsourcing')
          AND c.relkind IN ('r', 'p', 'v')
        UNION ALL
        SELECT format('ALTER FUNCTION %s OWNER TO stele_owner', p.oid::regprocedure)
        FROM pg_proc p WHERE p.pronamespace::regnamespace::text IN ('stele', 'stele_keys', 'eventsourcing')
    LOOP
        EXECUTE command;
    END LOOP;
END $$;
ALTER SCHEMA eventsourcing OWNER TO stele_owner;
ALTER SCHEMA stele_keys OWNER TO stele_owner;
ALTER SCHEMA stele OWNER TO stele_owner;
