"""States of the past: built once, kept for a while, and gone when they must be."""

import asyncio

import psutil
import psycopg
import pytest

from adapters.postgres.as_of import PostgresStates
from adapters.postgres.connect import Pool, connect
from adapters.postgres.entries import PostgresEntryStore
from domain.limits import AS_OF_KEPT_MAX, AS_OF_SECONDS
from projections.past import StillBuilding
from projections.topics import TOPICS
from tests.integration.histories import AGENTS, append, history
from tests.integration.pasts import SEED, Connection, Pasts, count, made, running, states, until
from tests.keys import MASTER
from workers.as_of import Builder, Dropper
from workers.past import BuiltPast


class TestWhatIsKept(Pasts):
    async def test_a_state_that_many_ask_for_is_built_once(self, connection: Connection, past: BuiltPast) -> None:
        await append(connection, history(SEED, 200))
        pages = await asyncio.gather(*(past.page("actions", 150, AGENTS[0], None, 0, 100) for _ in range(20)))
        assert len(set(pages)) == 1
        made = await connection.execute("SELECT topic FROM stele.generations")
        assert await made.fetchall() == [("actions",)]

    async def test_who_has_waited_long_enough_is_told_to_come_again_and_the_build_goes_on(
        self, database: str, connection: Connection, reading: Pool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("STELE_POSTGRES_URL", database)
        monkeypatch.setenv("STELE_MASTER_KEYS", MASTER)
        head = await append(connection, history(SEED, 200))
        async with running(BuiltPast(PostgresStates(reading), wait_seconds_max=0.2)) as past:
            async with await connect(database, "blocker", None) as blocker, blocker.transaction():
                await blocker.execute("LOCK TABLE stele.generations IN EXCLUSIVE MODE")
                with pytest.raises(StillBuilding):
                    await past.page("actions", head, AGENTS[0], None, 0, 100)

            async def built() -> bool:
                return await states(connection) == [("actions", head)]

            await until(built)
            assert (await past.page("actions", head, AGENTS[0], None, 0, 100)).entries

    async def test_a_builder_that_was_killed_is_replaced_and_what_it_left_is_dropped(
        self, connection: Connection, past: BuiltPast
    ) -> None:
        await append(connection, history(SEED, 300))
        before = await past.page("actions", 200, AGENTS[0], None, 0, 100)
        first = await made(connection)
        _builder().kill()

        async def gone() -> bool:
            return (
                await count(connection, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'stele as of'")
                == 0
            )

        await until(gone)
        assert await past.page("actions", 200, AGENTS[0], None, 0, 100) == before, "nobody needs the builder to read"
        assert await PostgresEntryStore(connection).sweep() == [first]
        assert await past.page("actions", 200, AGENTS[0], None, 0, 100) == before
        assert await states(connection) == [("actions", 200)]
        assert await PostgresEntryStore(connection).sweep() == [], "it belongs to the new builder"

    async def test_I12_as_many_states_are_kept_as_may_be_and_the_longest_unused_goes(
        self, connection: Connection, reading: Pool, builder: tuple[Builder, Dropper]
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
            return await count(connection, "SELECT count(*) FROM stele.generations") == AS_OF_KEPT_MAX

        await until(dropped)

    async def test_I12_a_state_that_nobody_reads_is_dropped_by_age(
        self, connection: Connection, builder: tuple[Builder, Dropper]
    ) -> None:
        await append(connection, history(SEED, 100))
        await builder[0].build(TOPICS["people"], 10)
        await builder[0].build(TOPICS["people"], 20)
        await connection.execute(
            "UPDATE stele.as_of SET used_at = used_at - make_interval(secs => %s) WHERE position = 10",
            [AS_OF_SECONDS + 1],
        )

        async def dropped() -> bool:
            return await count(connection, "SELECT count(*) FROM stele.generations") == 1

        await until(dropped)
        assert await states(connection) == [("people", 20)]

    async def test_a_snapshot_that_stays_open_keeps_no_build_waiting(
        self, database: str, connection: Connection, builder: tuple[Builder, Dropper]
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


def _builder() -> psutil.Process:
    return next(child for child in psutil.Process().children() if "as-of" in child.cmdline())
