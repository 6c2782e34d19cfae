"""Two processes, each with a connection of its own, at the entries of one real database."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, LiteralString

import pytest
from psycopg import AsyncConnection
from psycopg.conninfo import make_conninfo

from adapters.postgres.connect import connect, pool
from adapters.postgres.entries import PostgresEntryStore
from adapters.postgres.migrate import migrate
from adapters.postgres.topics import PostgresTopics
from tests.conformance.entries_building import Kill

Connection = AsyncConnection[Any]


class PostgresEntries:
    """The fixtures of EntryStoreContract, BuildingContract and TopicsContract."""

    @pytest.fixture
    async def connections(self, database: str) -> AsyncIterator[list[Connection]]:
        await migrate(database)
        async with (
            await connect(database, "one", "stele_projector") as one,
            await connect(database, "two", "stele_projector") as two,
        ):
            yield [one, two]

    @pytest.fixture
    def store(self, connections: list[Connection]) -> PostgresEntryStore:
        return PostgresEntryStore(connections[0])

    @pytest.fixture
    def second(self, connections: list[Connection]) -> PostgresEntryStore:
        return PostgresEntryStore(connections[1])

    @pytest.fixture
    async def topics(self, database: str, connections: list[Connection]) -> AsyncIterator[PostgresTopics]:
        async with pool(database, "topics", 1) as reading:
            yield PostgresTopics(reading)

    @pytest.fixture
    def kill_second(self, connections: list[Connection]) -> Kill:
        killed = connections[1]

        async def kill() -> None:
            pid = killed.info.backend_pid
            async with await administrator(connections[0]) as other:
                await other.execute("SELECT pg_terminate_backend(%s)", [pid])
                await until(other, "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = %s)", pid)

        return kill


async def until(connection: Connection, condition: LiteralString, *arguments: object) -> None:
    """Raises TimeoutError when the condition is not true within seconds."""
    async with asyncio.timeout(5):
        while await (await connection.execute(condition, arguments)).fetchone() != (True,):
            await asyncio.sleep(0.002)


async def until_it_waits(connection: Connection, other: Connection) -> None:
    """Until the statement of `other` waits for a lock."""
    condition: LiteralString = "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = %s"
    async with await administrator(connection) as watching:
        await until(watching, condition, other.info.backend_pid)


async def administrator(connection: Connection) -> Connection:
    """Another connection to the same database, with the rights of the login."""
    return await AsyncConnection.connect(make_conninfo(connection.info.dsn, options=""), autocommit=True)
