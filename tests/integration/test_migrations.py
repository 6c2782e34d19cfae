"""From every earlier schema to the newest one: nothing is lost, everything works; and what happens when it fails."""

import asyncio
import os
import subprocess
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import AsyncConnection, sql

from adapters.memory.entries import MemoryEntryStore, Shelf
from adapters.memory.topics import MemoryTopics
from adapters.postgres.appender import Appender
from adapters.postgres.connect import connect, pool
from adapters.postgres.entries import PostgresEntryStore
from adapters.postgres.log import PostgresLog
from adapters.postgres.migrate import SchemaNewer, migrate, migrations
from adapters.postgres.topics import PostgresTopics
from domain.events import NewEvent
from domain.ports import Appended, Conflict, Expectation, Repeated, Transaction
from projections.ports import EntryStore
from projections.topics import TOPICS
from tests.folding import advance
from tests.hub import STELE
from tests.integration.histories import AGENTS, append, history

Connection = AsyncConnection[Any]
Rows = dict[str, list[tuple[Any, ...]]]
SEED = 20_261_121
EVENTS = 120
NAMES = [name for name in migrations() if "_pre_" in name]
LATER = [name for name in migrations() if "_post_" in name]
_TABLES = """
SELECT n.nspname, c.relname, ARRAY(SELECT attname::text FROM pg_attribute a
    WHERE a.attrelid = c.oid AND attnum > 0 AND NOT attisdropped ORDER BY attnum)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname IN ('stele', 'stele_keys') AND c.relkind IN ('r', 'p') AND NOT c.relispartition"""
_KEYS = "INSERT INTO stele.command_keys VALUES (%s, 'k', '\\x01', 7, 8, '{}', '2026-01-01')"
_ROWS = {
    "0003_pre_entries": (
        "SELECT stele.create_generation_v1('by hand', 7, true, false)",
        "SELECT stele.create_generation_v1('by hand', 8, false, true)",
        "INSERT INTO stele.entries SELECT id, '00000000-0000-0000-0000-000000000000', '', NULL, 5, NULL"
        " FROM stele.generations",
        "INSERT INTO stele.entries SELECT id, gen_random_uuid(), 'k', NULL, 3, '\\x7b7d' FROM stele.generations",
    ),
    "0004_pre_append": (
        "INSERT INTO stele.kinds SELECT type, schema_version, min(position) FROM stele.log GROUP BY 1, 2"
        " ON CONFLICT DO NOTHING",
        "INSERT INTO stele.snapshots SELECT agent_id, stream_id, version, position, event_id, correlation_id, 'f', ''"
        " FROM stele.log WHERE version = 1 AND position < 9",
        "INSERT INTO stele_keys.subject_keys VALUES (gen_random_uuid(), gen_random_uuid(), 'm', '\\x00', now())",
    ),
    "0012_pre_as_of": ("INSERT INTO stele.as_of SELECT max(id), 5 FROM stele.generations",),
}
"""By the migration that made the tables: what a release of that time may have left in them."""


@pytest.mark.parametrize("earlier", range(1, len(NAMES)), ids=lambda n: NAMES[n - 1] if isinstance(n, int) else "")
async def test_every_earlier_schema_comes_to_the_newest_with_all_that_is_in_it(database: str, earlier: int) -> None:
    """Ownership, rights and policies included: the parts of the hub do their work in it, each under its role."""
    print(f"seed {SEED}")
    all_ = migrations()
    await migrate(database, source={name: all_[name] for name in NAMES[:earlier]})
    async with await AsyncConnection.connect(database, autocommit=True) as connection:
        await append(connection, history(SEED, EVENTS))
        await connection.execute(_KEYS.encode(), [AGENTS[0]])
        for name in NAMES[:earlier]:
            for statement in _ROWS.get(name, ()):
                await connection.execute(statement.encode())
        before = await _rows(connection)
        assert await migrate(database) == NAMES[earlier:]
        assert await _rows(connection, before) == before
        owners = await connection.execute(
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p', 'v')"
            " AND relnamespace::regnamespace::text IN ('stele', 'stele_keys')"
            " AND relowner::regrole::text NOT IN ('stele_owner', 'stele_projector')"
        )
        assert await owners.fetchall() == []
    await _goes_on(database)


async def test_a_schema_is_whole_when_nothing_of_older_releases_is_left_in_it(database: str) -> None:
    await migrate(database)
    async with await AsyncConnection.connect(database, autocommit=True) as connection:
        await append(connection, history(SEED, EVENTS))
        for name in NAMES:
            for statement in (_KEYS,) if name == "0002_pre_append" else _ROWS.get(name, ())[:1]:
                await connection.execute(statement.encode(), [AGENTS[0]] if name == "0002_pre_append" else None)
        assert await migrate(database, "post") == LATER
    await _goes_on(database)


async def test_a_migration_with_an_earlier_number_may_come_later(database: str) -> None:
    """Two branches number theirs without knowing of each other."""
    rights = [name for name in NAMES if name in ("0008_pre_roles", "0013_pre_as_of_rights")]
    await migrate(database, source={name: sql for name, sql in migrations().items() if name not in rights})
    async with await AsyncConnection.connect(database, autocommit=True) as connection:
        await append(connection, history(SEED, EVENTS))
        await connection.execute(_KEYS.encode(), [AGENTS[0]])
        await connection.execute(_ROWS["0004_pre_append"][0].encode())
    assert await migrate(database) == rights
    await _goes_on(database)


async def test_several_processes_migrate_at_once_and_one_does_it(database: str) -> None:
    done = await asyncio.gather(*(migrate(database) for _ in range(8)))
    assert sorted(filter(None, done)) == [NAMES]


async def test_a_migration_that_fails_leaves_nothing_half_done(database: str) -> None:
    """What came before it stays, what comes after it is not tried, and the next start goes on there."""
    broken = {
        **migrations(),
        "0901_pre_fine": "CREATE TABLE stele.fine (n int); INSERT INTO stele.fine VALUES (1)",
        "0902_pre_broken": "CREATE TABLE stele.half (n int); UPDATE stele.fine SET n = 2; SELECT 1 / 0",
        "0903_pre_after": "CREATE TABLE stele.after (n int)",
    }
    with pytest.raises(psycopg.errors.DivisionByZero):
        await migrate(database, source=broken)
    async with await AsyncConnection.connect(database, autocommit=True) as connection:
        assert await _one(connection, "SELECT n FROM stele.fine") == 1
        assert await _one(connection, "SELECT to_regclass('stele.half')") is None
        assert await _one(connection, "SELECT to_regclass('stele.after')") is None
    mended = {**broken, "0902_pre_broken": "CREATE TABLE stele.half (n int)"}
    assert await migrate(database, source=mended) == ["0902_pre_broken", "0903_pre_after"]


async def test_a_process_that_dies_while_it_migrates_holds_nobody_up(database: str) -> None:
    slow = {**migrations(), "0901_pre_slow": "CREATE TABLE stele.slow (n int); SELECT pg_sleep(600)"}
    task = asyncio.create_task(migrate(database, source=slow))
    async with await AsyncConnection.connect(database, autocommit=True) as connection:
        asleep = "SELECT max(pid) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
        async with asyncio.timeout(20):
            while (pid := await _one(connection, asleep)) is None:
                await asyncio.sleep(0.01)
        waiting = asyncio.create_task(migrate(database))
        await connection.execute("SELECT pg_terminate_backend(%s)", [pid])
        with pytest.raises(psycopg.OperationalError):
            await task
        assert await waiting == []
        assert await _one(connection, "SELECT to_regclass('stele.slow')") is None


async def test_what_comes_after_the_older_release_waits_until_it_is_gone(database: str) -> None:
    """`pre` leaves the `post` ones alone, also those with earlier numbers; `post` applies all, in order."""
    phased = {
        **migrations(),
        "0901_pre_new": "CREATE TABLE stele.new (n int)",
        "0902_post_old": "DROP TABLE stele.new",
        "0903_pre_newer": "CREATE TABLE stele.newer (n int)",
    }
    assert await migrate(database, source=phased) == [*NAMES, "0901_pre_new", "0903_pre_newer"]
    assert await migrate(database, source=phased) == []
    assert await migrate(database, "post", {**phased, "0904_pre_newest": "SELECT 1"}) == [
        *LATER,
        "0902_post_old",
        "0904_pre_newest",
    ]


async def test_a_database_of_a_newer_release_is_left_alone(database: str) -> None:
    await migrate(database, source={**migrations(), "0901_pre_newer": "SELECT 1"})
    with pytest.raises(SchemaNewer, match="0901_pre_newer"):
        await migrate(database)


async def test_later_migrations_run_as_the_owner_and_may_step_out_of_it(database: str) -> None:
    source = {
        **migrations(),
        "0901_pre_table": "CREATE TABLE stele.more (n int)",
        "0902_pre_entries": "CREATE INDEX by_value ON stele.entries (value)",
        "0903_pre_extension": "RESET ROLE; CREATE EXTENSION vector; SET ROLE stele_owner; CREATE TABLE stele.most ()",
    }
    await migrate(database, source=source)
    async with await AsyncConnection.connect(database, autocommit=True) as connection:
        for table in ("more", "most"):
            owner = await _one(connection, f"SELECT relowner::regrole::text FROM pg_class WHERE relname = '{table}'")
            assert owner == "stele_owner"


async def test_a_migration_of_the_owner_sees_the_rows_of_all_tenants(database: str) -> None:
    """One that has data to move must not find the log empty."""
    await migrate(database)
    async with await AsyncConnection.connect(database, autocommit=True) as connection:
        await append(connection, history(SEED, EVENTS))
    counting = "CREATE TABLE stele.counted AS SELECT count(DISTINCT agent_id) AS agents FROM stele.log"
    await migrate(database, source={**migrations(), "0901_pre_count": counting})
    async with await AsyncConnection.connect(database, autocommit=True) as connection:
        assert await _one(connection, "SELECT agents FROM stele.counted") == len(AGENTS)


def test_several_hubs_set_up_one_empty_database_at_once_and_make_one_agent(database: str, tmp_path: Path) -> None:
    keys = {"STELE_POSTGRES_URL": database, "STELE_MASTER_KEYS": "tests:" + "A" * 43}
    hubs = [
        subprocess.Popen(
            [*STELE, "bootstrap", "--token-file", str(tmp_path / f"{n}.token")],
            env={**os.environ, **keys, "STELE_DATA": str(tmp_path / str(n))},
        )
        for n in range(5)
    ]
    assert [hub.wait(120) for hub in hubs] == [0] * len(hubs)
    tokens = {file.read_text() for file in tmp_path.glob("*.token")}
    assert len(tokens) == len(hubs)
    with psycopg.connect(database) as connection:
        agents = connection.execute("SELECT count(*) FROM stele.log WHERE type LIKE '%.AgentCreated'").fetchone()
        assert agents == (1,)


async def _rows(connection: Connection, of: Rows | None = None) -> Rows:
    """Columns and rows of every table, or of those in `of` what there was."""
    found: Rows = {}
    for schema, table, columns in await (await connection.execute(_TABLES)).fetchall():
        name = f"{schema}.{table}"
        if of is not None:
            if name not in of:
                continue
            columns = list(of[name][0])
        query = sql.SQL("SELECT {} FROM {}").format(
            sql.SQL(", ").join(map(sql.Identifier, columns)), sql.Identifier(schema, table)
        )
        rows = await (await connection.execute(query)).fetchall()
        assert rows, f"{name} is empty: the test says nothing of it"
        found[name] = [tuple(columns), *sorted(rows, key=repr)]
    return found


async def _goes_on(database: str) -> None:
    """The log is read and appended to, and every topic folds to what it folds to in a database that was always new."""
    async with (
        Appender(database) as appender,
        pool(database, "test", 2) as connections,
        await connect(database, "test", "stele_projector") as own,
    ):
        log, topics, store = PostgresLog(connections, appender), PostgresTopics(connections), PostgresEntryStore(own)
        head = await log.head()
        events = await log.read(0, 1_000)
        assert [event.position for event in events] == list(range(1, head + 1))
        assert [(event.agent_id, event.stream_id, event.version, event.payload) for event in events] == history(
            SEED, EVENTS
        )
        assert {(type_, version) for type_, version, _ in await log.kinds()} == {
            (event.type, event.schema_version) for event in events
        }
        assert [e for agent in AGENTS for e in await log.read(0, 1_000, agent)] == sorted(
            events, key=lambda event: AGENTS.index(event.agent_id)
        )
        shelf = Shelf()
        for topic in TOPICS:
            live = await _folded(log, store, topic, head)
            in_memory = await _folded(log, MemoryEntryStore(shelf), topic, head)
            pages = MemoryTopics(shelf, log)
            for agent in AGENTS:
                page = await topics.page(live, agent, None, 0, 1_000)
                assert page == await pages.page(in_memory, agent, None, 0, 1_000)
                assert page.entries or topic not in ("spaces", "people", "transcripts", "actions")
        last = events[-1]
        event = NewEvent(
            *(last.event_id, last.stream_id, last.version + 1, last.payload, last.occurred_at),
            *("test", None, last.correlation_id, None),
        )
        seen = (Expectation(last.stream_id, last.version),)
        assert await log.append(Transaction(last.agent_id, (event,), seen)) == Appended(head + 1, head + 1)
        assert isinstance(await log.append(Transaction(last.agent_id, (event,), seen)), Conflict)
        again = Transaction(AGENTS[0], (), (), "k", b"\x01", b"{}")
        assert await log.append(again) == Repeated(7, 8, b"{}"), "a command of before is known"


async def _folded(log: PostgresLog, store: EntryStore, topic: str, head: int) -> int:
    """The generation of a topic, with everything up to the head in it."""
    generation = await store.open(topic, TOPICS[topic].version)
    while generation.position < head:
        generation = await advance(log, store, TOPICS[topic], generation)
    return generation.id


async def _one(connection: Connection, query: str) -> Any:
    row = await (await connection.execute(query.encode())).fetchone()
    return None if row is None else row[0]
