"""What tests of the past share: a database with a history, the serving process's way to the past, a builder."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from psycopg import AsyncConnection

from adapters.postgres.as_of import PostgresStates, StateShelf
from adapters.postgres.connect import Pool, connect, pool
from adapters.postgres.entries import PostgresEntryStore
from adapters.postgres.migrate import migrate
from tests.keys import MASTER, vault
from workers.as_of import Builder, Dropper
from workers.past import BuiltPast

SEED = 20_261_121
EVENTS = 1_500
Connection = AsyncConnection[Any]


class Pasts:
    """Inherit for the fixtures."""

    @pytest.fixture
    async def connection(self, database: str) -> AsyncIterator[Connection]:
        """The database's owner, who may do everything."""
        await migrate(database)
        async with await AsyncConnection.connect(database, autocommit=True) as connection:
            yield connection

    @pytest.fixture
    async def reading(self, database: str, connection: Connection) -> AsyncIterator[Pool]:
        async with pool(database, "test", 4) as reading:
            yield reading

    @pytest.fixture
    async def past(self, database: str, reading: Pool, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[BuiltPast]:
        monkeypatch.setenv("STELE_POSTGRES_URL", database)
        monkeypatch.setenv("STELE_MASTER_KEYS", MASTER)
        async with running(BuiltPast(PostgresStates(reading))) as past:
            yield past

    @pytest.fixture
    async def builder(
        self, database: str, reading: Pool, connection: Connection
    ) -> AsyncIterator[tuple[Builder, Dropper]]:
        """Within this process, so that a test sees what it keeps."""
        async with (
            await connect(database, "building", "stele_projector") as building,
            await connect(database, "dropping", "stele_projector") as dropping,
        ):
            dropper = Dropper(StateShelf(dropping), PostgresEntryStore(dropping))
            task = asyncio.create_task(dropper.run())
            shelf, store = StateShelf(building), PostgresEntryStore(building)
            yield Builder(shelf, store, reading, dropper, lambda: vault(reading)), dropper
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


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


async def made(connection: Connection) -> int:
    row = await (await connection.execute("SELECT max(generation) FROM stele.as_of")).fetchone()
    return int(row[0]) if row is not None else 0


async def count(connection: Connection, query: Any) -> int:
    row = await (await connection.execute(query)).fetchone()
    return int(row[0]) if row is not None else 0
