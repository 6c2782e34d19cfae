"""What is too old goes in the background, in bounded batches, and nothing else does."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from psycopg import AsyncConnection

from adapters.postgres.connect import connect
from adapters.postgres.housekeeping import prune_keys
from adapters.postgres.migrate import migrate
from domain.limits import IDEMPOTENCY_KEY_SECONDS, PRUNE_ROWS_MAX
from workers.housekeeping import keep_house

AGENT = UUID(int=7)
Connection = AsyncConnection[Any]
_REMEMBER = """
INSERT INTO stele.command_keys (agent_id, key, fingerprint, first_position, last_position, result, recorded_at)
SELECT %s, %s || n, '', 0, 0, '', clock_timestamp() - make_interval(secs => %s) FROM generate_series(1, %s) AS n"""


@pytest.fixture
async def connection(database: str) -> AsyncIterator[Connection]:
    await migrate(database)
    async with await connect(database, "test", None) as connection:
        yield connection


async def remember(connection: Connection, name: str, age_seconds: float, count: int) -> None:
    await connection.execute(_REMEMBER, [AGENT, name, age_seconds, count])


async def remembered(connection: Connection) -> dict[str, int]:
    rows = await connection.execute("SELECT rtrim(key, '0123456789'), count(*) FROM stele.command_keys GROUP BY 1")
    return dict(await rows.fetchall())


async def test_I12_keys_are_remembered_for_as_long_as_is_promised_and_not_much_longer(connection: Connection) -> None:
    await remember(connection, "old ", IDEMPOTENCY_KEY_SECONDS + 1, 3 * PRUNE_ROWS_MAX + 1)
    await remember(connection, "young ", IDEMPOTENCY_KEY_SECONDS - 60, 10)
    await remember(connection, "new ", 0, 10)
    assert await prune_keys(connection) == 3 * PRUNE_ROWS_MAX + 1
    assert await remembered(connection) == {"young ": 10, "new ": 10}
    assert await prune_keys(connection) == 0


async def test_two_processes_prune_at_once_and_neither_waits_for_the_other(
    database: str, connection: Connection
) -> None:
    await remember(connection, "old ", IDEMPOTENCY_KEY_SECONDS + 1, 5 * PRUNE_ROWS_MAX)
    async with await connect(database, "other") as other:
        async with other.transaction():
            await other.execute("SELECT FROM stele.command_keys WHERE key = 'old 1' FOR UPDATE")
            async with asyncio.timeout(10):
                assert await prune_keys(connection) == 5 * PRUNE_ROWS_MAX - 1, "what is held is left to its holder"
        assert sum(await asyncio.gather(prune_keys(connection), prune_keys(other))) == 1
    assert await remembered(connection) == {}


async def test_the_house_is_kept_after_a_broken_connection_as_well(database: str, connection: Connection) -> None:
    keeping = asyncio.create_task(keep_house(database, every_seconds=0.01))
    for _ in range(2):
        await remember(connection, "old ", IDEMPOTENCY_KEY_SECONDS + 1, 1)
        await _until(connection, {})
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'stele housekeeping' AND datname = current_database()"
        )
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)


async def _until(connection: Connection, expected: dict[str, int]) -> None:
    async with asyncio.timeout(10):
        while await remembered(connection) != expected:
            await asyncio.sleep(0.01)
