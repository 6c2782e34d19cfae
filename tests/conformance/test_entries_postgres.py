"""What only a database can do to entries: lose them, lock readers out, wait for snapshots, break half-way."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest
from psycopg import IsolationLevel
from psycopg.errors import AdminShutdown

from adapters.postgres.connect import connect
from adapters.postgres.entries import PostgresEntryStore
from projections.ports import BuildRunning, CheckpointMoved, Topics
from tests.conformance.entries import AGENT, entry, listed
from tests.conformance.entries_building import Kill
from tests.conformance.entries_postgres import Connection, PostgresEntries, until_it_waits


class TestPostgresOnly(PostgresEntries):
    @pytest.fixture
    async def snapshot(self, database: str, store: PostgresEntryStore) -> AsyncIterator[Connection]:
        """Somebody who has read entries in a REPEATABLE READ transaction that goes on."""
        await store.save(await store.open("notes", 1), [entry("k", 1)], 1)
        async with await connect(database, "snapshot") as connection:
            await connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
            await connection.set_autocommit(False)
            await connection.execute("SELECT count(*) FROM stele.entries")
            yield connection

    async def test_I1_a_topic_whose_entries_are_lost_begins_anew(
        self, store: PostgresEntryStore, connections: list[Connection], topics: Topics
    ) -> None:
        before = await store.save(await store.open("notes", 1), [entry("k", 5)], 5)
        await connections[1].execute("TRUNCATE stele.entries")
        assert await topics.serving("notes") is None
        assert await store.live("notes") is None
        with pytest.raises(CheckpointMoved):
            await store.save(before, [], 6)
        again = await store.open("notes", 1)
        assert (again.id, again.position, again.live) == (before.id, 0, True)
        assert await store.load(again.id, [(AGENT, "k")]) == []

    async def test_I1_a_generation_whose_entries_are_lost_takes_nothing_over(
        self, store: PostgresEntryStore, second: PostgresEntryStore, connections: list[Connection]
    ) -> None:
        await store.open("notes", 1)
        built = await second.save(await second.create_aside("notes", 1), [entry("k", 5)], 5)
        await connections[1].execute("TRUNCATE stele.entries")
        again = await store.save(await store.open("notes", 1), [entry("k", 5)], 5)
        with pytest.raises(CheckpointMoved):
            await second.take_over(built)
        assert await store.live("notes") == again

    async def test_readers_go_on_while_a_generation_is_made_beside_an_open_snapshot(
        self, store: PostgresEntryStore, topics: Topics, snapshot: Connection
    ) -> None:
        live = await store.open("notes", 1)
        async with asyncio.timeout(5):
            await store.create_aside("notes", 1)
            await store.open("tasks", 1)
            assert len((await topics.page(live.id, AGENT, None, 0, 10)).entries) == 1

    async def test_readers_go_on_while_a_generation_is_dropped_beside_an_open_snapshot(
        self,
        store: PostgresEntryStore,
        second: PostgresEntryStore,
        topics: Topics,
        connections: list[Connection],
        snapshot: Connection,
    ) -> None:
        live = await store.open("notes", 1)
        aside = await second.create_aside("notes", 1)
        dropping = asyncio.create_task(second.drop(aside.id))
        await until_it_waits(connections[0], connections[1])
        async with asyncio.timeout(5):
            assert len((await topics.page(live.id, AGENT, None, 0, 10)).entries) == 1
            await store.save(live, [entry("l", 2)], 2)
            await store.open("tasks", 1)
        assert not dropping.done()
        await snapshot.rollback()
        await asyncio.wait_for(dropping, 5)
        assert await listed(topics, aside) is None

    async def test_a_drop_that_was_killed_half_way_does_not_stand_in_the_way_of_others(
        self,
        store: PostgresEntryStore,
        second: PostgresEntryStore,
        topics: Topics,
        connections: list[Connection],
        snapshot: Connection,
        kill_second: Kill,
    ) -> None:
        half_dropped, other = await second.create_aside("notes", 1), await second.create_aside("notes", 1)
        dropping = asyncio.create_task(second.drop(half_dropped.id))
        await until_it_waits(connections[0], connections[1])
        await kill_second()
        with pytest.raises(AdminShutdown):
            await dropping
        await snapshot.rollback()
        await asyncio.wait_for(store.drop(other.id), 5)
        assert await listed(topics, other) is None
        await asyncio.wait_for(store.drop(half_dropped.id), 5)
        assert await listed(topics, half_dropped) is None

    async def test_two_generations_are_dropped_at_once(
        self,
        store: PostgresEntryStore,
        second: PostgresEntryStore,
        topics: Topics,
        connections: list[Connection],
        snapshot: Connection,
    ) -> None:
        one, two = await store.create_aside("notes", 1), await second.create_aside("tasks", 1)
        first = asyncio.create_task(store.drop(one.id))
        await until_it_waits(snapshot, connections[0])
        then = asyncio.create_task(second.drop(two.id))
        await until_it_waits(snapshot, connections[1])
        await snapshot.rollback()
        await asyncio.wait_for(asyncio.gather(first, then), 5)
        assert (await listed(topics, one), await listed(topics, two)) == (None, None)

    async def test_a_drop_leaves_the_connection_as_it_was(
        self, store: PostgresEntryStore, connections: list[Connection]
    ) -> None:
        before = await (await connections[0].execute("SHOW statement_timeout")).fetchone()
        await store.drop((await store.create_aside("notes", 1)).id)
        assert await (await connections[0].execute("SHOW statement_timeout")).fetchone() == before
        held = await connections[0].execute("SELECT FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1")
        assert held.rowcount == 0

    async def test_a_new_build_is_never_seen_unclaimed(
        self, second: PostgresEntryStore, connections: list[Connection], topics: Topics
    ) -> None:
        slow = _Slow(connections[0])
        building = asyncio.create_task(slow.create_aside("notes", 1))
        await slow.claiming.wait()
        other = asyncio.create_task(second.create_aside("tasks", 1))  # drops whatever it finds unclaimed
        await asyncio.wait({other}, timeout=0.1)
        slow.go_on.set()
        mine, theirs = await asyncio.wait_for(asyncio.gather(building, other), 5)
        assert await listed(topics, mine) is not None
        assert await listed(topics, theirs) is not None

    async def test_I5_a_save_that_comes_upon_a_take_over_is_not_made(
        self, store: PostgresEntryStore, second: PostgresEntryStore, connections: list[Connection]
    ) -> None:
        old, new = await store.open("notes", 1), await second.create_aside("notes", 1)
        async with connections[1].transaction():
            assert await second.take_over(new) == (old.id,)
            saving = asyncio.create_task(store.save(old, [entry("k", 1)], 1))
            await until_it_waits(connections[1], connections[0])
        with pytest.raises(CheckpointMoved):
            await saving

    async def test_I5_a_take_over_that_comes_upon_a_save_waits_and_sees_it(
        self, store: PostgresEntryStore, second: PostgresEntryStore, connections: list[Connection]
    ) -> None:
        old, new = await store.open("notes", 1), await second.create_aside("notes", 1)
        async with connections[0].transaction():
            await store.save(old, [entry("k", 1)], 1)
            taking_over = asyncio.create_task(second.take_over(new))
            await until_it_waits(connections[0], connections[1])
        assert await taking_over is None, "the live one is ahead now"

    async def test_of_two_that_take_over_at_once_the_one_that_is_ahead_stays(
        self, store: PostgresEntryStore, second: PostgresEntryStore, connections: list[Connection]
    ) -> None:
        await store.open("notes", 1)
        behind = await second.create_aside("notes", 1)
        ahead = await store.save(await store.create_aside("notes", 1), [], 5)
        async with connections[0].transaction():
            await store.take_over(ahead)
            taking_over = asyncio.create_task(second.take_over(behind))
            await until_it_waits(connections[0], connections[1])
        assert await taking_over is None
        live = await store.live("notes")
        assert live is not None
        assert live.id == ahead.id

    async def test_as_much_is_built_at_a_time_as_may_be(
        self, store: PostgresEntryStore, second: PostgresEntryStore, kill_second: Kill, database: str
    ) -> None:
        await store.take_slot()
        await second.take_slot()
        async with await connect(database, "third", "stele_projector") as third:
            with pytest.raises(BuildRunning) as refused:
                await PostgresEntryStore(third).take_slot()
            assert refused.value.code == "overloaded"
            await kill_second()
            await PostgresEntryStore(third).take_slot()

    async def test_entries_are_found_by_their_key_before_postgres_knows_anything_of_them(
        self, store: PostgresEntryStore, connections: list[Connection]
    ) -> None:
        """Without statistics, Postgres once took an index that begins with the agent, and read all its entries."""
        generation = await store.create_aside("notes", 1)
        many = [entry(f"k{n:05}", n) for n in range(1, 20_001)]
        generation = await store.save(generation, many, 20_000, new=True)
        async with asyncio.timeout(5):  # 20 000 times an index of three levels, or 20 000 times 20 000 entries
            for page in range(0, 20_000, 5_000):
                keys = [(AGENT, one.key) for one in many[page : page + 5_000]]
                assert len(await store.load(generation.id, keys)) == 5_000

    async def test_entries_and_checkpoint_are_one_transaction(
        self, store: PostgresEntryStore, connections: list[Connection]
    ) -> None:
        generation = await store.open("notes", 1)
        with pytest.raises(psycopg.Error):
            await store.save(generation, [entry("fine", 1), entry("\0", 2)], 2)
        assert await store.open("notes", 1) == generation
        assert await store.load(generation.id, [(AGENT, "fine")]) == []


class _Slow(PostgresEntryStore):
    """Takes its time between making a generation and claiming it."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self.claiming, self.go_on = asyncio.Event(), asyncio.Event()

    async def _claim(self, generation: int) -> bool:
        self.claiming.set()
        await self.go_on.wait()
        return await super()._claim(generation)
