"""States of the past, by the real process from a real Postgres: right, kept for a while, gone when they must be."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import psutil
import psycopg
import pytest
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from adapters.postgres.as_of import PostgresStates, PostgresStreams, StateShelf
from adapters.postgres.connect import connect, pool
from adapters.postgres.entries import PostgresEntryStore
from adapters.postgres.log import PostgresLog
from adapters.postgres.migrate import migrate
from adapters.postgres.topics import PostgresTopics
from domain.actions import ActionApproved
from domain.limits import AS_OF_KEPT_MAX, AS_OF_SECONDS, PAGE_ENTRIES_MAX
from projections.engine import Engine
from projections.past import NotBuilt, StillBuilding, fold
from projections.ports import Generation, Read
from projections.topics import TOPICS
from tests.integration.histories import AGENTS, append, history
from workers.as_of import Builder, Dropper
from workers.past import BuiltPast

SEED = 20_261_121
EVENTS = 1_500
Connection = AsyncConnection[Any]


@pytest.fixture
async def connection(database: str) -> AsyncIterator[Connection]:
    await migrate(database)
    async with await connect(database, "test") as connection:
        yield connection


@pytest.fixture
async def reading(database: str, connection: Connection) -> AsyncIterator[AsyncConnectionPool[Any]]:
    async with pool(database, "test", 4) as reading:
        yield reading


@pytest.fixture
async def past(
    database: str, reading: AsyncConnectionPool[Any], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[BuiltPast]:
    monkeypatch.setenv("STELE_POSTGRES_URL", database)
    async with running(BuiltPast(PostgresStates(reading))) as past:
        yield past


@contextlib.asynccontextmanager
async def running(past: BuiltPast) -> AsyncIterator[BuiltPast]:
    task = asyncio.create_task(past.run())
    yield past
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def states(connection: Connection) -> list[tuple[str, int]]:
    """Topic and position of what is kept."""
    rows = await connection.execute(
        "SELECT g.topic, a.position FROM stele.as_of a JOIN stele.generations g ON g.id = a.generation ORDER BY 1, 2"
    )
    return await rows.fetchall()


async def until(condition: Any) -> None:
    async with asyncio.timeout(20):
        while not await condition():
            await asyncio.sleep(0.01)


async def test_I4_a_state_of_the_past_equals_the_live_one_of_that_moment(
    connection: Connection, reading: AsyncConnectionPool[Any], past: BuiltPast
) -> None:
    """Digest for digest, at positions in any order, also of a topic that stood still there."""
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    head = await append(connection, history(SEED, EVENTS))
    log, topics = PostgresLog(reading), PostgresTopics(reading)
    moments = [*sorted(chance.sample(range(1, head), 9)), head]
    store = PostgresEntryStore(connection)
    seen: dict[tuple[str, int], tuple[str, list[Any]]] = {}
    for topic, projection in TOPICS.items():
        live = await store.open(topic, projection.version)
        for moment in moments:
            live = await _advance(Engine(log, store), live, moment)
            entries = [(await topics.page(live.id, agent, None, 0, PAGE_ENTRIES_MAX)).entries for agent in AGENTS]
            seen[topic, moment] = await topics.digest(live.id), entries
    chance.shuffle(moments)
    find = PostgresStates(reading).find
    for topic, projection in TOPICS.items():
        for moment in moments:
            pages = [await past.page(topic, moment, agent, None, 0, PAGE_ENTRIES_MAX) for agent in AGENTS]
            built = await find(topic, projection.version, moment)
            assert built is not None
            assert (await topics.digest(built), [page.entries for page in pages]) == seen[topic, moment]
            assert {page.checkpoint for page in pages} == {moment}
    assert len({digest for digest, _ in seen.values()}) > len(moments), "the history changes what is compared"


async def _advance(engine: Engine, generation: Generation, to: int) -> Generation:
    while generation.position < to:
        generation = await engine.advance(TOPICS[generation.topic], generation, up_to=to)
    return generation


async def test_pages_and_spaces_of_the_past_are_cut_as_those_of_now(connection: Connection, past: BuiltPast) -> None:
    head = await append(connection, history(SEED, EVENTS))
    space = UUID(int=1)
    whole = await past.page("actions", head - 100, AGENTS[0], space, 0, PAGE_ENTRIES_MAX)
    assert len(whole.entries) > 20
    assert {entry.space_id for entry in whole.entries} == {space}
    read: list[Read] = []
    after = 0
    while True:
        page = await past.page("actions", head - 100, AGENTS[0], space, after, 7)
        read += page.entries
        if not page.full:
            break
        after = page.entries[-1].position
    assert tuple(read) == whole.entries
    assert await past.page("actions", 0, AGENTS[0], None, 0, 10) == type(whole)((), 0, False)


async def test_an_aggregate_of_the_past_equals_its_entry(
    connection: Connection, reading: AsyncConnectionPool[Any], past: BuiltPast
) -> None:
    head = await append(connection, history(SEED, EVENTS))
    log, streams = PostgresLog(reading), PostgresStreams(reading)
    for moment in (head // 3, head // 2):
        page = await past.page("actions", moment, AGENTS[0], None, 0, PAGE_ENTRIES_MAX)
        for entry in page.entries:
            id = UUID(entry.key)
            events = [event for event in await log.read_streams(AGENTS[0], [id]) if event.position <= moment]
            folded = fold(TOPICS["actions"], entry.key, None, events)
            assert folded is not None
            assert (folded.position, folded.value) == (entry.position, entry.value)
            assert await streams.version(AGENTS[0], id, moment) == len(events)
            assert await streams.version(AGENTS[1], id, moment) == 0
            assert await streams.positions(AGENTS[0], id, 1, 9, moment) == [event.position for event in events[1:]]
            assert await streams.positions(AGENTS[1], id, 0, 9, moment) == []


async def test_a_state_that_many_ask_for_is_built_once(connection: Connection, past: BuiltPast) -> None:
    await append(connection, history(SEED, 200))
    pages = await asyncio.gather(*(past.page("actions", 150, AGENTS[0], None, 0, 100) for _ in range(20)))
    assert len(set(pages)) == 1
    made = await connection.execute("SELECT topic FROM stele.generations")
    assert await made.fetchall() == [("actions",)]


async def test_who_has_waited_long_enough_is_told_to_come_again_and_the_build_goes_on(
    database: str, connection: Connection, reading: AsyncConnectionPool[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STELE_POSTGRES_URL", database)
    head = await append(connection, history(SEED, 200))
    async with running(BuiltPast(PostgresStates(reading), wait_seconds_max=0.2)) as past:
        async with await connect(database, "blocker") as blocker, blocker.transaction():
            await blocker.execute("LOCK TABLE stele.generations IN EXCLUSIVE MODE")
            with pytest.raises(StillBuilding):
                await past.page("actions", head, AGENTS[0], None, 0, 100)

        async def built() -> bool:
            return await states(connection) == [("actions", head)]

        await until(built)
        assert (await past.page("actions", head, AGENTS[0], None, 0, 100)).entries


async def test_a_fold_that_fails_is_told_with_its_position_and_before_it_the_past_is_there(
    connection: Connection, past: BuiltPast
) -> None:
    head = await append(connection, history(SEED, 100))
    never = UUID(int=77)
    stray = ActionApproved(never, never, "note", "0" * 64, 1, "person", (await _now(connection)))
    await append(connection, [(AGENTS[0], never, 1, stray)])
    with pytest.raises(NotBuilt, match=f"actions stopped at position {head + 1}"):
        await past.page("actions", head + 1, AGENTS[0], None, 0, 10)
    assert (await past.page("actions", head, AGENTS[0], None, 0, 10)).checkpoint == head
    assert (await past.page("people", head + 1, AGENTS[0], None, 0, 10)).checkpoint == head + 1


async def _now(connection: Connection) -> Any:
    row = await (await connection.execute("SELECT now()")).fetchone()
    return row[0] if row is not None else None


async def test_I9_when_a_key_is_destroyed_every_state_of_the_past_is_built_anew(
    connection: Connection, past: BuiltPast
) -> None:
    await append(connection, history(SEED, 200))
    person = UUID(int=5)
    await connection.execute(
        "INSERT INTO stele_keys.subject_keys (agent_id, subject_id, master_key_id, wrapped) VALUES (%s, %s, 'm', '')",
        [AGENTS[0], person],
    )
    before = await past.page("transcripts", 150, AGENTS[0], None, 0, 100)
    made = await _made(connection)
    async with connection.transaction(force_rollback=True):
        await connection.execute("DELETE FROM stele_keys.subject_keys WHERE subject_id = %s", [person])
        assert await states(connection) == []
    assert await states(connection) == [("transcripts", 150)], "an erasure that did not happen forgets nothing"
    await connection.execute("DELETE FROM stele_keys.subject_keys WHERE subject_id = %s", [person])
    assert await past.page("transcripts", 150, AGENTS[0], None, 0, 100) == before
    assert await _made(connection) > made


async def _made(connection: Connection) -> int:
    row = await (await connection.execute("SELECT max(generation) FROM stele.as_of")).fetchone()
    return int(row[0]) if row is not None else 0


async def test_I9_a_state_that_was_being_built_when_a_key_was_destroyed_is_not_shown(connection: Connection) -> None:
    store, shelf = PostgresEntryStore(connection), StateShelf(connection)
    generation = await store.create_aside("people", 1)
    await shelf.begin(generation, 1)
    await connection.execute(
        "INSERT INTO stele_keys.subject_keys (agent_id, subject_id, master_key_id, wrapped) VALUES (%s, %s, 'm', '')",
        [AGENTS[0], UUID(int=5)],
    )
    await connection.execute("DELETE FROM stele_keys.subject_keys")
    assert not await shelf.finish(generation.id)


async def test_I1_a_state_whose_entries_are_lost_is_built_anew(connection: Connection, past: BuiltPast) -> None:
    await append(connection, history(SEED, 300))
    before = await past.page("actions", 200, AGENTS[0], None, 0, 100)
    assert before.entries
    await connection.execute("TRUNCATE stele.entries")
    assert await past.page("actions", 200, AGENTS[0], None, 0, 100) == before


async def test_a_builder_that_was_killed_is_replaced_and_what_it_left_is_dropped(
    connection: Connection, past: BuiltPast
) -> None:
    await append(connection, history(SEED, 300))
    before = await past.page("actions", 200, AGENTS[0], None, 0, 100)
    made = await _made(connection)
    _builder().kill()

    async def gone() -> bool:
        return (
            await _count(connection, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'stele as of'")
            == 0
        )

    await until(gone)
    assert await past.page("actions", 200, AGENTS[0], None, 0, 100) == before, "nobody needs the builder to read"
    assert await PostgresEntryStore(connection).sweep() == [made]
    assert await past.page("actions", 200, AGENTS[0], None, 0, 100) == before
    assert await states(connection) == [("actions", 200)]
    assert await PostgresEntryStore(connection).sweep() == [], "it belongs to the new builder"


def _builder() -> psutil.Process:
    return next(child for child in psutil.Process().children() if "as-of" in child.cmdline())


async def _count(connection: Connection, query: Any) -> int:
    row = await (await connection.execute(query)).fetchone()
    return int(row[0]) if row is not None else 0


@pytest.fixture
async def builder(
    database: str, reading: AsyncConnectionPool[Any], connection: Connection
) -> AsyncIterator[tuple[Builder, Dropper]]:
    """Within this process, so that a test sees what it keeps."""
    async with await connect(database, "building") as building, await connect(database, "dropping") as dropping:
        dropper = Dropper(StateShelf(dropping), PostgresEntryStore(dropping))
        task = asyncio.create_task(dropper.run())
        yield Builder(StateShelf(building), PostgresEntryStore(building), reading, dropper), dropper
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_I12_as_many_states_are_kept_as_may_be_and_the_longest_unused_goes(
    connection: Connection, reading: AsyncConnectionPool[Any], builder: tuple[Builder, Dropper]
) -> None:
    build, people = builder[0].build, TOPICS["people"]
    await append(connection, history(SEED, 100))
    for position in range(1, AS_OF_KEPT_MAX + 1):
        await build(people, position)
    await connection.execute("UPDATE stele.as_of SET used_at = used_at - interval '1 minute'")
    assert await PostgresStates(reading).find("people", people.version, 1) is not None
    await build(people, 50)
    await build(people, 51)
    kept = [position for _, position in await states(connection)]
    assert kept == [1, *range(4, AS_OF_KEPT_MAX + 1), 50, 51]

    async def dropped() -> bool:
        return await _count(connection, "SELECT count(*) FROM stele.generations") == AS_OF_KEPT_MAX

    await until(dropped)


async def test_I12_a_state_that_nobody_reads_is_dropped_by_age(
    connection: Connection, builder: tuple[Builder, Dropper]
) -> None:
    await append(connection, history(SEED, 100))
    await builder[0].build(TOPICS["people"], 10)
    await builder[0].build(TOPICS["people"], 20)
    await connection.execute(
        "UPDATE stele.as_of SET used_at = used_at - make_interval(secs => %s) WHERE position = 10", [AS_OF_SECONDS + 1]
    )

    async def dropped() -> bool:
        return await _count(connection, "SELECT count(*) FROM stele.generations") == 1

    await until(dropped)
    assert await states(connection) == [("people", 20)]


async def test_a_snapshot_that_stays_open_keeps_no_build_waiting(
    database: str, connection: Connection, builder: tuple[Builder, Dropper]
) -> None:
    """A drop waits for readers with old snapshots; builds do not wait for drops."""
    await append(connection, history(SEED, 100))
    build, dropper = builder
    await build.build(TOPICS["people"], 10)
    async with await psycopg.AsyncConnection.connect(database) as reader:
        await reader.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
        await reader.execute("SELECT count(*) FROM stele.entries")
        for generation in list(dropper.kept):
            await dropper.drop(generation)
        async with asyncio.timeout(5):
            await build.build(TOPICS["people"], 20)
        assert await states(connection) == [("people", 20)]
