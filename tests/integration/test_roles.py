"""Who may do what in the database (docs/adr/0015): every table and view, with rows of two tenants, as each role."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from psycopg import AsyncConnection, sql
from psycopg.errors import InsufficientPrivilege, InvalidTextRepresentation, ObjectNotInPrerequisiteState

from adapters.postgres.connect import pool
from adapters.postgres.log import PostgresLog
from adapters.postgres.tenant_log import TenantLog
from adapters.postgres.topics import PostgresTopics
from projections.ports import GenerationGone
from projections.topics import TOPICS
from tests.integration.histories import AGENTS
from tests.integration.roles import NOBODY, SCHEMAS, Relation, agents_in, fill, relations, under

Connection = AsyncConnection[Any]
_OWNERS = {"stele_owner", "stele_projector"}
NO_TENANTS = {
    "stele.history": "the epoch, which is in every cursor",
    "stele.head": "the last position, which is in every cursor",
    "stele.kinds": "types of events",
    "stele.generations": "builds of projections; the text of an error is not the reader's",
    "stele.as_of": "which generations hold the past",
    "stele.checkpoints": "where each generation is",
}
"""Relations without rows of tenants, and what they hold instead. A new one is a decision to be written here."""
READ_BY_TENANTS = {
    *("stele.log", "stele.entries", "stele.command_keys", "stele.snapshots"),
    *("stele.log_json", "stele.topics", "eventsourcing.stele_events"),
}
"""Where stele_reader sees its tenant's rows."""
SEEN_BY_READER = {"stele.history", "stele.head", "stele.generations", "stele.as_of"}
"""What else it may select from."""
_CALLS = """
SELECT format('SELECT %s(%s)', p.oid::regproc,
              (SELECT string_agg(format('NULL::%s', t::regtype), ', ') FROM unnest(p.proargtypes) AS t))
FROM pg_proc p
WHERE p.pronamespace = 'stele'::regnamespace AND p.prorettype <> 'trigger'::regtype AND p.proname <> 'tenant_v1'"""
"""Every function that can be called, but the one that says who the tenant is."""


@pytest.fixture
async def admin(database: str) -> AsyncIterator[Connection]:
    await fill(database)
    async with await AsyncConnection.connect(database, autocommit=True) as connection:
        yield connection


async def test_I10_every_table_and_view_has_a_decision_about_tenants(admin: Connection) -> None:
    """A new one without row-level security, or without a line in NO_TENANTS, fails here."""
    found = await relations(admin)
    assert {relation.kind for relation in found} == {"r", "p", "v"}
    whole = [relation for relation in found if not relation.partition]
    assert {str(relation) for relation in whole if not _of_tenants(relation)} == NO_TENANTS.keys()
    for relation in whole:
        if _of_tenants(relation):
            assert relation.secured, f"{relation} shows one tenant's rows to another"
            assert set(await agents_in(admin, relation)) - {NOBODY} == set(AGENTS), f"fill() leaves {relation} empty"
        assert relation.kind != "v" or relation.secured, f"{relation} has its owner's rights"
    owners = await admin.execute(
        "SELECT DISTINCT relowner::regrole::text FROM pg_class WHERE relnamespace::regnamespace::text = ANY (%s)",
        [SCHEMAS],
    )
    assert {row[0] for row in await owners.fetchall()} == _OWNERS


async def test_I10_a_reader_sees_its_tenant_everywhere_and_nobody_else(admin: Connection, database: str) -> None:
    for tenant in (*AGENTS, None):
        async with under(database, "stele_reader", tenant) as reader:
            read = set()
            for relation in await relations(admin):
                try:
                    seen = await _seen(reader, relation)
                except InsufficientPrivilege:
                    continue
                read.add(str(relation))
                if _of_tenants(relation):
                    there = await agents_in(admin, relation)
                    own = {} if tenant is None else {tenant: there[tenant]}
                    checkpoints = str(relation) == "stele.entries" and tenant is not None
                    assert seen == own | ({NOBODY: len(TOPICS)} if checkpoints else {}), relation
            assert read == READ_BY_TENANTS | SEEN_BY_READER


async def test_I10_a_tenant_that_is_no_id_is_an_error(admin: Connection, database: str) -> None:
    async with under(database, "stele_reader") as reader:
        await reader.execute("SET stele.agent_id = 'anybody'")
        with pytest.raises(InvalidTextRepresentation):
            await reader.execute("SELECT FROM stele.log")


async def test_I10_the_text_of_an_error_is_not_a_tenants_to_read(admin: Connection, database: str) -> None:
    async with under(database, "stele_reader", AGENTS[0]) as reader:
        for query in ("SELECT error FROM stele.generations", "SELECT * FROM stele.checkpoints"):
            with pytest.raises(InsufficientPrivilege):
                await reader.execute(query.encode())


async def test_I10_neither_statistics_nor_errors_tell_of_others(admin: Connection, database: str) -> None:
    """What Postgres knows of a column, and what a condition does that fails on rows which must not be seen."""
    await admin.execute("ANALYZE stele.log, stele.entries")
    others = [position for (position,) in await _positions(admin, AGENTS[1])]
    async with under(database, "stele_reader", AGENTS[0]) as reader:
        rows = await reader.execute("SELECT tablename FROM pg_stats WHERE schemaname IN ('stele', 'stele_keys')")
        assert {name for (name,) in await rows.fetchall()} <= {name.partition(".")[2] for name in SEEN_BY_READER}
        for position in others:
            await reader.execute("SELECT FROM stele.log WHERE 1 / (position - %s) IS NULL", [position])


async def test_I10_a_view_that_forgets_whose_rights_it_has_shows_nothing(admin: Connection, database: str) -> None:
    async with under(database, "stele_owner") as owner:
        for table in ("log", "entries", "command_keys", "snapshots"):
            await owner.execute(f"CREATE VIEW stele.careless_{table} AS SELECT agent_id FROM stele.{table}".encode())
            await owner.execute(f"GRANT SELECT ON stele.careless_{table} TO stele_reader".encode())
            async with under(database, "stele_reader", AGENTS[0]) as reader:
                assert await _count(reader, f"SELECT count(*) FROM stele.careless_{table}") == 0
            assert await _count(owner, f"SELECT count(*) FROM stele.careless_{table}") > 0, "the owner itself does"


async def test_I10_what_forgets_to_name_a_tenant_finds_nothing(admin: Connection, database: str) -> None:
    """The log that HTTP and sync have, and statements without a WHERE."""
    async with pool(database, "test", 2) as connections:
        tenants, log, topics = connections.tenants, TenantLog(connections), PostgresTopics(connections)
        assert len(await PostgresLog(connections).read(0, 1_000)) >= 300
        assert await log.read(0, 1_000) == []
        assert await log.head() >= 300
        for agent, other in (AGENTS, AGENTS[::-1]):
            mine = await log.read(0, 1_000, agent)
            assert {event.agent_id for event in mine} == {agent}
            assert set(await tenants.fetch(agent, "SELECT agent_id FROM stele.log", [])) == {(agent,)}
            assert await log.read_positions(other, [event.position for event in mine]) == []
            assert await log.read_streams(other, [event.stream_id for event in mine]) == []
            assert await log.load(other, [(event.stream_id, 0) for event in mine]) == []
            assert len(await log.load(agent, [(mine[0].stream_id, 0)])) > 0
            assert await tenants.fetch(agent, "SELECT FROM stele.log WHERE agent_id = %s", [other]) == []
        async with tenants.readers.connection() as bare:
            assert await _count(bare, "SELECT count(*) FROM stele.log") == 0
        serving = await topics.serving("actions")
        assert serving is not None
        keys = [
            {read.key for read in (await topics.page(serving.generation, a, None, 0, 1_000)).entries} for a in AGENTS
        ]
        assert keys[0]
        assert keys[0].isdisjoint(keys[1])
        assert await topics.one(serving.generation, AGENTS[1], min(keys[0])) is None
        assert await topics.one(serving.generation, AGENTS[0], min(keys[0])) is not None
        with pytest.raises(GenerationGone):
            await topics.page(serving.generation + 100, AGENTS[0], None, 0, 10)


@pytest.mark.parametrize("role", ["stele_reader", "stele_writer", "stele_projector", "stele_owner", "none"])
@pytest.mark.parametrize("change", ["UPDATE {} SET actor = ''", "DELETE FROM {}", "TRUNCATE {}"])
async def test_nobody_changes_the_log(admin: Connection, database: str, role: str, change: str) -> None:
    """Those who may not, by grant; the owner, and a superuser that has taken on no role, by trigger."""
    before = await _count(admin, "SELECT count(*) FROM stele.log")
    async with under(database, role) as connection:
        with pytest.raises(InsufficientPrivilege) as refused:
            await connection.execute(change.format("stele.log").encode())
    assert ("append-only" in str(refused.value)) == (role in ("stele_owner", "none"))
    assert await _count(admin, "SELECT count(*) FROM stele.log WHERE actor <> ''") == before


@pytest.mark.parametrize("role", ["stele_reader", "stele_writer", "stele_projector"])
async def test_only_the_owner_changes_what_protects_the_rows(admin: Connection, database: str, role: str) -> None:
    async with under(database, role, AGENTS[0]) as connection:
        for relation in await relations(admin):
            if role == "stele_projector" and relation.name.startswith("entries"):
                continue  # it has made them
            what = "VIEW" if relation.kind == "v" else "TABLE"
            for statement in (
                *("DROP {what} {it}", "ALTER {what} {it} OWNER TO {role}"),
                *("ALTER TABLE {it} ADD COLUMN more int", "ALTER TABLE {it} DISABLE ROW LEVEL SECURITY"),
                *("ALTER TABLE {it} DISABLE TRIGGER ALL", "CREATE POLICY more ON {it} USING (true)", "TRUNCATE {it}"),
                "CREATE TRIGGER more BEFORE INSERT ON {it} EXECUTE FUNCTION stele.refuse_change()",
            ):
                made = statement.format(what=what, it=relation, role=role)
                if what == "VIEW" and not made.startswith(("DROP", "ALTER VIEW")):
                    continue
                with pytest.raises(InsufficientPrivilege):
                    await connection.execute(made.encode())
        for statement in (
            "DROP TRIGGER append_only ON stele.log",
            "DROP SCHEMA stele_keys CASCADE",
            "SET session_replication_role = replica",
            "CREATE TABLE stele_keys.more (n int)",
            "ALTER FUNCTION stele.tenant_v1() SET stele.agent_id = ''",
            "CREATE OR REPLACE FUNCTION stele.tenant_v1() RETURNS uuid LANGUAGE sql RETURN NULL::uuid",
            "DROP POLICY tenant ON stele.log",
        ):
            with pytest.raises(InsufficientPrivilege):
                await connection.execute(statement.encode())


async def test_a_reader_writes_nothing_and_calls_nothing_that_does(admin: Connection, database: str) -> None:
    async with under(database, "stele_reader", AGENTS[0]) as reader:
        for relation in await relations(admin):
            columns = await admin.execute(
                "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0", [str(relation)]
            )
            one = sql.Identifier((await columns.fetchall())[0][0])
            for statement in ("INSERT INTO {0} DEFAULT VALUES", "UPDATE {0} SET {1} = DEFAULT", "DELETE FROM {0}",
                              "SELECT FROM {0} FOR UPDATE"):  # fmt: skip
                with pytest.raises((InsufficientPrivilege, ObjectNotInPrerequisiteState)):  # a view of a join cannot be
                    await reader.execute(sql.SQL(statement).format(relation.sql, one))
        calls = [call for (call,) in await (await admin.execute(_CALLS)).fetchall()]
        assert len(calls) >= 3
        for statement in (
            *calls,
            "CREATE TABLE stele.more (n int)",
            "CREATE FUNCTION stele.more() RETURNS int LANGUAGE sql RETURN 1",
            "COPY stele.log FROM STDIN",
        ):
            with pytest.raises(InsufficientPrivilege):
                await reader.execute(statement.encode())


async def test_a_writer_makes_no_entries_and_no_tables(admin: Connection, database: str) -> None:
    async with under(database, "stele_writer") as writer:
        for statement in (
            "INSERT INTO stele.entries VALUES (1, gen_random_uuid(), 'k', NULL, 1, '')",
            "UPDATE stele.entries SET position = 1",
            "DELETE FROM stele.entries",
            "UPDATE stele.generations SET live = true",
            "UPDATE stele.history SET epoch = '00000000'",
            "UPDATE stele.command_keys SET result = ''",
            "DELETE FROM stele.kinds",
            "DELETE FROM stele.head",
            "UPDATE stele_keys.subject_keys SET agent_id = subject_id",
            "SELECT stele.create_generation_v1('x', 1, false, true)",
            "CREATE TABLE stele.more (n int)",
        ):
            with pytest.raises(InsufficientPrivilege):
                await writer.execute(statement.encode())


async def test_I10_the_tables_of_generations_are_reached_through_their_parent_alone(
    admin: Connection, database: str
) -> None:
    """Also one that is made now, and by whom ever."""
    async with under(database, "stele_projector") as projector:
        await projector.execute("SELECT stele.create_generation_v1('more', 1, false, true)")
    await admin.execute("SELECT stele.create_generation_v1('most', 1, false, true)")
    partitions = [relation for relation in await relations(admin) if relation.partition]
    assert len(partitions) == len(TOPICS) + 2
    for role in ("stele_reader", "stele_writer"):
        async with under(database, role, AGENTS[0]) as connection:
            for partition in partitions:
                with pytest.raises(InsufficientPrivilege):
                    await connection.execute(sql.SQL("SELECT FROM {}").format(partition.sql))
    async with under(database, "stele_projector") as projector:
        for partition in partitions:
            await projector.execute(sql.SQL("DROP TABLE {}").format(partition.sql))


async def _seen(connection: Connection, relation: Relation) -> dict[UUID, int]:
    """Whose rows are seen, where rows are somebody's. Raises InsufficientPrivilege."""
    if _of_tenants(relation):
        return await agents_in(connection, relation)
    await connection.execute(sql.SQL("SELECT count(*) FROM {}").format(relation.sql))
    return {}


def _of_tenants(relation: Relation) -> bool:
    return relation.of_agents or str(relation) == "eventsourcing.stele_events"


async def _positions(connection: Connection, agent: UUID) -> list[tuple[int]]:
    rows = await connection.execute("SELECT position FROM stele.log WHERE agent_id = %s LIMIT 20", [agent])
    return await rows.fetchall()


async def _count(connection: Connection, query: str) -> int:
    row = await (await connection.execute(query.encode())).fetchone()
    return int(row[0]) if row is not None else 0
